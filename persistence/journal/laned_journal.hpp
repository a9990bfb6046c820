/// A journal of one or more lanes, each with its own log, views and threads.
/// What the lanes stand on, LMDB or memory, is passed in.
#pragma once

#include "persistence/journal/group_committer.hpp"
#include "persistence/journal/manual_journal.hpp"
#include "persistence/views/views_writer.hpp"

#include <memory>
#include <vector>

namespace perdura::persistence {

class laned_journal : public manual_journal {
public:
  struct options {
    bool manual = false;
    bool decode_again = false;
    views_writer::limits limits;
    std::function<bool()> measure_full; ///< Asked now and then; may be empty.
  };

  struct store {
    std::unique_ptr<record_log> log;
    std::unique_ptr<row_store> rows;
  };

  laned_journal(hub_identity hub, options how, std::vector<store> stores,
                std::shared_ptr<crash_switch> crash);
  ~laned_journal() override;

  /// Brings the views up from the journals' tails and starts the threads.
  result<void> open();

  const hub_identity& hub() const override;
  journal_position enqueue(turn_writes writes) override;
  journal_position gather(turn_writes writes) override;
  void gathered(partition_id partition, bool may_block) override;
  bool is_quiet(partition_id partition) const override;
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
                                    timestamp until) override;
  result<instance_page> query(const std::vector<partition_id>& partitions,
                              const instance_query& query) override;
  result<status_counts>
  count(const std::vector<partition_id>& partitions) override;
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
  const options how_;
  std::shared_ptr<crash_switch> crash_;
  std::atomic<bool> full_{false};
  bool opened_ = false;
  bool closed_ = false;
  std::vector<std::unique_ptr<lane>> lanes_;
};

} // namespace perdura::persistence
