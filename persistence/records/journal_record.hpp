// SPDX-License-Identifier: Apache-2.0
/// The records of the journal on disk. One record holds turns of one or more
/// partitions of a lane that were committed together.
#pragma once

#include "persistence/records/turn_writes.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace perdura::persistence {

/// One turn in the form that `encode(turn_writes)` produced. Stored as a
/// msgpack bin, so that a record can be read without decoding its turns.
struct encoded_turn {
  std::string bytes;

  bool operator==(const encoded_turn&) const = default;
};

/// Consecutive turns of one partition that were written in one owner epoch.
/// Turn i has the partition sequence `first_sequence` + i.
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

/// Contains the turns at the positions `first` to `first` + `count` − 1 of
/// its lane. Turns of one partition are in their original order; the order
/// among partitions within a record is not defined.
struct journal_record {
  /// Layout of the record. Readers refuse a record with another layout.
  std::uint32_t format = 1;
  std::uint32_t lane = 0;
  journal_position first = 0;
  std::uint64_t count = 0; ///< Turns in all of `partitions`; at least 1.
  std::vector<partition_turns> partitions;
  /// `hub_digest` of the hub. Since format 3; 0 in older records.
  std::uint64_t hub = 0;

  bool operator==(const journal_record&) const = default;
};

template <class I>
auto inspect(I& f, journal_record& x) {
  return f(x.format, x.lane, x.first, x.count, x.partitions, x.hub);
}

/// The row before the first record of a lane's journal, written when the hub is
/// created. It ties the journal to its hub and lane, so that a file that was
/// copied from another directory is refused. Stored like a record: encoded,
/// then the checksum with the position 0 as seed.
struct journal_header {
  std::uint32_t lane = 0;
  hub_identity hub;

  bool operator==(const journal_header&) const = default;
};

template <class I>
auto inspect(I& f, journal_header& x) {
  return f(x.lane, x.hub);
}

} // namespace perdura::persistence
