// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/request_rows.hpp"

#include "persistence/records/text.hpp"

#include <xxhash.h>

#include <algorithm>
#include <limits>

namespace perdura::persistence {

namespace {

// The first byte of a packed execution ID.
constexpr char packed_as_text = 't';
constexpr char packed_as_bytes = 'b';

} // namespace

request_window request_window_of(elapsed_time time) {
  const auto number = time.time_since_epoch() / request_window_length;
  return static_cast<request_window>(std::clamp<std::int64_t>(
    number, 0, std::numeric_limits<request_window>::max()));
}

elapsed_time request_window_end(request_window window) {
  return elapsed_time((std::int64_t{window} + 1) * request_window_length
                      + request_key_time);
}

hash128 hash128_of(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return {hash.high64, hash.low64};
}

// An instance ID contains no 0 byte.
hash128 request_key_of(const instance_id& instance, const request_id& request) {
  std::string text;
  text.reserve(instance.size() + 1 + request.size());
  text += instance;
  text += '\0';
  text += request;
  const hash128 key = hash128_of(text);
  return key == hash128{} ? hash128{0, 1} : key;
}

std::string pack_execution(const execution_id& execution) {
  if (execution.empty())
    return {};
  if (is_hex32(execution))
    if (const auto bytes = from_hex(execution))
      return packed_as_bytes + *bytes;
  return packed_as_text + execution;
}

execution_id unpack_execution(std::string_view packed) {
  if (packed.empty())
    return {};
  const std::string_view rest = packed.substr(1);
  return packed.front() == packed_as_bytes ? to_hex(rest) : std::string(rest);
}

// The key has 22 bytes. The record has at most 35 bytes besides the execution:
// version, five fields, two hashes of 9 bytes, and a time of 9 bytes.
std::size_t request_row_bytes(const request_row& row) {
  constexpr std::size_t fixed_bytes = 66;
  return fixed_bytes + row.execution.size();
}

void set_request_count(request_windows& windows, const request_count& count) {
  const auto place
    = std::lower_bound(windows.begin(), windows.end(), count.window,
                       [](const request_count& each, request_window window) {
                         return each.window < window;
                       });
  if (place != windows.end() && place->window == count.window)
    *place = count;
  else
    windows.insert(place, count);
}

void apply_to_windows(request_windows& windows,
                      const request_changes& changes) {
  std::erase_if(windows, [&](const request_count& each) {
    return each.window < changes.removed_before;
  });
  if (!changes.rows.empty())
    set_request_count(windows, changes.count);
}

} // namespace perdura::persistence
