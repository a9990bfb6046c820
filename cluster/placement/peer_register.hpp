// SPDX-License-Identifier: Apache-2.0
/// Remembers the data directory of each other node, and its newest start, in
/// the file `peers` of this node's own data directory. A node that connects
/// with another directory than before, or with an older copy of it, is refused:
/// data that it has acknowledged would be missing, and its partitions would
/// answer "not found" for existing instances.
///
/// The file is durable, because a node that has restarted must still refuse an
/// older copy of another one. It is not part of the journal: it is written
/// before the partitions have recovered, and once for each start of a node.
#pragma once

#include "cluster/placement/known_peer.hpp"

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>

namespace perdura::cluster {

/// The data directories of the other nodes, and whether this node has been
/// admitted. Thread-safe.
class peer_register {
public:
  /// Reads the file `peers` in `directory`. If there is no such file, no node
  /// is recorded yet.
  /// @error errc::storage_damaged  The file does not have the expected form.
  /// @error errc::storage_failed   It cannot be found out whether the file
  ///                               exists.
  static persistence::result<std::unique_ptr<peer_register>>
  open(const std::filesystem::path& directory);

  /// Checks that the hello continues what is recorded for the node; see
  /// `continue_peer`. A change is written to the file, durably, before the call
  /// returns.
  /// @error errc::storage_foreign  The hello does not continue the record.
  /// @error errc::storage_failed   The file cannot be written.
  persistence::result<void> admit(const peer_hello& hello);

  /// True once any other node has admitted this node with this directory, also
  /// in an earlier run.
  bool was_admitted() const {
    return was_admitted_;
  }

  /// Records, durably, that another node has admitted this one. `was_admitted`
  /// returns true once the record is durable.
  /// @error errc::storage_failed  The file cannot be written; `was_admitted`
  ///                              still returns false.
  persistence::result<void> record_admission();

private:
  explicit peer_register(std::filesystem::path file) : file_(std::move(file)) {}

  persistence::result<void> write(bool is_admitted) const;

  std::filesystem::path file_;
  std::mutex mutex_; ///< Guards `known_` and the file.
  std::map<node_id, known_peer> known_;
  std::atomic<bool> was_admitted_{false};
};

} // namespace perdura::cluster
