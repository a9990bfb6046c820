// SPDX-License-Identifier: Apache-2.0
/// The settings of a router, and the state of its process.
#pragma once

#include "cluster/placement/peer_hello.hpp"
#include "cluster/transport/peer_link.hpp"

#include <functional>
#include <string>
#include <vector>

namespace perdura::cluster {

/// The gateway number in the reply_to of requests that came from another
/// process.
inline constexpr std::uint64_t peers_gateway_number = ~std::uint64_t{0};

/// The message of errc::unavailable while this node is not admitted.
inline constexpr const char* new_directory_sentence
  = "This node's data directory is new. The node serves requests only after "
    "another node of the cluster has admitted it, because the directory may "
    "have replaced one that held data. Try again when the other nodes are up.";

/// The message of errc::unavailable while a node that was admitted in an
/// earlier start waits for the other nodes.
inline constexpr const char* restarted_sentence
  = "This node has just started and waits until another node of the cluster "
    "accepts its data directory, or until none is reachable; try again.";

/// The message of errc::shutting_down after `node_router::close`.
inline constexpr const char* stopping_sentence
  = "This node is stopping; try again when it is back.";

/// The settings of a router.
struct router_config {
  /// The hello that this process sends. In a client it is empty except for the
  /// format; the client takes the placement from the first node's hello.
  peer_hello self;
  bool is_client = false;

  /// All nodes of the cluster except this one.
  std::vector<node_id> peers;

  /// Maps an instance ID and the number of partitions to a partition. Nodes and
  /// clients use `cluster::partition_of`; tests use a simpler function.
  persistence::partition_id (*partition_of)(const persistence::instance_id&,
                                            std::uint32_t)
    = nullptr;

  /// True if no other node has admitted this node with its data directory yet.
  /// The directory may have replaced one that held data, so the node serves
  /// only after a session with another node has begun.
  bool must_be_admitted = false;

  /// If this node was admitted in an earlier start: how long it waits for
  /// another node to accept it, before it serves on its own. If a node refuses
  /// its data directory, it waits without a limit, because another copy of the
  /// directory may be in use. 0 means that it does not wait.
  steady_time admission_wait{};

  link_times times;

  /// A request that another node has not answered after this time fails. This
  /// limit does not apply to waits and deferrable requests.
  steady_time request_time_max = std::chrono::seconds(30);

  /// Supplies session numbers; must never return 0.
  std::function<std::uint64_t()> random;

  /// Called for each node whose hello has passed check_hello. If it returns an
  /// error, the node is refused. With errc::storage_foreign it must also stop,
  /// because its data directory does not continue the one that it used before.
  /// May be null.
  std::function<persistence::result<void>(const peer_hello&)> admit;
};

/// Whether this process serves requests. Only node_router changes it.
struct serving_state {
  bool serves = false;     ///< Local partitions accept deliveries.
  bool has_served = false; ///< `serves` is true or has been true.
  bool closing = false;    ///< `node_router::close` was called.
  bool is_admitted = true; ///< Another node has admitted this one.

  /// Why `is_admitted` is false: a sentence for callers.
  std::string why_not_admitted;
};

} // namespace perdura::cluster
