// SPDX-License-Identifier: Apache-2.0
/// The counters of a partition. Each counter is declared only here: the code
/// for sums, statistics and metrics reads the table below, which also explains
/// each counter.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

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
  std::uint64_t messages_out_of_order = 0;
  std::uint64_t evictions = 0;
  std::uint64_t requests_repeated = 0;
  std::uint64_t request_keys_refused = 0;

  partition_counters& operator+=(const partition_counters& other);
};

/// The work of a partition that damage stops now.
struct damage_figures {
  std::uint64_t instances = 0; ///< Damaged instances, as far as they were used.
  std::uint64_t messages = 0;  ///< Messages that wait for their repair.
  std::uint64_t bytes = 0;     ///< Size of these messages.
  /// Partitions whose messages wait, because no more can be stored.
  std::uint64_t streams_waiting = 0;
  /// Partitions whose messages have a gap that does not close, or whose numbers
  /// are not consistent with those of this partition.
  std::uint64_t streams_broken = 0;

  damage_figures& operator+=(const damage_figures& other) {
    instances += other.instances;
    messages += other.messages;
    bytes += other.bytes;
    streams_waiting += other.streams_waiting;
    streams_broken += other.streams_broken;
    return *this;
  }
};

/// The messages to one partition that are not acknowledged.
struct outbox_destination {
  std::uint32_t partition = 0; ///< The destination.
  std::uint64_t messages = 0;
  /// How long the oldest one has waited, since the start of this process.
  std::chrono::microseconds oldest{};
};

/// The messages to other partitions.
struct outbox_figures {
  std::uint64_t messages = 0;        ///< Not acknowledged.
  std::uint64_t memory_messages = 0; ///< In memory; the others are on disk.
  std::uint64_t memory_bytes = 0;    ///< The size of those in memory.
  /// Instances whose next turn waits for acknowledgements.
  std::uint64_t turns_waiting = 0;
  /// The destinations with messages, ascending.
  std::vector<outbox_destination> destinations;

  outbox_figures& operator+=(const outbox_figures& other);
};

inline outbox_figures& outbox_figures::operator+=(const outbox_figures& other) {
  messages += other.messages;
  memory_messages += other.memory_messages;
  memory_bytes += other.memory_bytes;
  turns_waiting += other.turns_waiting;
  for (const outbox_destination& each : other.destinations) {
    const auto at = std::lower_bound(
      destinations.begin(), destinations.end(), each.partition,
      [](const outbox_destination& one, std::uint32_t to) {
        return one.partition < to;
      });
    if (at == destinations.end() || at->partition != each.partition) {
      destinations.insert(at, each);
      continue;
    }
    at->messages += each.messages;
    at->oldest = std::max(at->oldest, each.oldest);
  }
  return *this;
}

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
     "Messages from other partitions dropped as duplicates."},
    {&partition_counters::messages_out_of_order,
     "perdura_messages_out_of_order_total",
     "Messages from other partitions that arrived before an earlier one; the "
     "source sends both again."},
    {&partition_counters::requests_repeated, "perdura_requests_repeated_total",
     "Repeated requests that got the recorded answer of the first one."},
    {&partition_counters::request_keys_refused,
     "perdura_request_keys_refused_total",
     "Requests refused because too many request IDs are recorded "
     "(limits.request_keys_max, limits.request_key_bytes_max)."},
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
