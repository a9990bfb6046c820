// SPDX-License-Identifier: Apache-2.0
/// One turn of a partition: its writes, and the effects that are held back
/// until the writes are durable (the durability rule).
#pragma once

#include "actors/interface/management.hpp"
#include "actors/interface/work_item.hpp"
#include "persistence/process/log_level.hpp"
#include "persistence/records/turn_writes.hpp"

#include <variant>
#include <vector>

namespace perdura::actors {

using persistence::dedup_mark;
using persistence::log_level;
using persistence::partition_id;
using persistence::turn_writes;

/// Answers a management request.
struct answer_effect {
  reply_to to;
  management_answer answer;
};

/// Answers any number of requests with the status of one instance.
struct read_effect {
  std::vector<reply_to> to;
  get_status request;
  /// The status after this turn. Null means that the status is read from the
  /// journal when the effect is performed.
  std::shared_ptr<const instance_status> known;
};

/// Runs one attempt of an activity.
struct activity_effect {
  activity_work_item item;
};

/// Sends the messages to another partition, up to the sequence `last`.
struct outbox_effect {
  partition_id to{};
  std::uint64_t last = 0;
};

/// Reports to another partition that its messages up to `sequence` are
/// durable here.
struct acknowledge_effect {
  partition_id to{};
  std::uint64_t sequence = 0;
};

/// States the numbers of the messages to and from another partition.
struct statement_effect {
  partition_id to{};
  std::uint64_t mark = 0;
  outbox_statement stated;
  bool resends = false; ///< Then sends again what is not acknowledged.
};

/// Writes a line to the node's log.
struct log_effect {
  log_level level = log_level::info;
  std::string text;
};

/// Everything that a turn does outside its partition; each kind is subject to
/// the durability rule.
/// No code uses the results of the activities of an execution any more.
struct cancel_effect {
  instance_id instance;
  execution_id execution;
  bool drops = false; ///< Those that have not begun never run.
};

using effect = std::variant<answer_effect, read_effect, activity_effect,
                            outbox_effect, acknowledge_effect, statement_effect,
                            cancel_effect, log_effect>;

/// The result of a step.
struct turn {
  /// The processor fills in partition, epoch, sequence, time and outbox
  /// sequences when it journals the turn. A turn without writes is not
  /// journaled.
  turn_writes writes;
  std::vector<effect> effects;
  /// Messages from other partitions that this turn makes durable.
  std::vector<dedup_mark> sources;

  bool writes_nothing() const {
    return writes.instances.empty() && writes.outbox.empty()
           && writes.outbox_acknowledged.empty() && writes.marks.empty()
           && writes.rules.empty() && !writes.requests && sources.empty();
  }
};

} // namespace perdura::actors
