// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/envelope.hpp"

#include "persistence/records/codec_engine.hpp"

#include <algorithm>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::result;

// The status is copied by value here, because a shared object cannot be sent.
remote_answer to_remote(std::uint64_t number,
                        const actors::management_answer& answer) {
  remote_answer out;
  out.number = number;
  out.code = answer.code;
  out.message = answer.message;
  out.id = answer.id;
  out.execution = answer.execution;
  out.started = answer.started;
  out.created = answer.created;
  out.created_at = answer.created_at;
  if (answer.status)
    out.status = *answer.status;
  return out;
}

actors::management_answer to_local(remote_answer answer) {
  actors::management_answer out;
  out.code = answer.code;
  out.message = std::move(answer.message);
  out.id = std::move(answer.id);
  out.execution = answer.execution;
  out.started = answer.started;
  out.created = answer.created;
  out.created_at = answer.created_at;
  if (answer.status)
    out.status = std::make_shared<const actors::instance_status>(
      std::move(*answer.status));
  return out;
}

namespace {

// The codec is that of stored records (msgpack). Every type is sent as an array
// of its fields in the order of `inspect`.

/// The number of values in a hello or a refusal. The owners of
/// partition_count_max partitions are 65,536 of them.
constexpr std::size_t introduction_values_max = 200'000;

/// The number of values in an envelope. A history of 50,000 events, the longest
/// allowed, has about ten values for each event.
constexpr std::size_t envelope_values_max = 4'000'000;

template <class T>
std::string encoded(const T& what) {
  std::string bytes;
  persistence::codec_engine::encode_record(bytes, what);
  return bytes;
}

/// Decodes bytes that another process has sent. Returns an error if the bytes
/// are not a valid record; `what` names the type in the message.
template <class T>
result<T> decoded(std::string_view bytes, const char* what,
                  std::size_t tokens_max) {
  auto record = persistence::codec_engine::decode_record<T>(bytes, tokens_max);
  if (!record)
    return error{errc::invalid_argument,
                 std::string("Data from another node is not a valid ") + what
                   + ": " + record.error().message + "."};
  return record;
}

} // namespace

std::string encode_hello(const peer_hello& hello) {
  return encoded(hello);
}

result<peer_hello> decode_hello(std::string_view bytes) {
  return decoded<peer_hello>(bytes, "hello", introduction_values_max);
}

std::string encode_refusal(const peer_refusal& refusal) {
  return encoded(refusal);
}

result<peer_refusal> decode_refusal(std::string_view bytes) {
  return decoded<peer_refusal>(bytes, "refusal", introduction_values_max);
}

std::string encode_envelope(const envelope& what) {
  return encoded(what);
}

result<envelope> decode_envelope(std::string_view bytes) {
  return decoded<envelope>(bytes, "envelope", envelope_values_max);
}

result<void> check_hello(const peer_hello& ours, const peer_hello& theirs) {
  // The order of the checks matters: processes with different formats, or nodes
  // of different hubs, also differ in the later fields, and the message must
  // name the cause.
  const std::string who
    = theirs.node.empty() ? "The client " : "Node \"" + theirs.node + "\" ";
  if (theirs.format != ours.format)
    return error{errc::storage_format,
                 who + "uses wire format " + std::to_string(theirs.format)
                   + ", this one uses " + std::to_string(ours.format) + "."};
  // A client belongs to no hub: it learns the placement from the node.
  if (theirs.node.empty() || ours.node.empty())
    return {};
  if (theirs.hub_id != ours.hub_id)
    return error{errc::storage_foreign,
                 who + "serves hub " + theirs.hub_id + ", this one serves hub "
                   + ours.hub_id
                   + ". Check its address and its data directory."};
  if (theirs.partition_count != ours.partition_count)
    return error{errc::invalid_argument,
                 who + "has " + std::to_string(theirs.partition_count)
                   + " partitions, this one has "
                   + std::to_string(ours.partition_count) + "."};
  if (theirs.owners != ours.owners)
    return error{errc::invalid_argument,
                 who + "has stored another placement of the partitions."};
  const auto& nodes = ours.owners.nodes;
  if (theirs.node == ours.node
      || std::find(nodes.begin(), nodes.end(), theirs.node) == nodes.end())
    return error{errc::invalid_argument,
                 who
                   + (theirs.node == ours.node
                        ? "has the name of this node."
                        : "is not among the nodes of this cluster.")};
  return {};
}

} // namespace perdura::cluster
