// SPDX-License-Identifier: Apache-2.0
/// The implementation of `journal` that all stores share: one or more lanes,
/// each with its own record log, views and threads. The stores (LMDB or
/// memory) are passed in.
#pragma once

#include "persistence/journal/group_committer.hpp"
#include "persistence/journal/manual_journal.hpp"
#include "persistence/views/views_writer.hpp"

#include <memory>
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
    /// Measures whether the storage is full, for `is_full`. Called in the
    /// constructor, after each flush and periodically, from any lane's
    /// threads. If empty, the storage is never full.
    std::function<bool()> measure_full;
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
  result<partition_snapshot> load(partition_id partition) override;
  result<std::vector<due_task>> due(partition_id partition, timestamp after,
                                    timestamp until) const override;
  result<instance_page> query(const std::vector<partition_id>& partitions,
                              const instance_query& query) const override;
  result<status_counts>
  count(const std::vector<partition_id>& partitions) const override;
  bool is_full() const override;
  journal_statistics statistics() const override;
  void close() override;

  std::size_t commit() override;
  void flush_views(bool trim) override;
  bool crashed() const override;

private:
  struct lane;

  lane& lane_of(partition_id partition) const;
  std::vector<std::vector<partition_id>>
  by_lane(const std::vector<partition_id>& partitions) const;

  const hub_identity hub_;
  const options options_;
  std::shared_ptr<crash_switch> crash_;
  std::atomic<bool> full_{false};
  bool opened_ = false;
  bool closed_ = false;
  std::vector<std::unique_ptr<lane>> lanes_;
};

} // namespace perdura::persistence
