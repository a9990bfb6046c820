// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/port_rules.hpp"

#include "cluster/transport/packet.hpp"

#include <caf/all.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include <vector>

namespace perdura::cluster {

using caf::io::basp::header;
using caf::io::basp::message_type;

namespace {

/// The largest message with a packet: the packet, and CAF's names of its
/// receiver and its type.
constexpr std::uint32_t message_bytes_max
  = static_cast<std::uint32_t>(packet_bytes_max) + control_bytes_max;

/// The name of the types in a message without forwarding stages; no value if
/// the bytes have another form. Allocates no more than the bytes have.
std::optional<std::string> types_of(caf::binary_deserializer& source) {
  std::uint16_t type_number = 0;
  std::string name;
  if (source.begin_object(type_number, name) || type_number != 0)
    return std::nullopt;
  return name;
}

/// The name of the types in `example`.
std::string types_of(caf::actor_system& system, caf::message example) {
  std::vector<char> bytes;
  caf::binary_serializer sink(system, bytes);
  if (sink(example))
    return {};
  caf::binary_deserializer source(system, bytes);
  return types_of(source).value_or("");
}

std::string too_long(std::uint32_t length, std::uint32_t most) {
  return "it announces " + std::to_string(length) + " bytes; at most "
         + std::to_string(most) + " are accepted";
}

} // namespace

port_rules::port_rules(caf::actor_system& system) : system_(system) {
  // A packet of Perdura.
  known_types_.insert(types_of(system, caf::make_message(std::string())));
  // The question and the answer by which CAF's processes introduce their
  // "SpawnServ" actors to each other at the beginning of a connection.
  known_types_.insert(
    types_of(system, caf::make_message(caf::sys_atom::value,
                                       caf::get_atom::value, std::string())));
  known_types_.insert(types_of(
    system, caf::make_message(caf::ok_atom::value, std::string(),
                              caf::strong_actor_ptr(), std::string())));
}

std::optional<std::string> port_rules::check_header(const char* bytes,
                                                    bool introduced) const {
  header head{};
  caf::binary_deserializer source(system_, bytes, caf::io::basp::header_size);
  if (source(head))
    return "its header is not valid";
  std::uint32_t most = control_bytes_max;
  switch (head.operation) {
  case message_type::server_handshake:
  case message_type::client_handshake:
  case message_type::heartbeat:
    break;
  case message_type::direct_message:
    most = message_bytes_max;
    [[fallthrough]];
  case message_type::monitor_message:
  case message_type::down_message:
    if (!introduced)
      return "it sends a message before its handshake";
    break;
  case message_type::routed_message:
    // Each process has a connection to each other one. A message in the name of
    // a third process would bypass the check of its certificate.
    return "it sends a message in the name of another process";
  default:
    return "its header is not valid";
  }
  if (head.payload_len > most)
    return too_long(head.payload_len, most);
  return std::nullopt;
}

std::optional<std::string> port_rules::check_payload(const header& head,
                                                     const char* bytes,
                                                     std::size_t size) const {
  if (head.operation == message_type::direct_message
      && !is_known_message(bytes, size))
    return "it sends a message that is not one of Perdura";
  if (head.operation == message_type::down_message
      && !is_plain_down_message(bytes, size))
    return "it sends a notice that is not valid";
  return std::nullopt;
}

bool port_rules::is_known_message(const char* bytes, std::size_t size) const {
  caf::binary_deserializer source(system_, bytes, size);
  std::size_t stages = 0;
  if (source.begin_sequence(stages) || stages != 0)
    return false;
  const auto types = types_of(source);
  return types && known_types_.contains(*types);
}

/// A notice names two processes and an error. An error may hold any message as
/// its context; those that CAF sends hold none.
bool port_rules::is_plain_down_message(const char* bytes,
                                       std::size_t size) const {
  caf::binary_deserializer source(system_, bytes, size);
  caf::node_id from;
  caf::node_id to;
  std::uint8_t code = 0;
  if (source(from, to, code))
    return false;
  if (code == 0)
    return true;
  caf::atom_value category{};
  if (source(category))
    return false;
  const auto types = types_of(source);
  return types && *types == "@<>";
}

} // namespace perdura::cluster
