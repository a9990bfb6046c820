// SPDX-License-Identifier: Apache-2.0
/// The report of a node about itself, as `perdura cluster status` shows it.
#pragma once

#include <perdura/cluster/placement/placement.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// The state of the connection from the reporting node to another one.
struct peer_report {
  node_id node;
  bool is_up = false; ///< There is a session with the node.
  /// When the last session began or ended; 0 if there has been none.
  persistence::timestamp since{};
  /// Why the node is down. If it is up: why another process with its name was
  /// refused; empty if there was none in this session.
  std::string why;
};

template <class I>
auto inspect(I& f, peer_report& x) {
  return f(x.node, x.is_up, x.since, x.why);
}

/// An orchestrator that is paused in partitions of a node.
struct paused_name {
  std::string name;
  persistence::timestamp since{}; ///< When it was requested.
  std::string reason;             ///< May be empty.
  std::uint32_t partitions = 0;   ///< Partitions of the node that have it.
};

template <class I>
auto inspect(I& f, paused_name& x) {
  return f(x.name, x.since, x.reason, x.partitions);
}

/// The state of one node at the time of the query. Reports are sent between
/// nodes: the order of the fields in `inspect` is part of the wire format.
struct node_report {
  node_id node;        ///< Empty for a node without a cluster.
  std::string version; ///< The version of the program.
  std::string url; ///< The URL of the node's HTTP server; empty if none is set.
  persistence::timestamp started_at{};
  std::vector<std::uint32_t> partitions; ///< Owned by the node; ascending.

  /// The number of instances on the node; the index is the runtime status.
  /// Empty if the instances could not be counted.
  std::vector<std::uint64_t> counts;

  /// Messages to other partitions that are not acknowledged yet.
  std::uint64_t outbox_messages = 0;
  std::string last_error; ///< The newest logged error; empty if there is none.
  persistence::timestamp last_error_at{};
  std::vector<std::string> orchestrators; ///< "Name" or "Name@version".
  std::vector<std::string> activities;    ///< Names of registered activities.
  std::vector<peer_report> peers;         ///< One entry for each other node.

  /// Instances that cannot continue, each with its ID and a sentence with the
  /// reason. An entry with an empty ID concerns the whole node.
  std::vector<std::pair<std::string, std::string>> stuck;

  /// Why the node is not ready, each with its code and a sentence. A node of an
  /// earlier version sends none.
  std::vector<std::pair<std::string, std::string>> unready;

  /// The paused orchestrators, in order of name. A node of an earlier version
  /// sends none.
  std::vector<paused_name> paused;
};

template <class I>
auto inspect(I& f, node_report& x) {
  return f(x.node, x.version, x.url, x.started_at, x.partitions, x.counts,
           x.outbox_messages, x.last_error, x.last_error_at, x.orchestrators,
           x.activities, x.peers, x.stuck, x.unready, x.paused);
}

/// A node of the placement with its report, or the reason why there is none.
struct reported_node {
  node_id node;
  std::vector<std::uint32_t> partitions; ///< According to the placement.
  std::optional<node_report> report;
  std::string why; ///< Why there is no report; empty if there is one.
};

} // namespace perdura::cluster
