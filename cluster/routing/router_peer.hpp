/// Another process as the router knows it: a node of the list, or a client.
#pragma once

#include "cluster/routing/node_router.hpp"

namespace perdura::cluster {

inline constexpr const char* new_directory_sentence
  = "This node's data directory is new. Until another node of the cluster has "
    "met it, nobody knows whether it stands in for one that held data; try "
    "again when the others are there.";
inline constexpr const char* unknown_sentence
  = "; the request may be done or not. A repeat with the same request_id is "
    "safe.";

struct node_router::peer {
  peer(node_id called, link_times times, std::function<std::uint64_t()> random)
    : name(std::move(called)), link(times, std::move(random)) {}

  /// Why it cannot be reached, for people; empty: it has never been seen.
  const std::string& away_because() const {
    return refused.empty() ? why_down : refused;
  }

  node_id name;     ///< Empty: a client.
  peer_hello hello; ///< Its newest that was let in.
  peer_link link;
  std::optional<path_id> path; ///< Where packets go.
  moment since{};              ///< Up or down since then.
  std::string why_down;
  std::string refused;    ///< By this side or the other; empty once it is up.
  bool is_marked = false; ///< Stands in `marked_`.
  std::vector<persistence::partition_id> partitions;
  /// Its requests under way here: its number → ours.
  std::map<std::uint64_t, std::uint64_t> incoming;
};

} // namespace perdura::cluster
