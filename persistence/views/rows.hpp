// SPDX-License-Identifier: Apache-2.0
/// Typed rows on top of a row store. A row is stored as a checksum (8 bytes),
/// the codec's version byte, and msgpack.
///
/// The functions report damage by throwing `storage_exception`, as the row
/// store does.
#pragma once

#include "persistence/records/checksum.hpp"
#include "persistence/records/codec.hpp"
#include "persistence/stores/row_store.hpp"

#include <string>

namespace perdura::persistence {

/// Throws errc::storage_damaged with a sentence that names the row, the defect
/// and the steps to take.
[[noreturn]] void throw_damaged(table t, std::string_view key,
                                std::string_view defect);

/// Checks the checksum of a row and returns its payload, a view into `row`.
/// @throws storage_exception  The checksum does not match.
std::string_view checked_payload(table t, std::string_view key,
                                 std::string_view row);

/// Checks and decodes a row.
/// @throws storage_exception  The row is damaged or has another format version.
template <class T>
T decode_row(table t, std::string_view key, std::string_view row) {
  result<T> value = decode<T>(checked_payload(t, key, row));
  if (!value) {
    if (value.code() == errc::storage_format)
      throw storage_exception(value.error());
    throw_damaged(t, key, value.error().message);
  }
  return std::move(value).value();
}

/// Reads, checks and decodes a row; empty if the key does not exist.
/// @throws storage_exception  As `decode_row`.
template <class T>
std::optional<T> get_row(const row_reader& rows, table t,
                         std::string_view key) {
  const auto row = rows.get(t, key);
  if (!row)
    return {};
  return decode_row<T>(t, key, *row);
}

/// Encodes rows and writes them. One buffer is reused for all rows, because a
/// flush writes many.
class typed_row_writer {
public:
  explicit typed_row_writer(row_writer& rows) : rows_(rows) {}

  /// Writes a row and replaces an existing one.
  template <class T>
  void put(table t, std::string_view key, const T& value) {
    buffer_.assign(checksum_size, '\0');
    encode_to(buffer_, value);
    put_with_checksum(t, key);
  }

  row_writer& rows() {
    return rows_;
  }

  static constexpr std::size_t no_limit = static_cast<std::size_t>(-1);

  /// Writes the row if its encoded value has at most `bytes_max` bytes.
  /// @return False if it has more; nothing is written then.
  template <class T>
  bool put_within(table t, std::string_view key, const T& value,
                  std::size_t bytes_max) {
    buffer_.assign(checksum_size, '\0');
    encode_to(buffer_, value);
    if (buffer_.size() - checksum_size > bytes_max)
      return false;
    put_with_checksum(t, key);
    return true;
  }

private:
  void put_with_checksum(table t, std::string_view key);

  row_writer& rows_;
  std::string buffer_; ///< Space for the checksum, then the encoded value.
};

/// True if the checksum of the cursor's row matches.
bool is_sound(const row_cursor& cursor, table t);

/// If one flipped bit of the key makes the checksum of the cursor's row match,
/// returns the key without the flip. Empty if the value is damaged, or more
/// than one bit of the key.
std::optional<std::string> key_before_damage(const row_cursor& cursor, table t);

/// Moves behind the last sound row that is before `begin`; false if no row
/// follows. A search compares keys, so a damaged key can lead it before or
/// behind the right row. Only the keys of sound rows decide here.
bool seek_behind_sound(row_cursor& cursor, table t, const std::string& begin);

/// True if the table has the row, also if a damaged key beside it misleads the
/// search.
bool has_row(const row_reader& rows, table t, const std::string& key);

/// Calls `visit(key, row)` for all rows whose key begins with `prefix`. A
/// damaged key beside them hides none.
template <class Visit>
void for_each_row(const row_reader& rows, table t, const std::string& prefix,
                  Visit visit) {
  const auto cursor = rows.walk(t);
  for (bool more = seek_behind_sound(*cursor, t, prefix); more;
       more = cursor->next())
    if (cursor->key().starts_with(prefix))
      visit(cursor->key(), cursor->value());
    else if (cursor->key() > prefix && is_sound(*cursor, t))
      return;
}

// Keys of `table::meta`.
inline constexpr std::string_view format_key = "format";
inline constexpr std::string_view hub_key = "hub";
inline constexpr std::string_view lane_key = "lane";
inline constexpr std::string_view applied_key = "applied";

} // namespace perdura::persistence
