/// A journal that compares everything that goes through it with the ledger,
/// and that can have faults planted.
#pragma once

#include "actors/partition/partition_state.hpp"
#include "persistence/journal/manual_journal.hpp"
#include "tests/support/ledger.hpp"

#include <functional>
#include <memory>

namespace perdura::tests {

/// Bugs to prove that the checks see them.
struct planted_faults {
  bool early_effects = false; ///< Effects leave when a turn is queued.
  bool lost_outbox = false;   ///< Outbox rows are not written.
  bool lost_marks = false;    ///< Neither are de-duplication marks.
};

class checking_journal : public journal {
public:
  using complaint = std::function<void(std::string)>;
  using state_finder
    = std::function<const actors::partition_state*(partition_id)>;

  checking_journal(std::unique_ptr<manual_journal> inner, ledger& book,
                   planted_faults faults, complaint complain,
                   state_finder state_of);

  /// False if there was nothing to commit, or a crash.
  bool commit();

  bool has_queued() const {
    return queued_ > 0;
  }

  /// The newest place given to a turn of the partition.
  journal_position last_enqueued(partition_id partition) const;

  manual_journal& inner() {
    return *inner_;
  }

  /// Everything durable reads as the ledger has it.
  void check_reads(partition_id partition);

  const hub_identity& hub() const override;
  journal_position enqueue(turn_writes writes) override;
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

  bool full = false; ///< What is_full() says besides the journal itself.

private:
  void check_live(const turn_writes& writes);
  void check_snapshot(partition_id partition,
                      const partition_snapshot& snapshot);

  std::unique_ptr<manual_journal> inner_;
  ledger& book_;
  planted_faults faults_;
  complaint complain_;
  state_finder state_of_;
  std::size_t queued_ = 0;
  std::map<partition_id, journal_position> last_;
};

} // namespace perdura::tests
