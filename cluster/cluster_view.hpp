/// What a process knows of its cluster, for threads that are not the router's.
#pragma once

#include "cluster/envelope.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

namespace perdura::cluster {

class cluster_view {
public:
  cluster_view() = default;

  explicit cluster_view(placement owners) : owners_(std::move(owners)) {}

  void met(const peer_hello& hello) {
    const std::lock_guard lock(mutex_);
    if (owners_.owners.empty())
      owners_ = hello.owners;
    hellos_[hello.node] = hello;
    changed_.notify_all();
  }

  /// Returns when all other nodes that own partitions have been met; false if
  /// not within that time.
  bool wait_until_all_met(const node_id& self,
                          persistence::duration time_out) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time_out, [&] {
      return std::all_of(owners_.nodes.begin(), owners_.nodes.end(),
                         [&](const node_id& node) {
                           return node == self || hellos_.contains(node)
                                  || owners_.owned_by(node).empty();
                         });
    });
  }

  /// Without owners until a first node was met.
  placement owners() const {
    const std::lock_guard lock(mutex_);
    return owners_;
  }

  std::optional<peer_hello> hello_of(const node_id& node) const {
    const std::lock_guard lock(mutex_);
    const auto found = hellos_.find(node);
    return found == hellos_.end() ? std::nullopt : std::optional(found->second);
  }

  /// Of any node that was met.
  std::optional<peer_hello> any_hello() const {
    const std::lock_guard lock(mutex_);
    return hellos_.empty() ? std::nullopt
                           : std::optional(hellos_.begin()->second);
  }

private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  placement owners_;
  std::map<node_id, peer_hello> hellos_;
};

} // namespace perdura::cluster
