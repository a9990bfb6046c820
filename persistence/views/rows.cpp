// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/rows.hpp"

namespace perdura::persistence {

namespace {

std::uint64_t read_checksum(std::string_view row) {
  return parse_big_endian(row.substr(0, checksum_size)).value_or(0);
}

} // namespace

void throw_damaged(table t, std::string_view key, std::string_view defect) {
  throw storage_exception(
    {errc::storage_damaged,
     std::string("the row ") + readable(key) + " of table " + name_of(t)
       + " is damaged (" + std::string(defect)
       + "); stop the node, keep a copy of the data directory, run `perdura "
         "check`, and restore it from a backup"});
}

std::string_view checked_payload(table t, std::string_view key,
                                 std::string_view row) {
  if (row.size() < checksum_size)
    throw_damaged(t, key, "too short");
  const std::string_view payload = row.substr(checksum_size);
  if (row_checksum(static_cast<std::uint8_t>(t), key, payload)
      != read_checksum(row))
    throw_damaged(t, key, "its checksum does not match");
  return payload;
}

bool is_sound(const row_cursor& cursor, table t) {
  try {
    checked_payload(t, cursor.key(), cursor.value());
    return true;
  } catch (const storage_exception& e) {
    if (e.reason().code != errc::storage_damaged)
      throw;
    return false;
  }
}

std::optional<std::string> key_before_damage(const row_cursor& cursor,
                                             table t) {
  const std::string_view value = cursor.value();
  if (value.size() < checksum_size)
    return std::nullopt;
  const std::uint64_t stored = read_checksum(value);
  std::string key(cursor.key());
  for (std::size_t bit = 0; bit < 8 * key.size(); ++bit) {
    const auto flip = [&] {
      key[bit / 8] = static_cast<char>(key[bit / 8] ^ (1U << bit % 8));
    };
    flip();
    if (row_checksum(static_cast<std::uint8_t>(t), key,
                     value.substr(checksum_size))
        == stored)
      return key;
    flip();
  }
  return std::nullopt;
}

bool seek_behind_sound(row_cursor& cursor, table t, const std::string& begin) {
  bool more = cursor.seek_before(begin);
  while (more && (cursor.key() >= begin || !is_sound(cursor, t)))
    more = cursor.previous();
  return more ? cursor.next() : cursor.seek({});
}

bool has_row(const row_reader& rows, table t, const std::string& key) {
  if (rows.get(t, key))
    return true;
  const auto cursor = rows.walk(t);
  for (bool more = seek_behind_sound(*cursor, t, key); more;
       more = cursor->next())
    if (cursor->key() == key || (cursor->key() > key && is_sound(*cursor, t)))
      return cursor->key() == key;
  return false;
}

void typed_row_writer::put_with_checksum(table t, std::string_view key) {
  const std::string_view payload
    = std::string_view(buffer_).substr(checksum_size);
  const std::uint64_t sum
    = row_checksum(static_cast<std::uint8_t>(t), key, payload);
  for (std::size_t i = 0; i < checksum_size; ++i)
    buffer_[i]
      = static_cast<char>((sum >> (8 * (checksum_size - 1 - i))) & 0xFFU);
  rows_.put(t, key, buffer_);
}

} // namespace perdura::persistence
