// SPDX-License-Identifier: Apache-2.0
/// Remembers the data directory of each other node in the file `peers` of this
/// node's own data directory. A node that connects with another directory than
/// before is refused: the data that it acknowledged would be missing, and its
/// partitions would answer "not found" for existing instances.
#pragma once

#include "cluster/placement/peer_hello.hpp"

#include <atomic>
#include <condition_variable>
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

  /// Checks that the node connects with the directory that is recorded for it.
  /// The directory of a node that is not recorded yet is written to the file,
  /// durably, before the call returns.
  /// @error errc::storage_foreign  Another directory is recorded for the node.
  /// @error errc::storage_failed   The file cannot be written.
  persistence::result<void> admit(const peer_hello& hello);

  /// True once any other node has admitted this node with this directory, also
  /// in an earlier run.
  bool was_admitted() const {
    return was_admitted_;
  }

  /// Blocks until `was_admitted()` is true. Returns false if that takes longer
  /// than `time_out`.
  bool wait_until_admitted(persistence::duration time_out);

  /// Records, durably, that another node has admitted this one. `was_admitted`
  /// returns true once the record is durable.
  /// @error errc::storage_failed  The file cannot be written; `was_admitted`
  ///                              still returns false.
  persistence::result<void> record_admission();

private:
  explicit peer_register(std::filesystem::path file) : file_(std::move(file)) {}

  persistence::result<void> write(bool is_admitted) const;

  std::filesystem::path file_;
  std::mutex mutex_;                ///< Guards `directories_` and the file.
  std::condition_variable changed_; ///< Signalled when `was_admitted_` changes.
  std::map<node_id, std::string> directories_; ///< Directory IDs by node.
  std::atomic<bool> was_admitted_{false};
};

} // namespace perdura::cluster
