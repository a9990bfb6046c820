#include "cluster/placement/node_list.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

bool is_numeric(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1
         || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "::1";
}

} // namespace

result<node_address> parse_node_address(std::string_view text) {
  const error wrong{errc::invalid_argument,
                    "\"" + std::string(text)
                      + "\" is no address: HOST:PORT makes one, such as "
                        "127.0.0.1:7171 or [::1]:7171."};
  node_address address;
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
                     + "\" is no entry for a node: NAME=HOST:PORT makes one, "
                       "such as node-1=127.0.0.1:7171."};
    auto address = parse_node_address(std::string_view(entry).substr(sign + 1));
    if (!address)
      return error{errc::invalid_argument,
                   "The entry \"" + entry + "\": " + address.error().message};
    nodes.push_back({entry.substr(0, sign), std::move(*address)});
  }
  for (const listed_node& one : nodes)
    for (const listed_node& other : nodes) {
      if (&one != &other && one.name == other.name)
        return error{errc::invalid_argument,
                     "Node \"" + one.name + "\" stands in the list twice."};
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
  if (!is_numeric(address.host))
    return error{errc::invalid_argument,
                 "A node listens on a numeric address, and \"" + address.host
                   + "\" is none; name one with cluster.listen."};
  const bool some = !config.certificate_file.empty() || !config.key_file.empty()
                    || !config.ca_file.empty();
  const bool all = !config.certificate_file.empty() && !config.key_file.empty()
                   && !config.ca_file.empty();
  if (some && !all)
    return error{errc::invalid_argument,
                 "cluster.tls wants certificate_file, key_file and ca_file, "
                 "all three or none."};
  if (!all && !is_loopback(address.host))
    return error{errc::invalid_argument,
                 "The cluster's port may not listen on " + address.host
                   + " without TLS: whoever reaches it could do anything. Set "
                     "certificate_file, key_file and ca_file in cluster.tls "
                     "(`perdura tls init` makes some), or use loopback."};
  return address;
}

} // namespace perdura::cluster
