// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/request_search.hpp"

#include "persistence/views/rows.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

constexpr table answers = table::requests;

/// Checks the rows before and after the place of a key that is not found. A
/// damaged key does not move its row, so a row whose key was damaged is beside
/// the place of that key.
/// @throws storage_exception  One of them is damaged.
void check_neighbours(const row_reader& rows, const std::string& key) {
  const auto cursor = rows.walk(answers);
  const auto check = [&] {
    if (!is_sound(*cursor, answers))
      throw_damaged(answers, cursor->key(),
                    "its checksum does not match; it may be the row of "
                    "another key");
  };
  if (cursor->seek(key)) {
    check();
    if (cursor->previous())
      check();
  } else if (cursor->seek_before(key)) {
    check();
  }
}

/// The first window from `begin` on that has a row.
std::optional<request_window> first_window(const row_reader& rows,
                                           partition_id partition,
                                           request_window begin) {
  const std::string prefix = partition_key(partition);
  const auto cursor = rows.walk(answers);
  for (bool more = cursor->seek(request_window_key(partition, begin)); more;
       more = cursor->next())
    if (!is_sound(*cursor, answers))
      continue; // its key may be wrong
    else if (!cursor->key().starts_with(prefix))
      return std::nullopt;
    else
      return parse_request_window(cursor->key());
  return std::nullopt;
}

request_count count_requests(const row_reader& rows, partition_id partition,
                             request_window window) {
  request_count count{window, 0, 0};
  for_each_row(rows, answers, request_window_key(partition, window),
               [&](std::string_view key, std::string_view row) {
                 ++count.keys;
                 try {
                   count.bytes += request_row_bytes(
                     decode_row<request_row>(answers, key, row));
                 } catch (const storage_exception& e) {
                   if (e.reason().code != errc::storage_damaged)
                     throw;
                   count.bytes += key.size() + row.size();
                 }
               });
  return count;
}

} // namespace

std::optional<request_row>
find_request(const row_reader& rows, partition_id partition,
             const std::vector<request_window>& windows, const hash128& key) {
  for (auto window = windows.rbegin(); window != windows.rend(); ++window) {
    const std::string row_key = request_row_key(partition, *window, key);
    if (auto row = get_row<request_row>(rows, answers, row_key))
      return row;
    check_neighbours(rows, row_key);
  }
  return std::nullopt;
}

request_windows read_request_windows(const row_reader& rows,
                                     partition_id partition) {
  const std::string prefix = partition_key(partition);
  request_windows windows;
  for_each_row(rows, table::request_counts, prefix, [&](auto key, auto row) {
    try {
      set_request_count(
        windows, decode_row<request_count>(table::request_counts, key, row));
    } catch (const storage_exception& e) {
      if (e.reason().code != errc::storage_damaged)
        throw;
    }
  });
  // A damaged row of that table may hide a window.
  for (auto next = first_window(rows, partition, 0); next;
       next = first_window(rows, partition, *next + 1))
    if (std::none_of(
          windows.begin(), windows.end(),
          [&](const request_count& each) { return each.window == *next; }))
      set_request_count(windows, count_requests(rows, partition, *next));
  return windows;
}

} // namespace perdura::persistence
