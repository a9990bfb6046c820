/// How one node is, as it says itself: what `perdura cluster status` shows.
#pragma once

#include <perdura/cluster/placement/placement.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// What a node thinks of another one.
struct peer_report {
  node_id node;
  bool is_up = false;
  persistence::timestamp since{}; ///< Up or down since then.
  std::string why;                ///< Why it is down; empty while it is up.
};

template <class I>
auto inspect(I& f, peer_report& x) {
  return f(x.node, x.is_up, x.since, x.why);
}

struct node_report {
  node_id node;
  std::string version; ///< Of the program.
  std::string url;     ///< Its HTTP door; empty: none.
  persistence::timestamp started_at{};
  std::vector<std::uint32_t> partitions; ///< Those it owns.
  std::vector<std::uint64_t> counts;     ///< Instances, by runtime status.
  std::uint64_t outbox_messages = 0;     ///< Not yet acknowledged.
  std::string last_error;                ///< The newest, as logged.
  persistence::timestamp last_error_at{};
  std::vector<std::string> orchestrators; ///< "Name" or "Name@version".
  std::vector<std::string> activities;
  std::vector<peer_report> peers;
  /// Instances that cannot go on, each with a sentence.
  std::vector<std::pair<std::string, std::string>> stuck;
};

template <class I>
auto inspect(I& f, node_report& x) {
  return f(x.node, x.version, x.url, x.started_at, x.partitions, x.counts,
           x.outbox_messages, x.last_error, x.last_error_at, x.orchestrators,
           x.activities, x.peers, x.stuck);
}

/// One node's word, or why there is none.
struct reported_node {
  node_id node;
  std::vector<std::uint32_t> partitions; ///< As they are placed.
  std::optional<node_report> report;
  std::string why;
};

} // namespace perdura::cluster
