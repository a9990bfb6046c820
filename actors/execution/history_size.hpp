// SPDX-License-Identifier: Apache-2.0
/// The limits of a history, and its size.
#pragma once

#include "actors/execution/decision.hpp"

#include <cstdint>

namespace perdura::actors {

using persistence::event_index;

/// If a limit is exceeded, the instance fails. The message of the failure
/// contains the name of the limit.
inline constexpr event_index history_events_max = 50'000;
inline constexpr std::uint64_t history_bytes_max = 64U << 20;

/// The part of the limits that calls leave to the code when they are retried:
/// a call whose next attempt would need it fails instead, so that the code can
/// handle the failure.
inline constexpr event_index retry_events_reserved = 1'000;
inline constexpr std::uint64_t retry_bytes_reserved = 4U << 20;

/// The events, with those of the turns, that are still to come: for a call that
/// runs (its result), besides for one that waits for its next attempt (the
/// timer and the attempt), and for the timer and the attempt that a retry adds.
inline constexpr event_index events_of_open_call = 3;
inline constexpr event_index events_of_pause = 4;
inline constexpr event_index events_of_retry = 8;

/// Returns the size of an event in bytes, as `history_bytes_max` counts it:
/// its texts and lists plus 32 bytes.
std::uint64_t payload_bytes_of(const history_body& body);

} // namespace perdura::actors
