/// Records as bytes: a version byte, then msgpack, written and read through
/// the one field list that stands beside each record (`inspect`).
///
/// A record is an array of its fields, a variant [tag, fields], a time int64
/// microseconds, an enum its number. Fields are only ever appended: a reader
/// gives missing ones their defaults and skips those it does not know.
#pragma once

#include "persistence/journal/journal_record.hpp"
#include "persistence/records/error.hpp"
#include "persistence/records/turn_writes.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace perdura::persistence {

/// Written to disk as the first byte. Raised only if old readers must refuse.
inline constexpr unsigned char codec_version = 1;

/// Deeper than any record of ours, far below what a stack could not bear.
inline constexpr std::size_t codec_depth_max = 32;

/// Appends to `out`, so that one buffer can serve many records.
template <class T>
void encode_to(std::string& out, const T& record);

template <class T>
std::string encode(const T& record) {
  std::string out;
  encode_to(out, record);
  return out;
}

/// Never trusts a length: allocates in proportion to `bytes` alone.
/// @error errc::storage_damaged  Not what `encode` of any version wrote.
/// @error errc::storage_format   Another version byte; names both.
template <class T>
result<T> decode(std::string_view bytes);

// msgpack.hpp costs two seconds a file: codec.cpp alone includes it and
// instantiates these.
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
PERDURA_CODEC(dedup_mark)
PERDURA_CODEC(outbox_mark)
PERDURA_CODEC(history_event)
PERDURA_CODEC(std::vector<history_event>)
PERDURA_CODEC(partition_meta)
PERDURA_CODEC(hub_identity)
PERDURA_CODEC(journal_record)
PERDURA_CODEC(std::string)
PERDURA_CODEC(std::uint64_t)

#undef PERDURA_CODEC

} // namespace perdura::persistence
