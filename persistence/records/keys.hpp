/// Where each row lies: tables and their keys, big-endian, so that the order
/// of bytes is the order that is asked for.
#pragma once

#include "persistence/records/records.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace perdura::persistence {

/// Written to disk, by name and, in checksums, by number. Append; never
/// renumber; a retired table stays listed.
enum class table : std::uint8_t {
  meta = 0,       ///< name → format, hub, applied position
  partitions = 1, ///< partition → partition_meta
  instances = 2, ///< partition | id | 0 | kind | number → the instance's rows
  due = 3,       ///< partition | fire_at | id | 0 | task
  activities = 4,   ///< partition | id | 0 | task
  turns_due = 5,    ///< partition | id
  by_created = 6,   ///< partition | created_at | id → orchestrator's name
  by_status = 7,    ///< partition | status | created_at | id → the same
  outbox = 8,       ///< partition | to | sequence → outbox_message
  outbox_heads = 9, ///< partition | to → last sequence given out
  marks = 10,       ///< partition | from → last sequence taken
  counts = 11,      ///< partition | status → number of instances
};

inline constexpr std::size_t table_count = 12;

const char* name_of(table t);

/// What a row of `table::instances` holds. All rows of an instance lie side
/// by side: a short-lived one touches one leaf page. Append; never renumber.
enum class row_kind : std::uint8_t {
  record = 1,        ///< instance_record
  custom_status = 2, ///< JSON text; absent: null
  requests = 3,      ///< the last request_records
  task = 4,          ///< number: task_sequence → open_task
  inbox = 5,         ///< number: inbox_sequence → inbox_message
  history = 6,       ///< number: first event_index → consecutive events
};

// LMDB's mdb_env_get_maxkeysize is 511; an instance ID has at most 256 bytes.
inline constexpr std::size_t key_size_max = 511;

/// Partitions are two bytes in keys.
inline constexpr std::uint32_t partition_count_max = 65536;

// --- Building ----------------------------------------------------------------

std::string partition_key(partition_id partition);
std::string pair_key(partition_id partition, partition_id other);
std::string outbox_key(partition_id from, partition_id to,
                       std::uint64_t sequence);
std::string count_key(partition_id partition, runtime_status status);

/// All rows of an instance begin with it, and no other's do: an ID holds no 0.
std::string instance_prefix(partition_id partition, const instance_id& id);

/// Whose row it is; the key of any row of table::instances.
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

/// Signed microseconds in byte order.
std::string time_key(timestamp time);

std::string big_endian(std::uint64_t number);

/// The first key after all that begin with `prefix`; empty if there is none.
std::string after_prefix(std::string prefix);

// --- Taking apart; empty if it is not such a key -----------------------------

std::optional<std::uint64_t> parse_big_endian(std::string_view bytes);
std::optional<timestamp> parse_time_key(std::string_view bytes);
std::optional<std::uint64_t> number_of(std::string_view instances_key);

struct due_place {
  timestamp fire_at{};
  instance_id id;
  task_sequence sequence = 0;
};

std::optional<due_place> parse_due_key(std::string_view key);

struct task_place {
  instance_id id;
  task_sequence sequence = 0;
};

std::optional<task_place> parse_activity_key(std::string_view key);

/// Of `created_key`, or of `status_key` with `with_status`.
struct created_place {
  timestamp created_at{};
  instance_id id;
};

std::optional<created_place> parse_created_key(std::string_view key,
                                               bool with_status);

/// A key as it may stand in a message: letters as they are, others as \xNN.
std::string readable(std::string_view key);

} // namespace perdura::persistence
