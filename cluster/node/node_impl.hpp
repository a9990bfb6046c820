// SPDX-License-Identifier: Apache-2.0
/// Puts a node together: the process, the hub and the partitions, and the order
/// in which they start and stop. Only node.cpp and node_impl.cpp include this
/// header.
#pragma once

#include "cluster/node/node_hub.hpp"
#include "cluster/node/node_process.hpp"
#include "cluster/node/node_settings.hpp"
#include "cluster/node/partition_set.hpp"
#include "persistence/process/stall_watch.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace perdura::cluster {

/// The parts of a node. The hub uses the partitions and the partitions use the
/// process, so they are destroyed in this order: hub, partitions, process,
/// settings.
struct node_parts {
  node_settings settings; ///< Read by the hub.
  std::unique_ptr<node_process> process;
  std::unique_ptr<partition_set> partitions;
  std::unique_ptr<node_hub> hub;
};

/// Owns the parts of one node; `begin` and `stop` state the order in which they
/// start and stop. Thread-safety is that of `node`.
class node::impl {
public:
  /// `store` is the open journal. `caf_config` already has the network modules
  /// if the node is part of a cluster. Starts the threads of the process; no
  /// partition runs before `begin`.
  /// `stalls` watches the writes to the disk since before the journal was
  /// opened.
  impl(node_settings settings, std::unique_ptr<persistence::stall_watch> stalls,
       std::unique_ptr<persistence::journal> store,
       std::unique_ptr<caf::actor_system_config> caf_config);

  /// Calls `stop`. If user code still runs, the parts are not destroyed.
  ~impl();

  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  // Implement the functions of `node` with these names; see there.

  persistence::result<void> begin();
  std::vector<std::string> stop();
  std::vector<unready_reason> unready_reasons() const;

  const actors::turn_watch& turns() const {
    return parts_->process->turns();
  }

  /// See `node_statistics::activities`.
  std::vector<actors::activity_load> activities() const;

  /// To be changed only before `begin`.
  node_settings& settings() {
    return parts_->settings;
  }

  const node_hub& hub() const {
    return *parts_->hub;
  }

private:
  const std::unique_ptr<persistence::stall_watch> stalls_;
  std::unique_ptr<node_parts> parts_; ///< Null only in the destructor.
  std::atomic<bool> serving_{false};  ///< From the end of `begin` to `stop`.
  std::atomic<bool> stopping_{false}; ///< `stop` was called.
  std::mutex stop_mutex_;       ///< Held during `stop`: a second call waits.
  bool stopped_ = false;        ///< Guarded by `stop_mutex_`.
  bool user_code_runs_ = false; ///< `stop` has left threads with user code.
};

} // namespace perdura::cluster
