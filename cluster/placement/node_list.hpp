// SPDX-License-Identifier: Apache-2.0
/// Parses the node list of a configuration and derives the address on which
/// this node listens.
#pragma once

#include "cluster/placement/cluster_config.hpp"
#include "cluster/placement/placement.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::cluster {

/// The address on which a node accepts connections.
struct node_address {
  /// A numeric address or a host name. An IPv6 address has no brackets here.
  std::string host;
  std::uint16_t port = 0; ///< 1 to 65535.

  bool operator==(const node_address&) const = default;
};

/// One entry of the node list.
struct listed_node {
  node_id name;
  node_address address;
};

/// Parses "HOST:PORT"; an IPv6 host stands in brackets, as in "[::1]:7171". A
/// host name is not resolved.
/// @error errc::invalid_argument  `text` does not have this form.
persistence::result<node_address> parse_node_address(std::string_view text);

/// Parses entries of the form "NAME=HOST:PORT". Names are not checked here; see
/// `place` and `check_nodes`.
/// @error errc::invalid_argument  An entry does not have this form, or a name
///                                or an address occurs twice. The message
///                                quotes the entry or the names.
persistence::result<std::vector<listed_node>>
parse_nodes(const std::vector<std::string>& entries);

/// The names in the order of the list.
std::vector<node_id> names_of(const std::vector<listed_node>& nodes);

/// The address on which the node listens: `config.listen`, or the address of
/// its own entry in `config.nodes` if `listen` is empty.
/// @error errc::invalid_argument  The node list or `listen` is not valid; the
///                                node has no entry; the address is not
///                                numeric; the address is not a loopback
///                                address and TLS is not configured; one or two
///                                of the three TLS files are missing.
persistence::result<node_address>
listen_address_of(const cluster_config& config);

} // namespace perdura::cluster
