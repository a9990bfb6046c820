// SPDX-License-Identifier: Apache-2.0
#include "client/load/commit_probe.hpp"

#include "client/load/typical_turn.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/records/clock.hpp"
#include "persistence/records/identity.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace perdura::client {

using namespace persistence;
using std::chrono::steady_clock;

/// The highest durable position of the journal. Thread-safe: the committer
/// thread advances the position, and run() waits for it.
class commit_probe::durable_position {
public:
  void advance(journal_position position) {
    const std::lock_guard lock(mutex_);
    position_ = std::max(position_, position);
    changed_.notify_all();
  }

  void wait_for(journal_position position) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return position_ >= position; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  journal_position position_ = 0;
};

commit_probe::commit_probe() : durable_(std::make_unique<durable_position>()) {}

commit_probe::~commit_probe() {
  if (journal_)
    journal_->close();
}

result<std::unique_ptr<commit_probe>>
commit_probe::open(const std::filesystem::path& folder) {
  hub_identity hub;
  hub.hub_id = random_hex32();
  hub.name = "probe";
  hub.partition_count = 1;
  if (auto made = create_hub(folder, hub); !made)
    return made.error();
  lmdb_journal_options options;
  options.directory = folder;
  // The probe needs no reserve for a full disk.
  options.disk_limits.reserve_bytes = 0;
  auto journal = open_lmdb_journal(std::move(options));
  if (!journal)
    return journal.error();
  std::unique_ptr<commit_probe> probe(new commit_probe);
  probe->journal_ = std::move(*journal);
  // The journal calls the listener on its committer thread.
  probe->journal_->listen(partition_id{0}, [durable = probe->durable_.get()](
                                             journal_position position) {
    durable->advance(position);
  });
  return probe;
}

std::vector<double> commit_probe::run(std::size_t count) {
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    // The turn is built before the clock is read.
    turn_writes turn = typical_turn("probe-", partition_id{0}, ++sequence_,
                                    system_clock().now());
    const auto from = steady_clock::now();
    const journal_position position = journal_->append(std::move(turn));
    journal_->request_commit(partition_id{0}, false);
    durable_->wait_for(position);
    times.push_back(
      std::chrono::duration<double, std::micro>(steady_clock::now() - from)
        .count());
  }
  return times;
}

} // namespace perdura::client
