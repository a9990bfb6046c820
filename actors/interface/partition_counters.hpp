// SPDX-License-Identifier: Apache-2.0
/// The counters of a partition. Each counter is declared only here: the code
/// for sums, statistics and metrics reads the table below, which also explains
/// each counter.
#pragma once

#include <array>
#include <cstdint>

namespace perdura::actors {

/// Totals since the partition was recovered; written by the partition's thread.
struct partition_counters {
  std::uint64_t starts = 0;
  std::uint64_t orchestration_turns = 0;
  std::uint64_t replays = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  std::uint64_t terminated = 0;
  std::uint64_t continued = 0;
  std::uint64_t activities = 0;
  std::uint64_t results_stale = 0;
  std::uint64_t events_discarded = 0;
  std::uint64_t messages_repeated = 0;
  std::uint64_t evictions = 0;

  partition_counters& operator+=(const partition_counters& other);
};

/// A counter with the metric that shows it in /metrics.
struct partition_counter {
  std::uint64_t partition_counters::*value;
  const char* metric;
  const char* help;
  /// Value of the label `status`; null if the metric has no labels. The rows
  /// of one metric must be adjacent in the table.
  const char* status = nullptr;
};

inline constexpr auto partition_counter_table
  = std::to_array<partition_counter>({
    {&partition_counters::starts, "perdura_orchestrations_started_total",
     "Orchestrations started, sub-orchestrations included."},
    {&partition_counters::completed, "perdura_orchestrations_ended_total",
     "Executions that ended, by final status.", "Completed"},
    {&partition_counters::failed, "perdura_orchestrations_ended_total",
     "Executions that ended, by final status.", "Failed"},
    {&partition_counters::terminated, "perdura_orchestrations_ended_total",
     "Executions that ended, by final status.", "Terminated"},
    {&partition_counters::continued, "perdura_orchestrations_ended_total",
     "Executions that ended, by final status.", "ContinuedAsNew"},
    {&partition_counters::orchestration_turns,
     "perdura_orchestrator_turns_total", "Turns of orchestrator functions."},
    {&partition_counters::replays, "perdura_replays_total",
     "Histories replayed to restore the state of an orchestrator."},
    {&partition_counters::evictions, "perdura_evictions_total",
     "Idle instances evicted from memory."},
    {&partition_counters::activities, "perdura_activities_total",
     "Activity attempts scheduled."},
    {&partition_counters::results_stale, "perdura_results_stale_total",
     "Results dropped because no open task matched them."},
    {&partition_counters::events_discarded, "perdura_events_discarded_total",
     "External events dropped because no instance waited for them."},
    {&partition_counters::messages_repeated, "perdura_messages_repeated_total",
     "Messages from other partitions dropped as duplicates or out of order."},
  });

static_assert(sizeof(partition_counters)
                == partition_counter_table.size() * sizeof(std::uint64_t),
              "each counter has one row in the table");

inline partition_counters&
partition_counters::operator+=(const partition_counters& other) {
  for (const partition_counter& each : partition_counter_table)
    this->*each.value += other.*each.value;
  return *this;
}

} // namespace perdura::actors
