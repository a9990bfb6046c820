// SPDX-License-Identifier: Apache-2.0
/// The actor around node_router: passes messages from its mailbox to the
/// node_router, and sends the results to partitions, gateways and the
/// transport.
#pragma once

#include "actors/interface/answer_sink.hpp"
#include "actors/interface/messages.hpp"
#include "cluster/routing/node_router.hpp"
#include "cluster/transport/peer_certificate.hpp"

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::cluster {

class transport;

// The messages of the router actor. The type router_control_actor below lists
// the sender of each.

/// Passes the partitions of this node to the router, which delivers to them
/// from now on.
struct partitions_ready {
  /// The index is the partition_id. Null for partitions of other nodes.
  std::vector<actors::partition_actor> partitions;
};

/// Registers a gateway: answers to requests with this gateway number are passed
/// to `answers` from now on.
struct gateway_opened {
  std::uint64_t gateway_number = 0;
  std::shared_ptr<actors::answer_sink> answers;
};

/// Ends the work of the router. All sessions end, and the router releases its
/// references to partitions, gateways and the transport, so that these can be
/// destroyed.
struct partitions_released {};

/// Sets the transport through which packets are sent from now on. Null means
/// that packets are dropped.
struct transport_ready {
  std::shared_ptr<transport> new_transport;
};

/// A path of the transport has opened or closed.
struct path_event {
  path_id path = 0;
  node_id opened_to; ///< Empty means that the path has closed.
};

/// The other side of a path has a certificate. Arrives before each hello on a
/// path that uses TLS.
struct path_certified {
  path_id path = 0;
  peer_certificate certificate;
};

/// A packet has arrived on a path of the transport.
struct packet_received {
  path_id from = 0;
  std::string bytes;
};

/// A request that waits in the router while the owner of its instance is not
/// reachable.
struct deferrable_request {
  actors::management_inbound request;
  send_or_cancel_ptr token;
};

/// A query for another node. `answer` is called once, on the router's thread;
/// it must not block.
struct peer_query_request {
  node_id node;
  node_query query;
  std::shared_ptr<std::function<void(persistence::result<node_query_answer>)>>
    answer;
};

/// The result of a query that another node sent to this one.
struct local_query_result {
  std::uint64_t ticket = 0;
  std::shared_ptr<persistence::result<node_query_answer>> answer;
};

/// Asks for the state of all peer nodes. `answer` is called once, on the
/// router's thread; it must not block.
struct peers_request {
  std::shared_ptr<std::function<void(std::vector<peer_report>)>> answer;
};

/// Sent by the router to itself when the links are due to be checked.
struct router_tick {};

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::partitions_ready)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::gateway_opened)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::partitions_released)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::transport_ready)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::path_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::path_certified)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::packet_received)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::deferrable_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::peer_query_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::local_query_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::peers_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::router_tick)

namespace perdura::cluster {

/// The router's interface for its own process. `actors::router_actor` is the
/// part of this interface that partitions use.
using router_control_actor = actors::router_actor::extend<
  // From the node or client that owns the router.
  caf::reacts_to<partitions_ready>, caf::reacts_to<gateway_opened>,
  caf::reacts_to<partitions_released>, caf::reacts_to<transport_ready>,
  // From the transport.
  caf::reacts_to<path_event>, caf::reacts_to<path_certified>,
  caf::reacts_to<packet_received>,
  // From the gateway.
  caf::reacts_to<deferrable_request>, caf::reacts_to<peer_query_request>,
  caf::reacts_to<peers_request>,
  // From the local_query_actor.
  caf::reacts_to<local_query_result>,
  // From itself: the end of the current batch, and a timer.
  caf::reacts_to<actors::flush_batch>, caf::reacts_to<router_tick>>;

/// Functions that the router calls on its own thread; none may block. Each may
/// be null.
struct router_dependencies {
  /// Starts a query of another node over the partitions of this node. Its
  /// result goes to the router `to` as a local_query_result with the same
  /// ticket.
  std::function<void(const router_control_actor& to, std::uint64_t ticket,
                     node_query query)>
    run_local_query;

  /// See the functions of router_host with the same names.
  std::function<void(const persistence::error&)> must_stop;
  std::function<void(const peer_hello&)> peer_connected;
  std::function<void(const node_id&)> peer_disconnected;
  std::function<void()> admission_assumed;
  std::function<void(const std::string&)> directory_refused;
};

/// The state of the router actor: passes each message to the node_router, and
/// performs the effects that the node_router requests.
class router_actor_state : public router_host {
public:
  static inline const char* name = "router";

  /// Called once, before the first message. `self` owns this object.
  void begin(router_control_actor::pointer self, router_config config,
             router_dependencies dependencies);

  // One handler for each message; see the types of the messages.

  void on_request(actors::management_inbound& x, send_or_cancel_ptr token);
  void on_reply(actors::management_reply& x);
  void on_message(actors::outbound_partition_message& x);
  void on_acknowledgement(const actors::outbound_acknowledgement& x);
  void on_disagreement(const actors::outbound_disagreement& x);
  void on_partitions(partitions_ready& x);
  void on_partitions_released();
  void on_transport(transport_ready& x);
  void on_path(const path_event& x);
  void on_certificate(path_certified& x);
  void on_packet(const packet_received& x);
  void on_peer_query(peer_query_request& x);
  void on_local_query_result(const local_query_result& x);
  void on_peers(const peers_request& x) const;
  void on_tick();
  void on_flush();

  // The effects of node_router; see router_host.

  void deliver(persistence::partition_id to, actors::inbound message) override;
  void answer(actors::reply_to to, actors::management_answer answer) override;
  void send(path_id to, std::string packet) override;
  void
  peer_returned(const std::vector<persistence::partition_id>& its) override;
  void run_local_query(std::uint64_t ticket, node_query query) override;
  void
  peer_query_completed(std::uint64_t ticket,
                       persistence::result<node_query_answer> answer) override;
  void must_stop(const persistence::error& why) override;
  void peer_connected(const peer_hello& hello) override;
  void peer_disconnected(const node_id& node) override;
  void admission_assumed() override;
  void directory_refused(const std::string& why) override;
  void log(persistence::log_level level, const std::string& text) override;

  std::unordered_map<std::uint64_t, std::shared_ptr<actors::answer_sink>>
    gateways; ///< By gateway number.

private:
  steady_time now() const;
  void request_flush();
  void schedule_tick();

  router_control_actor::pointer self_ = nullptr;
  router_dependencies dependencies_;
  std::unique_ptr<node_router> router_;
  std::vector<actors::partition_actor> partitions_; ///< By partition_id.
  std::shared_ptr<transport> transport_; ///< Null means none is open.
  std::uint64_t last_ticket_ = 0;        ///< Ticket of the newest peer query.
  std::unordered_map<std::uint64_t, peer_query_request>
    peer_queries_;            ///< By ticket.
  bool flush_posted_ = false; ///< A flush_batch is in the mailbox.
  bool ticking_ = false;      ///< A router_tick is scheduled.
};

/// The behavior of the router actor. Nothing in it blocks, so it runs on a
/// scheduler thread.
router_control_actor::behavior_type
router_behavior(router_control_actor::stateful_pointer<router_actor_state> self,
                router_config config, router_dependencies dependencies);

} // namespace perdura::cluster
