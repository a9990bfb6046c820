// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/codec.hpp"

#include "persistence/records/codec_engine.hpp"

namespace perdura::persistence {

template <class T>
void encode_to(std::string& out, const T& record) {
  codec_engine::encode_record(out, record);
}

template <class T>
result<T> decode(std::string_view bytes) {
  return codec_engine::decode_record<T>(bytes);
}

// The list of types must be the same as in codec.hpp.
#define PERDURA_CODEC(T)                                                       \
  template void encode_to<T>(std::string&, const T&);                          \
  template result<T> decode<T>(std::string_view);

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
