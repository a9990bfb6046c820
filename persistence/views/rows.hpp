/// Typed rows over a row store: a checksum, a version byte, msgpack.
#pragma once

#include "persistence/records/checksum.hpp"
#include "persistence/records/codec.hpp"
#include "persistence/stores/row_store.hpp"

#include <string>

namespace perdura::persistence {

/// Names the place and what to do about it.
[[noreturn]] void throw_damaged(table t, std::string_view key,
                                std::string_view how);

/// The payload of a row as it was stored.
/// @throws storage_exception  The checksum does not fit.
std::string_view opened(table t, std::string_view key, std::string_view row);

/// Decodes a row's payload.
/// @throws storage_exception  Damaged, or of another format version.
template <class T>
T decode_row(table t, std::string_view key, std::string_view row) {
  result<T> value = decode<T>(opened(t, key, row));
  if (!value) {
    if (value.code() == errc::storage_format)
      throw storage_exception(value.error());
    throw_damaged(t, key, value.error().message);
  }
  return std::move(value).value();
}

template <class T>
std::optional<T> get_row(const row_reader& rows, table t,
                         std::string_view key) {
  const auto row = rows.get(t, key);
  if (!row)
    return {};
  return decode_row<T>(t, key, *row);
}

/// Writes rows through one buffer, since bringing up a batch writes many.
class row_putter {
public:
  explicit row_putter(row_writer& rows) : rows_(rows) {}

  template <class T>
  void put(table t, std::string_view key, const T& value) {
    buffer_.assign(checksum_size, '\0');
    encode_to(buffer_, value);
    seal_and_put(t, key);
  }

  row_writer& rows() {
    return rows_;
  }

  static constexpr std::size_t no_limit = static_cast<std::size_t>(-1);

  /// False, and nothing is written, if it takes more bytes than that.
  template <class T>
  bool put_within(table t, std::string_view key, const T& value,
                  std::size_t bytes_max) {
    buffer_.assign(checksum_size, '\0');
    encode_to(buffer_, value);
    if (buffer_.size() - checksum_size > bytes_max)
      return false;
    seal_and_put(t, key);
    return true;
  }

private:
  void seal_and_put(table t, std::string_view key);

  row_writer& rows_;
  std::string buffer_;
};

/// Calls `visit(key, row)` for all rows whose key begins with `prefix`.
template <class Visit>
void for_each_row(const row_reader& rows, table t, const std::string& prefix,
                  Visit visit) {
  const auto cursor = rows.walk(t);
  for (bool more = cursor->seek(prefix);
       more && cursor->key().starts_with(prefix); more = cursor->next())
    visit(cursor->key(), cursor->value());
}

// Keys of table::meta.
inline constexpr std::string_view format_key = "format";
inline constexpr std::string_view hub_key = "hub";
inline constexpr std::string_view lane_key = "lane";
inline constexpr std::string_view applied_key = "applied";

} // namespace perdura::persistence
