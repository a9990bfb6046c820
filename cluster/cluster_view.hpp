/// What a process knows of its cluster, for threads that are not the router's.
#pragma once

#include "cluster/envelope.hpp"

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
  placement owners_;
  std::map<node_id, peer_hello> hellos_;
};

} // namespace perdura::cluster
