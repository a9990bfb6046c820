/// What a turn of a hello sequence writes: what is committed, encoded and
/// listed where no node is needed to make it.
#pragma once

#include "persistence/records/turn_writes.hpp"

namespace perdura::client {

/// Four turns make an instance: a start, two activities on, the end.
inline constexpr std::uint64_t typical_turns_each = 4;

/// The `sequence`-th turn of a partition, from 1. Its instance is called
/// `prefix` with the partition's number and its own.
persistence::turn_writes typical_turn(const std::string& prefix,
                                      persistence::partition_id partition,
                                      persistence::partition_sequence sequence,
                                      persistence::timestamp now);

} // namespace perdura::client
