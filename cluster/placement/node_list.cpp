// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/node_list.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

/// True for an IPv4 or IPv6 address, false for a host name.
bool is_numeric(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1
         || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

/// True for addresses that only processes of this machine can reach.
bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "::1";
}

} // namespace

result<node_address> parse_node_address(std::string_view text) {
  // One message for every mistake: it quotes the text and shows the right form.
  const error wrong{errc::invalid_argument,
                    "\"" + std::string(text)
                      + "\" is not an address: write HOST:PORT, such as "
                        "127.0.0.1:7171 or [::1]:7171."};
  node_address address;
  // The last colon separates the port: an IPv6 host holds colons of its own,
  // and therefore must stand in brackets.
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0)
    return wrong;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return wrong;
  const auto [end, trouble]
    = std::from_chars(port.data(), port.data() + port.size(), address.port);
  // Blanks, and the separators of URLs and node entries, are mistakes in a host
  // name. With port 0 the kernel would choose a port that no peer knows.
  if (host.empty() || host.find_first_of(" \t/@=") != std::string_view::npos
      || trouble != std::errc() || end != port.data() + port.size()
      || address.port == 0)
    return wrong;
  address.host = host;
  return address;
}

result<std::vector<listed_node>>
parse_nodes(const std::vector<std::string>& entries) {
  std::vector<listed_node> nodes;
  for (const std::string& entry : entries) {
    const std::size_t sign = entry.find('=');
    if (sign == std::string::npos || sign == 0)
      return error{errc::invalid_argument,
                   "\"" + entry
                     + "\" is not a node entry: write NAME=HOST:PORT, such as "
                       "node-1=127.0.0.1:7171."};
    auto address = parse_node_address(std::string_view(entry).substr(sign + 1));
    if (!address)
      return error{errc::invalid_argument,
                   "The entry \"" + entry + "\": " + address.error().message};
    nodes.push_back({entry.substr(0, sign), std::move(*address)});
  }
  // Compare each pair of entries; node lists are short.
  for (const listed_node& one : nodes)
    for (const listed_node& other : nodes) {
      if (&one != &other && one.name == other.name)
        return error{errc::invalid_argument,
                     "Node \"" + one.name
                       + "\" is in the list of nodes twice."};
      if (&one != &other && one.address == other.address)
        return error{errc::invalid_argument, "Nodes \"" + other.name
                                               + "\" and \"" + one.name
                                               + "\" have the same address."};
    }
  return nodes;
}

std::vector<node_id> names_of(const std::vector<listed_node>& nodes) {
  std::vector<node_id> names;
  names.reserve(nodes.size());
  for (const listed_node& each : nodes)
    names.push_back(each.name);
  return names;
}

result<node_address> listen_address_of(const cluster_config& config) {
  auto nodes = parse_nodes(config.nodes);
  if (!nodes)
    return nodes.error();
  const auto own
    = std::find_if(nodes->begin(), nodes->end(), [&](const listed_node& each) {
        return each.name == config.node;
      });
  if (own == nodes->end())
    return error{errc::invalid_argument,
                 "Node \"" + config.node
                   + "\" is not in the list of nodes (cluster.nodes)."};
  node_address address = own->address;
  if (!config.listen.empty()) {
    auto given = parse_node_address(config.listen);
    if (!given)
      return given.error();
    address = std::move(*given);
  }
  // The socket is bound without a name lookup, so a host name is refused.
  if (!is_numeric(address.host))
    return error{errc::invalid_argument,
                 "A node listens on a numeric address; \"" + address.host
                   + "\" is not one. Set cluster.listen to a numeric address."};
  // If only some of the three files are set, the operator has forgotten the
  // others. The node must not run without TLS in that case.
  const bool some = !config.certificate_file.empty() || !config.key_file.empty()
                    || !config.ca_file.empty();
  const bool all = !config.certificate_file.empty() && !config.key_file.empty()
                   && !config.ca_file.empty();
  if (some && !all)
    return error{errc::invalid_argument,
                 "cluster.tls needs certificate_file, key_file and ca_file: "
                 "all three or none."};
  if (!all && !is_loopback(address.host))
    return error{errc::invalid_argument,
                 "The cluster port may not listen on " + address.host
                   + " without TLS: every process that reaches the port could "
                     "read and change all instances. Set certificate_file, "
                     "key_file and ca_file in cluster.tls (`perdura tls init` "
                     "creates them), or use a loopback address."};
  return address;
}

} // namespace perdura::cluster
