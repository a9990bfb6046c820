// SPDX-License-Identifier: Apache-2.0
/// The admission of this node by the other nodes of its cluster, and of those
/// by this node.
#pragma once

#include "cluster/placement/peer_register.hpp"
#include "cluster/routing/router_config.hpp"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

namespace perdura::cluster {

/// Whether this node may serve. A node with a new data directory serves after
/// another node has admitted it; one that was admitted in an earlier start,
/// after another node has accepted its directory again, or if none is reachable
/// (see router_config::admission_wait). Thread-safe.
class node_admission {
public:
  /// Opens the records in the data directory, counts this start durably, and
  /// sets the fields of `config` that depend on both. `config.peers` and
  /// `config.times` are set already. The object must outlive the router.
  /// @error the errors of peer_register::open and of begin_start
  static persistence::result<std::unique_ptr<node_admission>>
  open(const std::filesystem::path& directory, router_config& config);

  /// Another node has accepted this one, durably recorded for later starts. If
  /// the record cannot be written, an error is logged: this node serves, but
  /// needs another admission after a restart.
  void accept();

  /// This node serves without an answer of another one.
  void assume();

  /// Another node refuses the data directory; `why` is a sentence.
  void refuse(const std::string& why);

  /// The only node of a cluster needs no admission.
  bool is_admitted() const {
    return is_admitted_;
  }

  /// Why `is_admitted` is false: a sentence.
  std::string why_not() const;

  /// Blocks until this node is admitted; false if that takes longer than
  /// `time_out`.
  bool wait(persistence::duration time_out) const;

  /// If this node was admitted in an earlier start: blocks until another node
  /// has accepted or refused it, or until the wait of the router has ended.
  void wait_for_first_answer() const;

private:
  explicit node_admission(std::unique_ptr<peer_register> peers)
    : peers_(std::move(peers)) {}

  const std::unique_ptr<peer_register> peers_;
  steady_time restart_wait_{}; ///< 0 if it was never admitted.
  std::atomic<bool> is_admitted_{false};
  mutable std::mutex mutex_; ///< Guards the fields below.
  mutable std::condition_variable changed_;
  std::string why_not_;
  bool is_refused_ = false;
};

} // namespace perdura::cluster
