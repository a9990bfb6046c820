/// What one commit costs on this disk right now: the measure for rates and
/// latencies that were taken beside it.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <filesystem>
#include <memory>
#include <vector>

namespace perdura::persistence {
class journal;
} // namespace perdura::persistence

namespace perdura::client {

class commit_probe {
public:
  /// A journal of its own in a folder that is not there yet, with the flags
  /// that a node's has. Begins threads.
  /// @error as persistence::create_hub, open_lmdb_journal
  static persistence::result<std::unique_ptr<commit_probe>>
  open(const std::filesystem::path& folder);

  ~commit_probe();

  commit_probe(const commit_probe&) = delete;
  commit_probe& operator=(const commit_probe&) = delete;

  /// So many turns, each alone and after the other was on disk: microseconds.
  std::vector<double> run(std::size_t count);

private:
  class durable_place;

  commit_probe();

  std::unique_ptr<durable_place> durable_;
  std::unique_ptr<persistence::journal> journal_;
  std::uint64_t sequence_ = 0;
};

} // namespace perdura::client
