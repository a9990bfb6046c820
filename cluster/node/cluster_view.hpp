/// What a process knows of its cluster, for threads that are not the router's.
#pragma once

#include "cluster/transport/envelope.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

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
    here_.insert(hello.node);
    changed_.notify_all();
  }

  void lost(const node_id& node) {
    const std::lock_guard lock(mutex_);
    here_.erase(node);
  }

  /// Returns when some other node is there; false if none within that time.
  bool wait_for_any(persistence::duration time_out) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time_out, [&] { return !here_.empty(); });
  }

  /// Returns when all other nodes that own partitions are there; false if not
  /// within that time, and then the missing ones, as far as they are known.
  bool wait_for_all(const node_id& self, persistence::duration time_out,
                    std::vector<node_id>& missing) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time_out, [&] {
      missing.clear();
      for (const node_id& node : owners_.nodes)
        if (node != self && !here_.contains(node)
            && !owners_.owned_by(node).empty())
          missing.push_back(node);
      return !owners_.nodes.empty() && missing.empty();
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
  std::map<node_id, peer_hello> hellos_; ///< Also of those that have gone.
  std::set<node_id> here_;
};

} // namespace perdura::cluster
