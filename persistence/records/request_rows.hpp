// SPDX-License-Identifier: Apache-2.0
/// The recorded answers to requests that have a request ID, so that a repeat of
/// a request gets the first answer and is not carried out again.
///
/// A partition records an answer in the turn that carries the request out. The
/// record does not belong to the instance: it stays when the instance is
/// purged or replaced. It takes effect for `request_key_time`.
///
/// Records are grouped in windows of the partition's elapsed time, and a whole
/// window is deleted at once. A search looks into each window that exists, at
/// most four.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/ids.hpp"
#include "persistence/records/time_scales.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::persistence {

/// How long the answer to a request is kept, in elapsed time.
inline constexpr duration request_key_time = std::chrono::minutes(10);

/// The length of a window. A record is deleted at most this time after
/// `request_key_time`.
inline constexpr duration request_window_length = std::chrono::minutes(5);

/// Number of a window: the elapsed time at its begin, divided by its length.
using request_window = std::uint32_t;

/// The window of a time. Times before 1970 count as window 0.
request_window request_window_of(elapsed_time time);

/// The time from which no record of the window takes effect any more.
elapsed_time request_window_end(request_window window);

/// An XXH3-128 hash.
struct hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const hash128&) const = default;
};

template <class I>
auto inspect(I& f, hash128& x) {
  return f(x.high, x.low);
}

/// The hash of a text.
hash128 hash128_of(std::string_view text);

/// For maps that are indexed by a hash.
struct hash128_index {
  std::size_t operator()(const hash128& hash) const {
    return static_cast<std::size_t>(hash.low);
  }
};

/// Identifies a request: the hash of its instance ID and request ID, and the
/// hash of its whole content, these IDs included. Two requests with the same
/// key and another content are different requests, so a repeat is known by
/// both.
struct request_identity {
  hash128 key;
  hash128 content;

  bool operator==(const request_identity&) const = default;

  /// False if the request has no request ID.
  explicit operator bool() const {
    return key != hash128{};
  }
};

/// The key of a request. It is never equal to `hash128{}`.
hash128 request_key_of(const instance_id& instance, const request_id& request);

/// The row of a request.
struct request_row {
  hash128 content;
  elapsed_time at{}; ///< When the answer was recorded.
  errc code = errc::ok;
  bool created = false; ///< For a start: the request created the instance.
  /// For a start: the execution, as `pack_execution` returns it; else empty.
  std::string execution;

  bool operator==(const request_row&) const = default;
};

template <class I>
auto inspect(I& f, request_row& x) {
  return f(x.content, x.at, x.code, x.created, x.execution);
}

/// An execution ID in half the size if it is 32 hexadecimal digits.
std::string pack_execution(const execution_id& execution);
execution_id unpack_execution(std::string_view packed);

/// The bytes that a row takes in the table: key, checksum and record, rounded
/// up. The bound of the bytes counts them.
std::size_t request_row_bytes(const request_row& row);

/// The records of one window.
struct request_count {
  request_window window = 0;
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0; ///< Sum of `request_row_bytes`.

  bool operator==(const request_count&) const = default;
};

template <class I>
auto inspect(I& f, request_count& x) {
  return f(x.window, x.keys, x.bytes);
}

/// One answer that a turn records.
struct request_write {
  hash128 key;
  request_row row;

  bool operator==(const request_write&) const = default;
};

template <class I>
auto inspect(I& f, request_write& x) {
  return f(x.key, x.row);
}

/// The changes that a turn makes to the recorded answers of its partition.
struct request_changes {
  std::vector<request_write> rows; ///< All in the window of `count`.
  /// The window of `rows`, as it is after the turn. Absolute numbers, so that
  /// applying a turn twice has the same result as applying it once. Without
  /// meaning if `rows` is empty.
  request_count count;
  /// Windows with lower numbers are deleted.
  request_window removed_before = 0;
  /// Set by the first turn of a partition that records answers in this way; see
  /// partition_meta::requests_since.
  std::optional<elapsed_time> since;

  bool operator==(const request_changes&) const = default;
};

template <class I>
auto inspect(I& f, request_changes& x) {
  return f(x.rows, x.count, x.removed_before, x.since);
}

/// The windows of a partition, in ascending order; at most a few.
using request_windows = std::vector<request_count>;

/// Adds a window, or replaces the one with its number.
void set_request_count(request_windows& windows, const request_count& count);

/// Applies the changes to the windows. Idempotent.
void apply_to_windows(request_windows& windows, const request_changes& changes);

} // namespace perdura::persistence
