// SPDX-License-Identifier: Apache-2.0
/// The durable state that a partition reads from the views when it recovers.
#pragma once

#include "persistence/records/records.hpp"

#include <utility>
#include <vector>

namespace perdura::persistence {

/// An open timer or scheduled start, and the time at which it is due.
struct due_task {
  timestamp fire_at{};
  instance_id instance;
  task_sequence sequence = 0;

  auto operator<=>(const due_task&) const = default;
};

/// The state from which a partition recovers. Its size depends on the
/// partition's open work, not on the number of dormant instances.
struct partition_snapshot {
  partition_meta meta;
  /// Messages that their destinations have not acknowledged, in the order of
  /// destination and sequence.
  std::vector<outbox_message> outbox;
  /// For each destination, the last sequence number assigned to a message.
  std::vector<outbox_mark> outbox_marks;
  /// For each source partition, the last message accepted from it.
  std::vector<dedup_mark> marks;
  /// Instances whose record has `turn_due` set.
  std::vector<instance_id> turns_due;
  /// Activities that are scheduled and have no result yet.
  std::vector<std::pair<instance_id, task_sequence>> activities;
};

} // namespace perdura::persistence
