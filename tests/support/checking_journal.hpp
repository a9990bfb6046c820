// SPDX-License-Identifier: Apache-2.0
/// A journal wrapper that compares every write and every read with a model of
/// the journal. Faults can be planted, to prove that the comparison sees them.
#pragma once

#include "actors/partition/partition_processor.hpp"
#include "persistence/journal/manual_journal.hpp"
#include "tests/support/journal_model.hpp"

#include <functional>
#include <memory>

namespace perdura::tests {

using persistence::damaged_instance;
using persistence::due_range;
using persistence::due_task;
using persistence::event_index;
using persistence::history_event;
using persistence::hub_identity;
using persistence::instance_id;
using persistence::instance_page;
using persistence::instance_query;
using persistence::journal;
using persistence::journal_position;
using persistence::journal_statistics;
using persistence::manual_journal;
using persistence::partition_id;
using persistence::partition_snapshot;
using persistence::result;
using persistence::status_counts;
using persistence::stored_instance;
using persistence::timestamp;
using persistence::turn_writes;

/// Bugs that a test switches on, to prove that the checks detect them.
struct planted_faults {
  bool early_effects = false; ///< Effects are performed before the commit.
  bool lost_outbox = false;   ///< Outbox messages are not stored.
  bool lost_marks = false;    ///< Marks for de-duplication are not stored.
  /// Activities that an ended execution has scheduled are not stored.
  bool lost_activities = false;
  /// The harness changes messages that start a sub-orchestration of a
  /// terminated tree, so that the partition accepts them.
  bool late_children = false;
};

class checking_journal : public journal {
public:
  using violation_sink = std::function<void(std::string)>;
  using processor_finder
    = std::function<const actors::partition_processor*(partition_id)>;

  checking_journal(std::unique_ptr<manual_journal> inner, journal_model& model,
                   planted_faults faults, violation_sink report_violation,
                   processor_finder processor_of);

  /// Commits all queued turns. Returns false if no turn was queued, or if an
  /// injected crash happened.
  bool commit();

  bool has_queued() const {
    return queued_ > 0;
  }

  /// Position of the partition's newest queued turn; 0 if there is none.
  journal_position last_enqueued(partition_id partition) const;

  manual_journal& inner() {
    return *inner_;
  }

  /// Reads every durable instance of the partition and compares record, tasks,
  /// inbox and history with the model.
  void check_reads(partition_id partition);

  const hub_identity& hub() const override;
  journal_position append(turn_writes writes) override;
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
  result<std::optional<persistence::request_row>>
  read_request(partition_id partition,
               const std::vector<persistence::request_window>& windows,
               const persistence::hash128& key) const override;
  result<partition_snapshot> load(partition_id partition) override;
  result<persistence::outbox_page> outbox(partition_id partition,
                                          partition_id to, std::uint64_t first,
                                          std::uint64_t last,
                                          std::size_t bytes_max) const override;
  result<due_range> due(partition_id partition, persistence::time_scale scale,
                        timestamp after, timestamp until) const override;
  result<instance_page> page(partition_id partition,
                             const instance_query& query) const override;
  result<instance_page> query(const std::vector<partition_id>& partitions,
                              const instance_query& query) const override;
  result<status_counts>
  count(const std::vector<partition_id>& partitions) const override;
  bool is_full() const override;
  persistence::storage_space space() const override;
  journal_statistics statistics() const override;
  void close() override;

  bool full = false; ///< True makes is_full() return true.
  /// Called with each history that is read, unless empty.
  std::function<void(const instance_id&)> on_history_read;
  /// Called with the number of messages of each page of an outbox that is read,
  /// unless empty.
  std::function<void(std::size_t)> on_outbox_read;

private:
  void check_live(const turn_writes& writes);
  void check_outbox(partition_id partition,
                    const persistence::outbox_range& range);
  void check_snapshot(partition_id partition,
                      const partition_snapshot& snapshot);

  std::unique_ptr<manual_journal> inner_;
  journal_model& model_;
  planted_faults faults_;
  violation_sink report_violation_;
  processor_finder processor_of_;
  std::size_t queued_ = 0;
  std::map<partition_id, journal_position> last_;
};

} // namespace perdura::tests
