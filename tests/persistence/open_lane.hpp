// SPDX-License-Identifier: Apache-2.0
/// One lane of a journal with its committer and views, on stores in memory
/// whose syncs a test controls.
#pragma once

#include "persistence/journal/group_committer.hpp"
#include "persistence/journal/memory_journal.hpp"

#include "durable_waiter.hpp"
#include "journal_harness.hpp"
#include "storage_kinds.hpp"

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace perdura::persistence::testing {

/// The record log of a lane. A test can hold the sync of its appends.
class held_log : public record_log {
public:
  explicit held_log(map_log& kept) : kept_(kept) {}

  /// From now on, each append waits for `release` before it writes.
  void hold() {
    std::lock_guard lock(mutex_);
    is_held_ = true;
  }

  void release() {
    std::lock_guard lock(mutex_);
    is_held_ = false;
    changed_.notify_all();
  }

  /// Blocks until an append waits.
  void wait_for_append() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_waiting_; });
  }

  void append(const std::vector<record>& records, journal_position trim_to,
              std::size_t trim_max) override {
    {
      std::unique_lock lock(mutex_);
      is_waiting_ = true;
      changed_.notify_all();
      changed_.wait(lock, [&] { return !is_held_; });
      is_waiting_ = false;
    }
    kept_.append(records, trim_to, trim_max);
  }

  std::optional<record> read(journal_position from) const override {
    return kept_.read(from);
  }

  std::optional<record> last() const override {
    return kept_.last();
  }

  std::uint64_t bytes_used() const override {
    return kept_.bytes_used();
  }

private:
  map_log& kept_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_held_ = false;
  bool is_waiting_ = false;
};

/// The rows of a lane, which outlive the views that are opened on them.
class kept_rows : public row_store {
public:
  explicit kept_rows(map_store& kept) : kept_(kept) {}

  std::unique_ptr<row_reader> read() const override {
    return kept_.read();
  }

  std::unique_ptr<row_writer> write() override {
    return kept_.write();
  }

  std::uint64_t bytes_used() const override {
    return kept_.bytes_used();
  }

private:
  map_store& kept_;
};

inline constexpr partition_id first_partition{0};
inline constexpr partition_id second_partition{1};
inline constexpr partition_id third_partition{2};

enum class threads { none, committer };

/// One open lane. The disk outlives it, as in a restart after a crash.
struct open_lane {
  held_log log;
  std::shared_ptr<crash_switch> crash;
  views lane_views;
  group_committer committer;
  result<void> recovered;
  std::array<partition_sequence, 3> sequences{};

  explicit open_lane(memory_disk& disk, threads kind = threads::none,
                     crash_hook hook = {})
    : log(disk.at(0).log),
      crash(std::make_shared<crash_switch>(std::move(hook))),
      lane_views(std::make_unique<kept_rows>(disk.at(0).rows), crash, 2),
      committer({.manual = kind == threads::none}, log, lane_views, crash) {
    lane_views.open().value();
    recovered = committer.recover();
    committer.start();
  }

  /// Appends a turn with the next sequence of the partition. The turn creates
  /// the instance `order-SEQUENCE`.
  journal_position append(partition_id partition) {
    const partition_sequence sequence = ++sequences[index_of(partition)];
    return committer.append(
      start_turn(partition, sequence, "order-" + std::to_string(sequence)));
  }

  bool has(partition_id partition, partition_sequence sequence) const {
    return lane_views.read(partition, "order-" + std::to_string(sequence))
      .value()
      .has_value();
  }

  /// Appends turns of the first partition until the calling thread has
  /// committed one of them on the spot. The committer thread is idle then.
  journal_position commit_on_the_spot() {
    durable_waiter waiter;
    committer.listen(first_partition,
                     [&](journal_position p) { waiter.report(p); });
    for (;;) {
      const journal_position position = append(first_partition);
      const auto reached = committer.request_commit(first_partition, true);
      if (reached) {
        committer.listen(first_partition, {});
        return *reached;
      }
      // The committer thread was not idle yet, so it commits the turn.
      waiter.wait_for(position);
    }
  }
};

} // namespace perdura::persistence::testing
