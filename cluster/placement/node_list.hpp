/// The nodes of a cluster as a configuration lists them.
#pragma once

#include "cluster/node/node_config.hpp"
#include "cluster/placement/placement.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::cluster {

struct node_address {
  std::string host; ///< Numeric or a name; IPv6 without its brackets.
  std::uint16_t port = 0;

  bool operator==(const node_address&) const = default;
};

struct listed_node {
  node_id name;
  node_address address;
};

/// "HOST:PORT", "[::1]:7171".
/// @error errc::invalid_argument  Says what is wrong with it.
persistence::result<node_address> parse_node_address(std::string_view text);

/// Each "NAME=HOST:PORT".
/// @error errc::invalid_argument  Names the entry and what is wrong with it.
persistence::result<std::vector<listed_node>>
parse_nodes(const std::vector<std::string>& entries);

std::vector<node_id> names_of(const std::vector<listed_node>& nodes);

/// Where the node listens: `listen`, or its own entry.
/// @error errc::invalid_argument  It has no entry; the address is not numeric;
///                                it is not loopback and there is no TLS; of
///                                the three TLS files one is missing.
persistence::result<node_address>
listen_address_of(const cluster_config& config);

} // namespace perdura::cluster
