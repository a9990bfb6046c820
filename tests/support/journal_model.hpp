// SPDX-License-Identifier: Apache-2.0
/// A model of the journal's contents: plain maps to which every turn is
/// applied. Tests compare everything that recovery reads with the model.
#pragma once

#include "persistence/journal/journal.hpp"

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace perdura::tests {

using persistence::execution_id;
using persistence::history_event;
using persistence::instance_id;
using persistence::outbox_message;
using persistence::partition_id;
using persistence::partition_meta;
using persistence::partition_sequence;
using persistence::stored_instance;
using persistence::task_sequence;
using persistence::turn_writes;

struct model_instance {
  std::optional<stored_instance> stored;
  std::vector<history_event> history;
};

/// State of one partition after some of its turns.
struct model_partition {
  partition_meta meta; ///< The incarnation is left empty.
  std::map<instance_id, model_instance> instances;
  std::map<std::pair<partition_id, std::uint64_t>, outbox_message> outbox;
  std::map<partition_id, std::uint64_t> outbox_heads;
  std::map<partition_id, std::uint64_t> marks;
  /// The newest recorded answer of each request with its window, and the
  /// windows.
  std::map<persistence::hash128,
           std::pair<persistence::request_window, persistence::request_row>>
    requests;
  persistence::request_windows windows;
  /// Every execution that was ever written, also those that were purged.
  std::set<execution_id> executions;
  /// How often an event with this payload was accepted for the instance, in any
  /// of its executions. Not exact for one that continues as new.
  std::map<std::pair<instance_id, std::string>, unsigned> events_accepted;

  /// Applies a turn and returns one sentence for each violated invariant:
  /// the numbers of turns and outbox messages have no gaps, epochs, times and
  /// marks never go back, history is only appended, nothing but a rewind
  /// follows the end of an instance, and no member of a terminated tree runs.
  std::vector<std::string> apply(const turn_writes& writes);

  /// Returns whether the task's result is in the history or in the inbox.
  bool has_result(const instance_id& id, const execution_id& execution,
                  task_sequence sequence) const;

private:
  void count_events(const model_instance& before,
                    const persistence::instance_write& write);
  void apply_requests(const persistence::request_changes& changes,
                      std::vector<std::string>& wrong);
};

/// All partitions of a journal, each in two states: after its durable turns,
/// and after its queued turns.
class journal_model {
public:
  explicit journal_model(std::uint32_t partition_count)
    : partitions_(partition_count) {}

  /// Records a turn that was given to the journal and is not durable yet.
  /// Returns the violated invariants.
  std::vector<std::string> enqueue(turn_writes writes);

  /// All queued turns have become durable.
  void commit();

  /// The partition has recovered after a crash, up to turn `sequence`. Later
  /// turns are dropped. Returns a sentence if a durable turn was lost or if
  /// the partition has turns that were never queued.
  std::vector<std::string> recover(partition_id partition,
                                   partition_sequence sequence);

  /// State after all queued turns.
  const model_partition& now(partition_id partition) const {
    return at(partition).now;
  }

  /// State after all durable turns.
  const model_partition& durable(partition_id partition) const {
    return at(partition).durable;
  }

private:
  struct sides {
    model_partition durable;
    model_partition now;
    std::deque<turn_writes> queued;
  };

  const sides& at(partition_id partition) const {
    return partitions_.at(index_of(partition));
  }

  std::vector<sides> partitions_;
};

} // namespace perdura::tests
