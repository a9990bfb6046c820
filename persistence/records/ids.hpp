/// The words that everything else is counted and found by.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace perdura::persistence {

/// Names one orchestration instance: 1 to 256 bytes of UTF-8, see
/// `check_instance_id`.
using instance_id = std::string;

/// Names one execution of an instance, 32 hex digits; continue-as-new and a
/// replacing start give a new one.
using execution_id = std::string;

/// Names a repeatable client operation; empty means "not repeatable".
using request_id = std::string;

/// One of the hub's logical shards, 0 … P − 1.
enum class partition_id : std::uint32_t {};

constexpr std::uint32_t index_of(partition_id id) {
  return static_cast<std::uint32_t>(id);
}

/// Place of a turn in its lane's journal, dense, from 1; 0 means "nothing".
using journal_position = std::uint64_t;

/// Raised and made durable at each start of a partition's owner.
using owner_epoch = std::uint64_t;

/// Dense number of a turn within its partition, from 1: what a replica would
/// be sent.
using partition_sequence = std::uint64_t;

/// Number of an open task within one execution. Decisions count from 1; waits
/// for external events count from `wait_sequence_first`, in a space of their
/// own, because history does not record them.
using task_sequence = std::uint32_t;
inline constexpr task_sequence wait_sequence_first = 0x8000'0000U;
/// The scheduled start of a pending instance is its task 0.
inline constexpr task_sequence start_sequence = 0;

/// Place of an event in the history of one execution, from 0.
using event_index = std::uint32_t;

/// Number of a message in an instance's inbox, from 1, never used twice.
using inbox_sequence = std::uint64_t;

/// UTC, microseconds. The epoch itself means "never".
using timestamp = std::chrono::time_point<std::chrono::system_clock,
                                          std::chrono::microseconds>;
using duration = std::chrono::microseconds;

} // namespace perdura::persistence
