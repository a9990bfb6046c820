/// What a journal should hold, kept beside it as plainly as can be: the
/// harness compares everything that recovery reads with this.
#pragma once

#include "persistence/journal/journal.hpp"

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace perdura::tests {

using namespace persistence;

struct ledger_instance {
  std::optional<stored_instance> stored;
  std::vector<history_event> history;
};

/// One partition, folded from its turns.
struct ledger_partition {
  partition_meta meta; ///< Without incarnation.
  std::map<instance_id, ledger_instance> instances;
  std::map<std::pair<partition_id, std::uint64_t>, outbox_message> outbox;
  std::map<partition_id, std::uint64_t> outbox_heads;
  std::map<partition_id, std::uint64_t> marks;
  std::set<execution_id> executions; ///< All that ever were, purged ones too.

  /// Sentences about what no turn may do: gaps, history that is not appended,
  /// anything after the end.
  std::vector<std::string> apply(const turn_writes& writes);

  /// Is the task's result durable, taken or not?
  bool has_result(const instance_id& id, const execution_id& execution,
                  task_sequence sequence) const;
};

/// The turns of all partitions: durable ones, and those on their way.
class ledger {
public:
  explicit ledger(std::uint32_t partition_count)
    : partitions_(partition_count) {}

  /// A turn goes to the journal.
  std::vector<std::string> enqueue(turn_writes writes);

  /// What is on its way is durable.
  void commit();

  /// A crash: up to `sequence` the partition's turns were durable. A sentence
  /// if that is less than what had been promised or more than there was.
  std::vector<std::string> recover(partition_id partition,
                                   partition_sequence sequence);

  /// With what is on its way.
  const ledger_partition& now(partition_id partition) const {
    return at(partition).now;
  }

  const ledger_partition& durable(partition_id partition) const {
    return at(partition).durable;
  }

private:
  struct sides {
    ledger_partition durable;
    ledger_partition now;
    std::deque<turn_writes> queued;
  };

  const sides& at(partition_id partition) const {
    return partitions_.at(index_of(partition));
  }

  std::vector<sides> partitions_;
};

} // namespace perdura::tests
