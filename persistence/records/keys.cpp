// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/keys.hpp"

#include "persistence/records/text.hpp"

namespace perdura::persistence {

namespace {

// Indexed by the number of the table.
constexpr std::array<const char*, table_count> table_names{
  "meta",       "partitions",     "instances",  "due",
  "activities", "turns_due",      "by_created", "by_status",
  "outbox",     "outbox_heads",   "marks",      "counts",
  "requests",   "request_counts",
};

constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63U;

/// Appends the lowest `Bytes` bytes of a number, most significant byte first.
template <int Bytes>
void put(std::string& key, std::uint64_t number) {
  for (int shift = (Bytes - 1) * 8; shift >= 0; shift -= 8)
    key.push_back(static_cast<char>((number >> shift) & 0xFFU));
}

/// Appends the number of a partition, which is below `partition_count_max`.
void put_partition(std::string& key, partition_id partition) {
  put<2>(key, index_of(partition));
}

void put_time(std::string& key, timestamp time) {
  // Inverting the sign bit orders negative numbers before positive ones.
  put<8>(key, static_cast<std::uint64_t>(time.time_since_epoch().count())
                ^ sign_bit);
}

/// Removes a big-endian number from the front of a key and returns it. The
/// key must be long enough.
template <int Bytes>
std::uint64_t consume(std::string_view& key) {
  std::uint64_t number = 0;
  for (int i = 0; i < Bytes; ++i)
    number = (number << 8U) | static_cast<unsigned char>(key[i]);
  key.remove_prefix(Bytes);
  return number;
}

timestamp consume_time(std::string_view& key) {
  return timestamp(
    duration(static_cast<std::int64_t>(consume<8>(key) ^ sign_bit)));
}

/// Begins a key with a partition, and reserves `size` bytes for the whole key.
std::string begin_key(partition_id partition, std::size_t size) {
  std::string key;
  key.reserve(size);
  put_partition(key, partition);
  return key;
}

} // namespace

const char* name_of(table t) {
  return table_names.at(static_cast<std::size_t>(t));
}

std::string partition_key(partition_id partition) {
  return begin_key(partition, 2);
}

std::string pair_key(partition_id partition, partition_id other) {
  std::string key = begin_key(partition, 4);
  put_partition(key, other);
  return key;
}

std::string outbox_key(partition_id from, partition_id to,
                       std::uint64_t sequence) {
  std::string key = begin_key(from, 12);
  put_partition(key, to);
  put<8>(key, sequence);
  return key;
}

std::string count_key(partition_id partition, runtime_status status) {
  std::string key = begin_key(partition, 3);
  put<1>(key, static_cast<std::uint64_t>(status));
  return key;
}

// The reserved space is large enough for a whole key: after the prefix, a kind
// and a number may follow.
std::string instance_prefix(partition_id partition, const instance_id& id) {
  std::string key = begin_key(partition, id.size() + 12);
  key += id;
  key.push_back('\0');
  return key;
}

// The ID lies between the partition and the first 0 byte after it. In a key of
// another layout the result is some part of the key.
instance_id id_of_instance_key(std::string_view key) {
  const std::string_view rest
    = key.substr(std::min<std::size_t>(key.size(), 2));
  return instance_id(rest.substr(0, rest.find('\0')));
}

std::string instance_key(partition_id partition, const instance_id& id,
                         row_kind kind) {
  std::string key = instance_prefix(partition, id);
  put<1>(key, static_cast<std::uint64_t>(kind));
  return key;
}

std::string instance_key(partition_id partition, const instance_id& id,
                         row_kind kind, std::uint64_t number) {
  std::string key = instance_key(partition, id, kind);
  put<8>(key, number);
  return key;
}

std::string due_key(partition_id partition, timestamp fire_at,
                    const instance_id& id, task_sequence sequence) {
  std::string key = begin_key(partition, id.size() + 15);
  put_time(key, fire_at);
  key += id;
  key.push_back('\0');
  put<4>(key, sequence);
  return key;
}

std::string activity_key(partition_id partition, const instance_id& id,
                         task_sequence sequence) {
  std::string key = begin_key(partition, id.size() + 7);
  key += id;
  key.push_back('\0');
  put<4>(key, sequence);
  return key;
}

std::string turn_due_key(partition_id partition, const instance_id& id) {
  std::string key = begin_key(partition, id.size() + 2);
  key += id;
  return key;
}

std::string request_row_key(partition_id partition, request_window window,
                            const hash128& key) {
  std::string bytes = begin_key(partition, 22);
  put<4>(bytes, window);
  put<8>(bytes, key.high);
  put<8>(bytes, key.low);
  return bytes;
}

std::string request_window_key(partition_id partition, request_window window) {
  std::string key = begin_key(partition, 6);
  put<4>(key, window);
  return key;
}

std::optional<request_window> parse_request_window(std::string_view key) {
  if (key.size() < 6)
    return std::nullopt;
  key.remove_prefix(2);
  return static_cast<request_window>(consume<4>(key));
}

std::string created_key(partition_id partition, timestamp created_at,
                        const instance_id& id) {
  std::string key = begin_key(partition, id.size() + 10);
  put_time(key, created_at);
  key += id;
  return key;
}

std::string status_key(partition_id partition, runtime_status status,
                       timestamp created_at, const instance_id& id) {
  std::string key = begin_key(partition, id.size() + 11);
  put<1>(key, static_cast<std::uint64_t>(status));
  put_time(key, created_at);
  key += id;
  return key;
}

std::string time_key(timestamp time) {
  std::string key;
  put_time(key, time);
  return key;
}

std::string big_endian(std::uint64_t number) {
  std::string key;
  put<8>(key, number);
  return key;
}

// Increases the last byte. A last byte of 0xFF cannot be increased: it is
// removed, and the byte before it is increased instead.
std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF')
    prefix.pop_back();
  if (!prefix.empty())
    prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

std::optional<std::uint64_t> parse_big_endian(std::string_view bytes) {
  if (bytes.size() != 8)
    return {};
  return consume<8>(bytes);
}

std::optional<timestamp> parse_time_key(std::string_view bytes) {
  if (bytes.size() != 8)
    return {};
  return consume_time(bytes);
}

std::optional<std::uint64_t> number_of(std::string_view key) {
  if (key.size() < 8)
    return {};
  return parse_big_endian(key.substr(key.size() - 8));
}

// The key is: partition (2 bytes), time (8), ID, a 0 byte, sequence (4).
std::optional<due_key_parts> parse_due_key(std::string_view key) {
  if (key.size() < 15)
    return {};
  key.remove_prefix(2);
  due_key_parts parts;
  parts.fire_at = consume_time(key);
  parts.id = key.substr(0, key.size() - 5);
  key.remove_prefix(key.size() - 4);
  parts.sequence = static_cast<task_sequence>(consume<4>(key));
  return parts;
}

// The key is: partition (2 bytes), ID, a 0 byte, sequence (4).
std::optional<activity_key_parts> parse_activity_key(std::string_view key) {
  if (key.size() < 7)
    return {};
  activity_key_parts parts;
  parts.id = key.substr(2, key.size() - 7);
  key.remove_prefix(key.size() - 4);
  parts.sequence = static_cast<task_sequence>(consume<4>(key));
  return parts;
}

std::optional<created_key_parts> parse_created_key(std::string_view key,
                                                   bool with_status) {
  // The key is: partition (2 bytes), status (1 byte, only in by_status), time
  // (8), ID.
  const std::size_t head = with_status ? 3 : 2;
  if (key.size() < head + 8)
    return {};
  key.remove_prefix(head);
  created_key_parts parts;
  parts.created_at = consume_time(key);
  parts.id = key;
  return parts;
}

std::string readable(std::string_view key) {
  std::string text;
  for (char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '\\') {
      text += c;
    } else {
      text += "\\x";
      append_hex(text, byte);
    }
  }
  return text;
}

} // namespace perdura::persistence
