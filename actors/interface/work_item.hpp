// SPDX-License-Identifier: Apache-2.0
/// Messages between a partition and the activity pool, and between partitions.
#pragma once

#include "actors/execution/decision.hpp"
#include "persistence/records/records.hpp"

namespace perdura::actors {

using persistence::duration;
using persistence::outbox_message;
using persistence::partition_id;

/// One attempt of an activity, to be run. An attempt runs at least once: after
/// a crash the same item, with the same idempotency key
/// `instance/execution/sequence`, may run again.
struct activity_work_item {
  partition_id partition{};
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;
  std::string name;
  std::string input;          ///< JSON text.
  std::uint32_t attempt = 1;  ///< From 1.
  duration time_out{0};       ///< Time limit from start to end; 0 means none.
  duration start_time_out{0}; ///< Time limit until the start; 0 means none.
};

/// The end of an attempt. `outcome` is task_completed or task_failed.
struct activity_result {
  partition_id partition{};
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;
  history_body outcome;
};

/// One outbox message on its way from the partition `from`. The sequences of
/// the messages from one partition to another have no gaps.
struct partition_message {
  partition_id from{};
  outbox_message message;
};

/// An acknowledgement: the partition `from` has made durable all messages up to
/// `sequence` that it has received from the partition to which this
/// acknowledgement is sent.
struct partition_acknowledgement {
  partition_id from{};
  std::uint64_t sequence = 0;
};

} // namespace perdura::actors
