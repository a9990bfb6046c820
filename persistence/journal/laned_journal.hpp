// SPDX-License-Identifier: Apache-2.0
/// The implementation of `journal` that all stores share: one or more lanes,
/// each with its own record log, views and threads. The stores (LMDB or
/// memory) are passed in.
#pragma once

#include "persistence/journal/group_committer.hpp"
#include "persistence/journal/manual_journal.hpp"
#include "persistence/views/views_scrub.hpp"
#include "persistence/views/views_writer.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace perdura::persistence {

/// Partition p belongs to lane p mod (number of lanes). Each call is passed
/// to the lane of its partition; `query`, `count` and `statistics` combine
/// the results of several lanes.
class laned_journal : public manual_journal {
public:
  struct options {
    /// If true, no threads are started; see manual_journal.hpp.
    bool manual = false;
    bool decode_after_commit = false; ///< See `group_committer::options`.
    views_writer::limits limits;
    views_scrubber::limits scrub;
    /// Measures the storage, for `is_full` and `space`. Gets the space of all
    /// stores, and the bytes of durable turns that the views have not written.
    /// Called in the constructor, after each flush and periodically, from any
    /// lane's threads. If empty, the storage is never full.
    std::function<storage_space(const std::vector<file_space>& stores,
                                std::uint64_t pending)>
      measure;
    /// Set to true by a write that has found no space on the disk; the storage
    /// then counts as full until the next measurement. May be null.
    std::shared_ptr<std::atomic<bool>> found_no_space;
  };

  /// The stores of one lane.
  struct store {
    std::unique_ptr<record_log> log;
    std::unique_ptr<row_store> rows;
  };

  /// `stores` has one element for each lane, in the order of lane numbers.
  laned_journal(hub_identity hub, options settings, std::vector<store> stores,
                std::shared_ptr<crash_switch> crash);

  /// Calls `close`, unless the journal is in manual mode or a crash was
  /// injected. In these two cases, uncommitted turns are lost, as in a crash.
  ~laned_journal() override;

  /// Recovers the views of each lane from the journal and starts the threads.
  /// To be called once, before any function of `journal`.
  /// @error errc::storage_damaged  A record or row is damaged or missing.
  /// @error errc::storage_format   A record has another format version.
  result<void> open();

  const hub_identity& hub() const override;
  journal_position append(turn_writes turn) override;
  std::optional<journal_position> request_commit(partition_id partition,
                                                 bool may_block) override;
  void listen(partition_id partition,
              std::function<void(journal_position)> on_durable) override;
  journal_position durable(partition_id partition) const override;
  result<std::optional<stored_instance>>
  read(partition_id partition, const instance_id& id) const override;
  result<std::vector<history_event>>
  history(partition_id partition, const instance_id& id, event_index first,
          std::size_t count_max) const override;
  std::vector<damaged_instance>
  set_aside(partition_id partition) const override;
  std::size_t set_aside_count(partition_id partition) const override;
  result<std::optional<request_row>>
  read_request(partition_id partition,
               const std::vector<request_window>& windows,
               const hash128& key) const override;
  result<partition_snapshot> load(partition_id partition) override;
  result<outbox_page> outbox(partition_id partition, partition_id to,
                             std::uint64_t first, std::uint64_t last,
                             std::size_t bytes_max) const override;
  result<due_range> due(partition_id partition, time_scale scale,
                        timestamp after, timestamp until) const override;
  result<instance_page> page(partition_id partition,
                             const instance_query& query) const override;
  result<instance_page> query(const std::vector<partition_id>& partitions,
                              const instance_query& query) const override;
  result<status_counts>
  count(const std::vector<partition_id>& partitions) const override;
  bool is_full() const override;
  storage_space space() const override;
  journal_statistics statistics() const override;
  void close() override;

  std::size_t commit() override;
  void flush_views(bool trim) override;
  bool crashed() const override;

private:
  struct lane;

  void measure();
  std::uint64_t committed_bytes() const;
  lane& lane_of(partition_id partition) const;
  std::vector<std::vector<partition_id>>
  by_lane(const std::vector<partition_id>& partitions) const;

  const hub_identity hub_;
  const options options_;
  std::shared_ptr<crash_switch> crash_;
  std::mutex measure_mutex_; ///< Held during a measurement.
  std::atomic<bool> full_{false};
  /// As `committed_bytes`: beyond it, the disk may be full.
  std::atomic<std::uint64_t> full_at_{static_cast<std::uint64_t>(-1)};
  mutable std::mutex space_mutex_; ///< Guards `space_`.
  storage_space space_;
  bool opened_ = false;
  bool closed_ = false;
  std::vector<std::unique_ptr<lane>> lanes_;
};

} // namespace perdura::persistence
