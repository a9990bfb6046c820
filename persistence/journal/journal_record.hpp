/// The unit of the journal: the turns of one or more partitions of a lane, as
/// they were folded into one commit.
#pragma once

#include "persistence/records/turn_writes.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace perdura::persistence {

/// One turn as `encode(turn_writes)` wrote it; a msgpack bin.
struct encoded_turn {
  std::string bytes;

  bool operator==(const encoded_turn&) const = default;
};

/// Consecutive turns of one partition under one owner.
struct partition_turns {
  partition_id partition{};
  owner_epoch epoch = 0;
  partition_sequence first_sequence = 0;
  std::vector<encoded_turn> turns;

  bool operator==(const partition_turns&) const = default;
};

template <class I>
auto inspect(I& f, partition_turns& x) {
  return f(x.partition, x.epoch, x.first_sequence, x.turns);
}

/// Holds the positions `first` … `first + count − 1` of its lane; among
/// partitions their order within the record is free, within one it is kept.
struct journal_record {
  std::uint32_t format = 1;
  std::uint32_t lane = 0;
  journal_position first = 0;
  std::uint64_t count = 0;
  std::vector<partition_turns> partitions;

  bool operator==(const journal_record&) const = default;
};

template <class I>
auto inspect(I& f, journal_record& x) {
  return f(x.format, x.lane, x.first, x.count, x.partitions);
}

} // namespace perdura::persistence
