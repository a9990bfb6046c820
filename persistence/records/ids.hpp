// SPDX-License-Identifier: Apache-2.0
/// The types of the IDs, numbers and times that all layers use.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace perdura::persistence {

/// Identifies one orchestration instance: 1 to 256 bytes of UTF-8, see
/// `check_instance_id`.
using instance_id = std::string;

/// Identifies one execution of an instance: 32 hexadecimal digits. A
/// continue-as-new, and a start that replaces a finished instance, begin a new
/// execution.
using execution_id = std::string;

/// Chosen by a client to identify a request that it may send again. A request
/// with an ID that was used before gets the answer of the first request and is
/// not carried out again. Empty means that every request is carried out.
using request_id = std::string;

/// One of the hub's logical shards, numbered 0 to P − 1. The hash of an
/// instance ID determines its partition.
enum class partition_id : std::uint32_t {};

constexpr std::uint32_t index_of(partition_id id) {
  return static_cast<std::uint32_t>(id);
}

/// Position of a turn in the journal of its lane, counted from 1 without gaps.
/// 0 means "no turn".
using journal_position = std::uint64_t;

/// Number that distinguishes the turns of successive owners of a partition. A
/// node increases it and makes it durable when it starts to serve the
/// partition.
using owner_epoch = std::uint64_t;

/// Number of a turn within its partition, counted from 1 without gaps.
using partition_sequence = std::uint64_t;

/// Number of a task within one execution. Tasks that the orchestrator
/// schedules are numbered from 1 in the order of its decisions. Waits for
/// external events are not recorded in the history and are numbered from
/// `wait_sequence_first`, so that they do not shift the other numbers.
using task_sequence = std::uint32_t;
inline constexpr task_sequence wait_sequence_first = 0x8000'0000U;
/// Activities that earlier executions of the instance have left behind are
/// numbered from here.
inline constexpr task_sequence left_sequence_first = 0xC000'0000U;
/// The task that starts a pending instance at its scheduled time.
inline constexpr task_sequence start_sequence = 0;

/// Index of an event in the history of one execution, from 0.
using event_index = std::uint32_t;

/// Number of a message in an instance's inbox, from 1. Numbers are not
/// reused.
using inbox_sequence = std::uint64_t;

/// UTC in microseconds. The epoch (1970-01-01 00:00) means "never" or "not
/// set".
using timestamp = std::chrono::time_point<std::chrono::system_clock,
                                          std::chrono::microseconds>;
using duration = std::chrono::microseconds;

} // namespace perdura::persistence
