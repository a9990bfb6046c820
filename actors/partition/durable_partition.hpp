// SPDX-License-Identifier: Apache-2.0
/// The durable side of a partition in memory: what the journal holds or is
/// about to hold.
///
/// The durability rule by types: steps and all other decisions receive a
/// `const durable_partition&`. Only a `durable_store` has it mutable, and only
/// `durable_store::apply` changes a fact; the other functions of the store
/// bring rows of the journal into memory and release them. The
/// partition_processor owns the store.
///
/// Not thread-safe: one partition_processor owns each store.
#pragma once

#include "actors/partition/partition_config.hpp"
#include "persistence/records/turn_writes.hpp"
#include "persistence/views/partition_snapshot.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

namespace perdura::actors {

using persistence::outbox_message;
using persistence::partition_meta;
using persistence::stored_instance;
using persistence::turn_writes;

/// Bounds of the messages to other partitions that a partition keeps in memory,
/// in bytes as `message_bytes_of` counts them: in all, and for one destination,
/// so that a destination that does not answer leaves space for the others. The
/// journal has all messages; those that are not in memory are read from it when
/// they are sent.
inline constexpr std::size_t outbox_bytes_max = 4U << 20U;
inline constexpr std::size_t outbox_bytes_per_destination_max = 256U << 10U;

/// The messages to one destination that it has not acknowledged. They have the
/// sequences from `first` to `last`.
struct stored_outbox {
  std::uint64_t first = 1; ///< `last + 1` if there are no messages.
  std::uint64_t last = 0;  ///< The last sequence assigned.
  /// The messages that are in memory, by sequence. Those to
  /// `quarantine_partition` are always in memory.
  std::map<std::uint64_t, outbox_message> kept;
  std::size_t kept_bytes = 0; ///< Sum over `kept`.

  std::uint64_t size() const {
    return last + 1 - first;
  }

  bool empty() const {
    return first > last;
  }
};

/// The journal contains all instances and messages; `instances` and
/// `stored_outbox::kept` contain those that are in memory.
struct durable_partition {
  partition_config config; ///< Constant while the partition serves.
  partition_meta meta;
  /// The rows of the instances in memory. An instance in memory without an
  /// entry was never started, or has been purged.
  std::unordered_map<instance_id, std::optional<stored_instance>> instances;
  /// By destination partition.
  std::map<partition_id, stored_outbox> outbox;
  /// The size of all messages in memory, without those to
  /// `quarantine_partition`.
  std::size_t outbox_bytes = 0;
  /// Last message sequence accepted, per source partition.
  std::map<partition_id, std::uint64_t> marks;
  /// The windows of recorded answers to requests, in ascending order.
  persistence::request_windows request_windows;
  /// The answers that turns have recorded which may not be durable yet, by the
  /// key of the request. The journal contains all others.
  std::unordered_map<persistence::hash128, persistence::request_row,
                     persistence::hash128_index>
    requests_recent;

  /// Returns null if the instance is not in memory or has no rows. The pointer
  /// is valid until the next call of a function of the store.
  const stored_instance* find(const instance_id& id) const {
    const auto found = instances.find(id);
    return found == instances.end() ? nullptr : &*found->second;
  }

  /// The last outbox sequence assigned for a destination; 0 if there is none.
  std::uint64_t outbox_head(partition_id to) const {
    const auto found = outbox.find(to);
    return found == outbox.end() ? 0 : found->second.last;
  }

  /// The last message sequence accepted from a source; 0 if there is none.
  std::uint64_t mark(partition_id from) const {
    const auto found = marks.find(from);
    return found == marks.end() ? 0 : found->second;
  }
};

/// The only owner of a mutable durable_partition.
class durable_store {
public:
  explicit durable_store(partition_config config);

  durable_store(const durable_store&) = delete;
  durable_store& operator=(const durable_store&) = delete;

  const durable_partition& get() const {
    return state_;
  }

  /// Applies the writes of one turn. Writes to instances that are not in memory
  /// are skipped, because the journal has them; a write that contains a whole
  /// instance brings the instance into memory.
  void apply(const turn_writes& writes);

  /// Fills everything except the instances from the journal. To be called
  /// once, before any other function.
  void restore(const persistence::partition_snapshot& snapshot);

  /// Brings the rows of an instance, read from the journal, into memory.
  void admit(const instance_id& id, stored_instance&& rows);

  /// Releases the rows of an instance; all turns that wrote them must be
  /// durable. Does nothing if there are none.
  void release(const instance_id& id);

  /// Releases a recorded answer; its turn must be durable.
  void release_request(const persistence::hash128& key);

private:
  void keep(stored_outbox& box, const outbox_message& message);

  durable_partition state_;
};

/// Returns the number of open waits for events of that name. Event names
/// compare case-insensitively for ASCII letters.
std::size_t open_waits(const stored_instance& stored, std::string_view name);

/// Returns true if the instance has an open wait for an event of that name.
bool awaits_event(const stored_instance& stored, std::string_view name);

/// Returns true if a turn can consume the message: always for the result of a
/// task, and for an event if the instance has an open wait for its name.
bool is_deliverable(const stored_instance& stored,
                    const persistence::history_event& event);

/// Returns the task that a result belongs to, or nothing for any other body.
std::optional<persistence::task_sequence>
task_of(const persistence::history_body& body);

} // namespace perdura::actors
