// SPDX-License-Identifier: Apache-2.0
/// The state of the cluster as a process knows it: the placement, and the nodes
/// that are connected. The router keeps its own state on its own thread; this
/// copy is for all other threads.
#pragma once

#include "cluster/placement/peer_hello.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

namespace perdura::cluster {

/// Thread-safe. The router reports sessions; any thread may read and wait.
class cluster_view {
public:
  /// The view of a client. The placement is empty until the first node has
  /// connected; it is then taken from that node's hello.
  cluster_view() = default;

  /// The view of a node. `owners` is the placement that is stored in its hub.
  explicit cluster_view(placement owners) : owners_(std::move(owners)) {}

  /// Records that a session with the node that sent `hello` has begun, and
  /// wakes the threads that wait for nodes. Called by the router.
  void peer_connected(const peer_hello& hello) {
    const std::lock_guard lock(mutex_);
    if (owners_.owners.empty())
      owners_ = hello.owners;
    hellos_[hello.node] = hello;
    connected_.insert(hello.node);
    changed_.notify_all();
  }

  /// Records that the session with the node has ended. Called by the router.
  void peer_disconnected(const node_id& node) {
    const std::lock_guard lock(mutex_);
    connected_.erase(node);
  }

  /// Blocks until at least one other node is connected. Returns false if that
  /// takes longer than `time_out`.
  bool wait_for_any(persistence::duration time_out) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, persistence::bounded_wait(time_out),
                             [&] { return !connected_.empty(); });
  }

  /// Blocks until all nodes that own partitions are connected, `self` excepted.
  /// If that takes longer than `time_out`, returns false and sets `missing` to
  /// the nodes that are not connected (empty if the placement is not known).
  bool wait_for_all(const node_id& self, persistence::duration time_out,
                    std::vector<node_id>& missing) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, persistence::bounded_wait(time_out), [&] {
      missing.clear();
      for (const node_id& node : owners_.nodes)
        if (node != self && !connected_.contains(node)
            && !owners_.owned_by(node).empty())
          missing.push_back(node);
      return !owners_.nodes.empty() && missing.empty();
    });
  }

  /// A copy of the placement. In a client it is empty until the first node has
  /// connected.
  placement owners() const {
    const std::lock_guard lock(mutex_);
    return owners_;
  }

  /// The newest hello of a node; kept after the node has disconnected.
  std::optional<peer_hello> hello_of(const node_id& node) const {
    const std::lock_guard lock(mutex_);
    const auto found = hellos_.find(node);
    return found == hellos_.end() ? std::nullopt : std::optional(found->second);
  }

  /// The newest hello of one of the nodes that have been connected. Any of them
  /// may be chosen. Empty if no node has been connected.
  std::optional<peer_hello> any_hello() const {
    const std::lock_guard lock(mutex_);
    return hellos_.empty() ? std::nullopt
                           : std::optional(hellos_.begin()->second);
  }

private:
  mutable std::mutex mutex_;                ///< Guards all members below.
  mutable std::condition_variable changed_; ///< Signalled by a new session.
  placement owners_;
  std::map<node_id, peer_hello> hellos_; ///< Kept after a node disconnects.
  std::set<node_id> connected_;          ///< Nodes with a session.
};

} // namespace perdura::cluster
