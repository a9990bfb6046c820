// SPDX-License-Identifier: Apache-2.0
/// The message with which two processes introduce themselves. Its encoding
/// stands in cluster/transport/envelope.hpp.
#pragma once

#include "cluster/placement/placement.hpp"

#include <cstdint>
#include <string>

namespace perdura::cluster {

/// The version of the encoding. Raised with each change, so that a node with an
/// older program refuses the session instead of misreading the messages.
inline constexpr std::uint32_t wire_format = 2;

/// The first message of each side in a session: identifies its sender, so that
/// the other side can accept or refuse it. New fields are appended: a receiver
/// skips the fields that it does not know, and gives those that are missing
/// their default values.
struct peer_hello {
  std::uint32_t format = wire_format;
  std::string hub_id; ///< Empty in a client's hello: a client fits any hub.
  std::uint32_t partition_count = 0; ///< 0 in a client's hello.
  placement owners;                  ///< Empty in a client's hello.
  node_id node;          ///< Empty means a client; it owns no partition.
  std::string directory; ///< hub_identity::directory_id of the sender.
  std::string url; ///< The URL of the node's HTTP server; empty if none is set.
  bool seed_compatible = false; ///< node_config::compat_seed of the sender.
  std::string task_hub;         ///< The hub's name.

  /// How often a node has started on its data directory, this start included.
  /// 0 in a client's hello.
  std::uint64_t start_number = 0;

  /// Random, new in each process. Two processes with one start number run on
  /// two copies of a directory.
  std::string run;

  /// hub_identity::adopted_at of the sender.
  persistence::timestamp adopted_at{};
};

template <class I>
auto inspect(I& f, placement& x) {
  return f(x.nodes, x.owners);
}

template <class I>
auto inspect(I& f, peer_hello& x) {
  return f(x.format, x.hub_id, x.partition_count, x.owners, x.node, x.directory,
           x.url, x.seed_compatible, x.task_hub, x.start_number, x.run,
           x.adopted_at);
}

} // namespace perdura::cluster
