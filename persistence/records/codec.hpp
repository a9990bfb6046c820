// SPDX-License-Identifier: Apache-2.0
/// Encodes records as bytes and decodes them: a version byte, then msgpack.
/// Both directions use the one field list (`inspect`) that is defined beside
/// each record type.
///
/// A record is a msgpack array of its fields, in the order of its `inspect`.
/// A variant is [index, fields], a time is an integer in microseconds, an
/// enumerator is its number. New fields are appended only: a reader sets
/// missing fields to their defaults and skips fields that it does not know.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/journal_record.hpp"
#include "persistence/records/turn_writes.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace perdura::persistence {

/// The first byte of each encoded record. It is raised only for a change that
/// older programs must refuse to read.
inline constexpr unsigned char codec_version = 1;

/// Deepest nesting of arrays that `decode` accepts. The records of this
/// program are less deep; the limit protects the stack from damaged input.
inline constexpr std::size_t codec_depth_max = 32;

/// Appends the encoded record to `out`, so that one buffer can serve many
/// records.
/// @throws std::length_error  A string has 2^32 bytes or more, or a list has
///                            2^32 elements or more.
template <class T>
void encode_to(std::string& out, const T& record);

/// Returns the encoded record as a new string.
template <class T>
std::string encode(const T& record) {
  std::string out;
  encode_to(out, record);
  return out;
}

/// Decodes a record. No length in the input is trusted: the memory allocated
/// is proportional to the size of `bytes`.
/// @error errc::storage_damaged  `encode` cannot have produced the bytes.
/// @error errc::storage_format   The version byte differs. The message contains
///                               both versions.
template <class T>
result<T> decode(std::string_view bytes);

// These functions are instantiated in codec.cpp only, because they need
// msgpack.hpp, which adds two seconds to the compilation of a file.
#define PERDURA_CODEC(T)                                                       \
  extern template void encode_to<T>(std::string&, const T&);                   \
  extern template result<T> decode<T>(std::string_view);

PERDURA_CODEC(turn_writes)
PERDURA_CODEC(instance_write)
PERDURA_CODEC(instance_record)
PERDURA_CODEC(open_task)
PERDURA_CODEC(inbox_message)
PERDURA_CODEC(request_record)
PERDURA_CODEC(std::vector<request_record>)
PERDURA_CODEC(outbox_message)
PERDURA_CODEC(request_row)
PERDURA_CODEC(request_count)
PERDURA_CODEC(dedup_mark)
PERDURA_CODEC(outbox_mark)
PERDURA_CODEC(history_event)
PERDURA_CODEC(std::vector<history_event>)
PERDURA_CODEC(partition_meta)
PERDURA_CODEC(hub_identity)
PERDURA_CODEC(journal_record)
PERDURA_CODEC(journal_header)
PERDURA_CODEC(std::string)
PERDURA_CODEC(std::uint64_t)

#undef PERDURA_CODEC

} // namespace perdura::persistence
