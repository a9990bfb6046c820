// SPDX-License-Identifier: Apache-2.0
/// Builds the journal turns of a hello sequence without running one. Benchmarks
/// of the journal and of the codec use these turns as their data.
#pragma once

#include "persistence/records/turn_writes.hpp"

namespace perdura::client {

/// The turns of one instance: the start, one turn for each of the first two
/// activity results, and the turn that completes the instance.
inline constexpr std::uint64_t typical_turns_per_instance = 4;

/// Returns turn number `sequence` of a partition, counted from 1. The instance
/// ID is `prefix`, the partition's number, "-", and the instance's number.
persistence::turn_writes typical_turn(const std::string& prefix,
                                      persistence::partition_id partition,
                                      persistence::partition_sequence sequence,
                                      persistence::timestamp now);

} // namespace perdura::client
