// SPDX-License-Identifier: Apache-2.0
/// The numbering of the messages between two partitions, as one of them knows
/// it, and the comparison with the other's. Starts of a node never restart the
/// numbering: it belongs to the two incarnations of the partitions. After an
/// adoption (`perdura hub adopt`) the adopted partition agrees on the numbers
/// with each other one before it runs anything.
///
/// Pure and thread-safe.
#pragma once

#include "actors/partition/durable_partition.hpp"
#include "actors/partition/turn.hpp"

#include <cstdint>
#include <string>

namespace perdura::actors {

/// The numbers of a partition for one other partition.
struct pair_numbers {
  /// The first message to the other one that it has not acknowledged;
  /// `newest` + 1 if there is none.
  std::uint64_t oldest = 1;
  std::uint64_t newest = 0; ///< The last number assigned to a message.
  std::uint64_t mark = 0;   ///< The last message accepted from the other one.

  bool operator==(const pair_numbers&) const = default;
};

/// The numbers of the partition for `other`.
pair_numbers numbers_of(const durable_partition& durable, partition_id other);

/// False if the partition has been adopted and has not agreed with `other` on
/// the numbers yet.
bool has_agreed(const durable_partition& durable, partition_id other);

/// The result of a comparison of the numbers of two partitions.
enum class pair_verdict : std::uint8_t {
  consistent,
  other_is_older, ///< The other partition has lost messages or marks.
  this_is_older,  ///< This partition has lost messages or marks.
};

/// Compares the numbers of this partition with those of the other one, which
/// are as old or older than those of this one.
pair_verdict compare_numbers(const pair_numbers& own,
                             const pair_numbers& theirs);

/// A clause that states the numbers that are not consistent.
std::string describe_fault(partition_id own_id, const pair_numbers& own,
                           partition_id other, const pair_numbers& theirs);

/// The turn with which an adopted partition takes over the numbers of `other`:
/// its messages that the other one has accepted count as acknowledged, also
/// those that it does not know; messages that the other one does not have any
/// more count as accepted.
turn step_agree(const durable_partition& durable, partition_id other,
                const pair_numbers& theirs);

} // namespace perdura::actors
