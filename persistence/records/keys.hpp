// SPDX-License-Identifier: Apache-2.0
/// The tables of the views and the layout of their keys. Numbers in keys are
/// big-endian, so that a comparison of keys byte by byte gives the order in
/// which queries need the rows.
#pragma once

#include "persistence/records/records.hpp"
#include "persistence/records/request_rows.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace perdura::persistence {

/// The name of a table is stored on disk, and its number is part of each row's
/// checksum. New tables are appended; a number or name is never used again.
/// The comments show the parts of the key, separated by |, and the value.
enum class table : std::uint8_t {
  meta = 0,       ///< name → format, hub, lane or applied position
  partitions = 1, ///< partition → partition_meta
  instances = 2, ///< partition | id | 0 | kind | number → the instance's rows
  due = 3,       ///< partition | due time | id | 0 | task → time_scale
  activities = 4, ///< partition | id | 0 | task → 1
  turns_due = 5,  ///< partition | id → 1
  by_created = 6, ///< partition | created_at | id → orchestrator's name
  /// partition | status | created_at | id → orchestrator's name
  by_status = 7,
  outbox = 8,       ///< partition | to | sequence → outbox_message
  outbox_heads = 9, ///< partition | to → last sequence assigned
  marks = 10,       ///< partition | from → last sequence accepted
  counts = 11,      ///< partition | status → number of instances
  requests = 12, ///< partition | window | key → request_row; since format 3
  /// partition | window → request_count; since format 3
  request_counts = 13,
};

inline constexpr std::size_t table_count = 14;

/// The tables with numbers below this exist in all formats.
inline constexpr std::size_t table_count_oldest = 12;

/// The name under which the table is stored.
const char* name_of(table t);

/// The kind of a row in `table::instances`; the comments show the row's value.
/// All rows of an instance are adjacent, so a short-lived instance usually
/// touches one leaf page. The numbers are part of the keys on disk: append,
/// never renumber.
enum class row_kind : std::uint8_t {
  record = 1,        ///< instance_record
  custom_status = 2, ///< JSON text; no row if the custom status is null
  requests = 3,      ///< list of request_record, of programs before format 3
  task = 4,          ///< open_task; the number is its task_sequence
  inbox = 5,         ///< inbox_message; the number is its inbox_sequence
  history = 6,       ///< list of events; the number is the first event_index
};

// The longest key that LMDB accepts (mdb_env_get_maxkeysize). Keys of this
// program are shorter, because an instance ID has at most 256 bytes.
inline constexpr std::size_t key_size_max = 511;

/// Maximum number of partitions of a hub: keys contain the partition in two
/// bytes, and the last number is `quarantine_partition`.
inline constexpr std::uint32_t partition_count_max = 65535;

/// The destination in the outbox under which a partition keeps the messages
/// that it has received for damaged instances. No partition has this number.
inline constexpr partition_id quarantine_partition{65535};

// --- Building keys -----------------------------------------------------------

// Each function builds the keys of one table, e.g. `created_key` those of
// `by_created`. `pair_key` builds the keys of `outbox_heads` and `marks`.

std::string partition_key(partition_id partition);
std::string pair_key(partition_id partition, partition_id other);
std::string outbox_key(partition_id from, partition_id to,
                       std::uint64_t sequence);
std::string count_key(partition_id partition, runtime_status status);
std::string request_row_key(partition_id partition, request_window window,
                            const hash128& key);
std::string request_window_key(partition_id partition, request_window window);

/// The prefix of all keys of an instance in `table::instances`. No key of
/// another instance has this prefix, because a 0 byte ends the ID and an ID
/// contains no 0 byte.
std::string instance_prefix(partition_id partition, const instance_id& id);

/// Returns the instance ID that a key of `table::instances` contains.
instance_id id_of_instance_key(std::string_view key);
std::string instance_key(partition_id partition, const instance_id& id,
                         row_kind kind);
std::string instance_key(partition_id partition, const instance_id& id,
                         row_kind kind, std::uint64_t number);

std::string due_key(partition_id partition, timestamp fire_at,
                    const instance_id& id, task_sequence sequence);
std::string activity_key(partition_id partition, const instance_id& id,
                         task_sequence sequence);
std::string turn_due_key(partition_id partition, const instance_id& id);
std::string created_key(partition_id partition, timestamp created_at,
                        const instance_id& id);
std::string status_key(partition_id partition, runtime_status status,
                       timestamp created_at, const instance_id& id);

/// The microseconds of a time as eight big-endian bytes with the sign bit
/// inverted. Compared byte by byte, earlier times come before later times.
std::string time_key(timestamp time);

/// The eight bytes of a number, most significant first.
std::string big_endian(std::uint64_t number);

/// The smallest key that is greater than all keys with the prefix; empty if
/// there is no such key.
std::string after_prefix(std::string prefix);

// --- Parsing keys ------------------------------------------------------------

// Each function returns no value if the bytes are too short for the expected
// layout.

std::optional<std::uint64_t> parse_big_endian(std::string_view bytes);
std::optional<timestamp> parse_time_key(std::string_view bytes);

/// The number at the end of a key of `table::instances` or `table::outbox`.
std::optional<std::uint64_t> number_of(std::string_view key);

struct due_key_parts {
  timestamp fire_at{};
  instance_id id;
  task_sequence sequence = 0;
};

std::optional<due_key_parts> parse_due_key(std::string_view key);

/// The window in a key of `table::requests` or `table::request_counts`.
std::optional<request_window> parse_request_window(std::string_view key);

struct activity_key_parts {
  instance_id id;
  task_sequence sequence = 0;
};

std::optional<activity_key_parts> parse_activity_key(std::string_view key);

/// The parts that `created_key` and `status_key` have in common.
struct created_key_parts {
  timestamp created_at{};
  instance_id id;
};

/// Parses a key of `table::by_created` or, if `with_status`, of
/// `table::by_status`.
std::optional<created_key_parts> parse_created_key(std::string_view key,
                                                   bool with_status);

/// A key as text for messages. Printable ASCII characters except the backslash
/// are unchanged; every other byte becomes \xNN.
std::string readable(std::string_view key);

} // namespace perdura::persistence
