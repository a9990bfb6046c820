/// What is given out to be run.
#pragma once

#include "actors/execution/decision.hpp"
#include "persistence/records/records.hpp"

namespace perdura::actors {

/// One attempt of one activity. At least once; a repeat after a crash carries
/// the same idempotency key `instance/execution/sequence`.
struct activity_work_item {
  partition_id partition{};
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;
  std::string name;
  std::string input;
  std::uint32_t attempt = 1;
  duration time_out{0};
  duration start_time_out{0};
};

/// How it ended: task_completed or task_failed.
struct activity_result {
  partition_id partition{};
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;
  history_body outcome;
};

/// One outbox message on its way; `sequence` is dense per (from, to).
struct partition_message {
  partition_id from{};
  outbox_message message;
};

/// `from` has made everything up to `sequence` durable.
struct partition_acknowledgement {
  partition_id from{};
  std::uint64_t sequence = 0;
};

} // namespace perdura::actors
