/// The client gateway: takes requests from any thread, routes them to the
/// owner, and correlates the answers. It lives on this floor because a node
/// hands one to its activities.
#pragma once

#include "actors/interface/management.hpp"
#include "actors/interface/messages.hpp"
#include "cluster/routing/own_partitions.hpp"
#include "cluster/routing/question_fan.hpp"
#include "cluster/routing/request_claim.hpp"
#include "cluster/routing/router_actor.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// Who waits for which answer. Shared by the gateway's two sides: threads
/// that ask, and the actor that is answered.
class pending_requests {
public:
  using callback = actors::management_gateway::callback;

  std::uint64_t add(actors::instance_id id, callback done,
                    claim_ptr claim = nullptr);

  struct entry {
    actors::instance_id id;
    callback done;
    claim_ptr claim; ///< Of one that may wait for its owner.
  };

  /// Empty if it was answered or cancelled already.
  std::optional<entry> take(std::uint64_t number);

  /// Everybody is told that there will be no answer.
  void close(const std::string& why);

  /// errc::shutting_down with that reason, once it is closed.
  persistence::result<void> check_open() const;

private:
  mutable std::mutex mutex_;
  std::uint64_t next_ = 1;
  bool closed_ = false;
  std::string why_;
  std::unordered_map<std::uint64_t, entry> entries_;
};

/// What a gateway asks of its node besides routing.
struct gateway_surroundings {
  router_control_actor router;
  std::uint64_t door = 1;
  std::shared_ptr<const question_fan> questions;
  std::function<actors::management_payload(const std::string&)> payload_of;
  std::function<bool()> is_seed_compatible;
};

/// The threads' side.
class node_gateway final : public actors::management_gateway {
public:
  node_gateway(gateway_surroundings around,
               std::shared_ptr<pending_requests> pending);

  using management_gateway::submit;
  std::uint64_t submit(actors::management_request request, callback done,
                       actors::if_away what) override;
  void cancel(std::uint64_t number) override;
  persistence::result<persistence::instance_page>
  query(const persistence::instance_query& query,
        persistence::duration time_out) override;
  persistence::result<actors::instance_counts>
  count(bool partial, persistence::duration time_out) override;
  std::vector<std::pair<std::string, std::string>> stuck() override;
  actors::management_payload payload_of(const std::string& id) const override;
  bool is_seed_compatible() const override;

  /// The router is there; before, every request is refused.
  void open(router_control_actor router);

  /// Requests for these go to them straight, past the router; status of their
  /// instances is read on the caller's thread. Not before the node is let in.
  void open_own(own_partitions_ptr own, bool is_let_in);
  void let_in();

  /// The node stops: nothing is routed any more, who waits is told.
  void close(const std::string& why);

private:
  struct ways {
    router_control_actor router;
    own_partitions_ptr own;
  };

  ways ways_now();

  std::shared_ptr<pending_requests> pending_;
  std::mutex mutex_; ///< Over the router, `own_` and whether it is let in.
  gateway_surroundings around_;
  own_partitions_ptr own_;
  bool is_let_in_ = false;
};

/// The actor's side: one door of the node.
actors::gateway_actor::behavior_type
gateway_behavior(actors::gateway_actor::pointer self,
                 std::shared_ptr<pending_requests> pending);

} // namespace perdura::cluster
