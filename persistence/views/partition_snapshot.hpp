// SPDX-License-Identifier: Apache-2.0
/// The durable state that a partition reads from the views when it recovers.
#pragma once

#include "persistence/records/records.hpp"
#include "persistence/records/request_rows.hpp"

#include <string>
#include <utility>
#include <vector>

namespace perdura::persistence {

/// An open timer or scheduled start, and the time at which it is due, on its
/// scale (see `due_of`).
struct due_task {
  timestamp fire_at{};
  instance_id instance;
  task_sequence sequence = 0;

  auto operator<=>(const due_task&) const = default;
};

/// An instance that cannot be used because its rows are damaged.
struct damaged_instance {
  instance_id id;
  std::string error; ///< Names the damaged row.
};

/// The tasks that are due on one scale within a range of times.
struct due_range {
  std::vector<due_task> tasks; ///< In the order of their times.
  /// False if no task is due after the range, on any scale.
  bool has_later = false;
};

/// The messages to one destination that it has not acknowledged. They have the
/// sequences from `first` to `last`.
struct outbox_range {
  partition_id to{};
  std::uint64_t first = 1; ///< `last + 1` if there are no messages.
  std::uint64_t last = 0;  ///< The last sequence assigned to a message.

  bool operator==(const outbox_range&) const = default;
};

/// Consecutive messages of an outbox.
struct outbox_page {
  /// In the order of their sequences, without gaps. A message whose row is
  /// damaged is replaced by one without an effect (an event for the instance
  /// with the empty ID), because the destination accepts messages without gaps
  /// only.
  std::vector<outbox_message> messages;
  std::vector<std::string> damage; ///< One sentence for each replaced message.
};

/// The state from which a partition recovers. Its size depends on the
/// partition's open work, not on the number of dormant instances, nor on the
/// number of messages that wait for other partitions.
struct partition_snapshot {
  partition_meta meta;
  /// For each destination that a message was ever sent to, the messages that it
  /// has not acknowledged; see `state_reader::outbox`.
  std::vector<outbox_range> outbox;
  /// The messages for damaged instances, in the order of their sequences. The
  /// outbox contains them under the destination `quarantine_partition`.
  std::vector<outbox_message> quarantined;
  /// For each source partition, the last message accepted from it.
  std::vector<dedup_mark> marks;
  /// The windows of recorded answers to requests, in ascending order.
  request_windows windows;
  /// Instances whose record has `turn_due` set.
  std::vector<instance_id> turns_due;
  /// Activities that are scheduled and have no result yet.
  std::vector<std::pair<instance_id, task_sequence>> activities;
  /// One sentence for each row that is damaged and therefore left out.
  std::vector<std::string> damage;
};

} // namespace perdura::persistence
