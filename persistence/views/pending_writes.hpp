// SPDX-License-Identifier: Apache-2.0
/// Durable turns that are not in the views' tables yet. They are merged into
/// one write for each instance, even if several turns have changed the
/// instance.
#pragma once

#include "persistence/records/turn_writes.hpp"

#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

namespace perdura::persistence {

/// The answers to requests that merged turns record, and their deletion.
struct pending_requests {
  struct entry {
    request_window window = 0;
    request_row row;
  };

  std::unordered_map<hash128, entry, hash128_index> rows; ///< By key.
  request_windows windows;           ///< Those in which rows were added.
  request_window removed_before = 0; ///< Windows below are deleted.
  std::optional<elapsed_time> since; ///< See partition_meta::requests_since.
};

/// The merged turns of one partition.
struct pending_partition {
  // These three values are those of the last turn that was added.
  owner_epoch epoch = 0;
  partition_sequence sequence = 0;
  timestamp now{};

  std::optional<time_anchor> anchor; ///< The newest one, if a turn had one.
  std::vector<rule_change> rules;    ///< In the order of their turns.
  std::unordered_map<instance_id, instance_write> instances;
  /// Messages that are not acknowledged, by destination and sequence.
  std::map<std::pair<std::uint32_t, std::uint64_t>, outbox_message> outbox;
  /// The newest acknowledged sequence, by destination.
  std::map<std::uint32_t, std::uint64_t> outbox_acknowledged;
  /// The last sequence assigned, by destination.
  std::map<std::uint32_t, std::uint64_t> outbox_heads;
  /// The last sequence accepted, by source partition.
  std::map<std::uint32_t, std::uint64_t> marks;
  pending_requests requests;
};

/// Merges everything except the instances of `newer` into `into`. The turns of
/// `newer` follow those of `into`.
void merge_head(pending_partition& into, const pending_partition& newer);

/// Not thread-safe: `views` guards the object to which turns are being added.
class pending_writes {
public:
  /// Merges one turn into the writes. Turns of one partition must be added in
  /// the order of their sequence. `bytes` is the size of the encoded turn.
  void add(turn_writes&& turn, std::size_t bytes);

  /// Merges the writes of `newer`, whose turns follow those of this object.
  void absorb(pending_writes&& newer);

  bool empty() const {
    return partitions_.empty();
  }

  /// Sum of the sizes of all turns added, before merging.
  std::size_t bytes() const {
    return bytes_;
  }

  std::size_t instance_count() const {
    return instances_;
  }

  const std::map<std::uint32_t, pending_partition>& partitions() const {
    return partitions_;
  }

  /// The writes to a partition; null if there are none. Valid until the next
  /// `add`.
  const pending_partition* find(partition_id partition) const;

  /// The answer that a turn has recorded under the key, in any window; null if
  /// there is none. Valid until the next `add`.
  const request_row* find_request(partition_id partition,
                                  const hash128& key) const;

  /// The merged write of an instance; null if no turn has changed it. Valid
  /// until the next `add`.
  const instance_write* find(partition_id partition,
                             const instance_id& id) const;

private:
  std::map<std::uint32_t, pending_partition> partitions_;
  std::size_t bytes_ = 0;
  std::size_t instances_ = 0;
};

} // namespace perdura::persistence
