/// Remembers each other node's data directory, so that one that comes with
/// another is refused: what it held would be missing, and nobody would know.
#pragma once

#include "cluster/transport/envelope.hpp"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>

namespace perdura::cluster {

class peer_register {
public:
  /// Reads `directory`/peers, if it is there.
  /// @error errc::storage_damaged  It is not as it was written.
  static persistence::result<std::unique_ptr<peer_register>>
  open(const std::filesystem::path& directory);

  /// Is it the one that it was? A new one is remembered, durably.
  /// @error errc::storage_foreign  Another directory than the last time.
  /// @error errc::storage_failed   It cannot be remembered.
  persistence::result<void> admit(const peer_hello& hello);

  /// Whether another node has ever let this one in with this directory.
  bool was_admitted() const {
    return was_admitted_;
  }

  /// False if none has within that time.
  bool wait_until_admitted(persistence::duration time_out);

  /// Another node has let this one in; remembered, durably.
  persistence::result<void> note_admitted();

private:
  explicit peer_register(std::filesystem::path file) : file_(std::move(file)) {}

  persistence::result<void> write() const;

  std::filesystem::path file_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<node_id, std::string> directories_;
  std::atomic<bool> was_admitted_{false};
};

} // namespace perdura::cluster
