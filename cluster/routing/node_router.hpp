// SPDX-License-Identifier: Apache-2.0
/// The routing logic of a process, without threads, sockets and clocks. It
/// decides where a request goes, what happens to the request when its owner
/// becomes unreachable and reachable again, and how requests of other nodes and
/// clients are handled. The same code runs on a node, in a client process and
/// in the simulator of the tests.
///
///   gateway ──▶ router ──▶ local partition ──▶ router ──▶ gateway
///                  ▲
///                  └── peer_link ◀──▶ router of another process
#pragma once

#include "actors/partition/partition_processor.hpp"
#include "cluster/routing/send_or_cancel_token.hpp"
#include "cluster/transport/envelope.hpp"
#include "cluster/transport/peer_link.hpp"
#include "persistence/process/log_level.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::cluster {

/// The gateway number in the reply_to of requests that came from another
/// process.
inline constexpr std::uint64_t peers_gateway_number = ~std::uint64_t{0};

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

  link_times times;

  /// A request that another node has not answered after this time fails. This
  /// limit does not apply to waits and deferrable requests.
  steady_time request_time_max = std::chrono::seconds(30);

  /// Supplies session numbers; must never return 0.
  std::function<std::uint64_t()> random;

  /// Called for each node whose hello has passed check_hello. If it returns an
  /// error, the node is refused and must stop, because it used another data
  /// directory before. May be null.
  std::function<persistence::result<void>(const peer_hello&)> admit;
};

/// The effects of the router: its connection to partitions, gateways and the
/// transport. The router calls these functions on its own thread; none of them
/// may call back into the router.
class router_host {
public:
  virtual ~router_host() = default;

  /// Delivers a message to a partition of this node.
  virtual void deliver(persistence::partition_id to, actors::inbound message)
    = 0;

  /// Delivers an answer to a gateway of this process.
  virtual void answer(actors::reply_to to, actors::management_answer answer)
    = 0;

  /// Sends a packet; it may be lost.
  virtual void send(path_id to, std::string packet) = 0;

  /// A session with a node has begun; `its` are the partitions of that node.
  /// Messages that were sent to these partitions before may have been lost; the
  /// local partitions send them again.
  virtual void peer_returned(const std::vector<persistence::partition_id>& its)
    = 0;

  /// Runs a query of another process over the partitions of this node. The host
  /// passes the result to `complete_local_query` with the same ticket.
  virtual void run_local_query(std::uint64_t ticket, node_query query) = 0;

  /// Delivers the result of the call of `query_peer` with the same ticket.
  /// Called once for each ticket.
  virtual void
  peer_query_completed(std::uint64_t ticket,
                       persistence::result<node_query_answer> answer)
    = 0;

  /// Another node refuses this one, because this node used another data
  /// directory before. The process must stop serving.
  virtual void must_stop(const persistence::error& why) = 0;

  /// A session with a node has begun. `hello` is the hello of that node.
  virtual void peer_connected(const peer_hello& hello) = 0;

  /// The session with a node has ended.
  virtual void peer_disconnected(const node_id&) {}

  /// Writes a line to the log of the process.
  virtual void log(persistence::log_level level, const std::string& text) = 0;
};

/// The router of one process. Not thread-safe: one actor uses it. The argument
/// `now` must never decrease from call to call.
class node_router {
public:
  /// `host` must outlive the router.
  node_router(router_config config, router_host& host);
  ~node_router();

  node_router(const node_router&) = delete;
  node_router& operator=(const node_router&) = delete;

  // --- From this process ----------------------------------------------------

  /// Starts (true) or stops (false) deliveries to the local partitions.
  /// Requests for them are refused before the start and after the stop.
  /// Messages between partitions that arrive before the start are kept and then
  /// delivered, because their senders would not repeat them within the session.
  void serve(bool serves);

  /// Called when the process stops. Ends all sessions and stops serving.
  /// Requests that were sent to another node and do not survive their session
  /// are answered with an error. The gateway answers all other requests when it
  /// closes.
  void close(steady_time now);

  /// Delivers a request to a local partition or sends it to its owner. If the
  /// owner is not reachable, a request without a token is answered with
  /// errc::unavailable at once; a request with a token waits.
  void handle_request(actors::management_inbound request,
                      send_or_cancel_ptr token, steady_time now);

  /// Passes the answer of a local partition to a gateway of this process, or to
  /// the process from which the request came.
  void handle_reply(actors::reply_to to, actors::management_answer answer);

  /// Route a message or an acknowledgement from a local partition to partition
  /// `to` on any node. Both are dropped if the owner of `to` is not reachable:
  /// the sending partition repeats its message after the next `peer_returned`.
  void route_message(actors::partition_message message,
                     persistence::partition_id to);
  void route_acknowledgement(actors::partition_acknowledgement note,
                             persistence::partition_id to);

  /// Sends a query to another node. The result is passed to
  /// `router_host::peer_query_completed` with the same ticket.
  void query_peer(const node_id& node, node_query query, std::uint64_t ticket,
                  steady_time now);

  /// Sends the result of a call of `run_local_query` to the process that sent
  /// the query. Does nothing if the session in which the query arrived has
  /// ended.
  void complete_local_query(std::uint64_t ticket,
                            persistence::result<node_query_answer> answer);

  // --- From the transport ---------------------------------------------------

  /// This process has opened a path to a node of the node list.
  void path_opened(path_id path, const node_id& node, steady_time now);

  /// A path has closed, whichever side had opened it. Ends its session.
  void path_closed(path_id path, steady_time now);

  /// Handles a packet. The bytes may come from a peer that is not
  /// authenticated; bytes that are not a packet are ignored.
  void receive_packet(path_id from, std::string_view bytes, steady_time now);

  // --- Time -----------------------------------------------------------------

  /// Checks time-outs, and sends waiting requests again. Called at `wake_at` or
  /// earlier.
  void tick(steady_time now);

  /// The time by which the links need the next `tick`. The time-outs of
  /// requests are not considered, so the router actor ticks at least every 100
  /// ms.
  steady_time wake_at() const;

  /// Passes the collected output to the transport, in as few packets as
  /// possible. Called after each batch of messages.
  void flush(steady_time now);

  /// True if a `flush` may have something to send.
  bool has_output() const {
    return !peers_to_flush_.empty();
  }

  // --- State ----------------------------------------------------------------

  /// True while there is a session with the node.
  bool is_up(const node_id& node) const;

  /// The state of all peer nodes at `now`; `wall` is the wall-clock time at
  /// `now`.
  std::vector<peer_report> peers(steady_time now,
                                 persistence::timestamp wall) const;

  /// True on a node; in a client once the first node has connected.
  bool knows_placement() const {
    return !config_.self.owners.owners.empty();
  }

  const placement& owners() const {
    return config_.self.owners;
  }

  /// The number of requests of this process that another node has not answered
  /// yet, including those that wait until their owner is reachable.
  std::size_t pending() const {
    return pending_.size();
  }

  /// The number of requests of other processes that local partitions have not
  /// answered yet.
  std::size_t incoming() const {
    return incoming_.size();
  }

private:
  struct peer;
  using peer_ptr = std::shared_ptr<peer>;

  /// A request of this process that another node is to answer.
  struct outgoing {
    actors::reply_to from;

    /// The request. It is moved from when it is sent, unless it survives its
    /// session.
    actors::management_request request;

    /// Empty while the placement is not known (in a client).
    std::optional<persistence::partition_id> partition;
    steady_time since{}; ///< The time of `handle_request`.
    bool sent = false;   ///< Sent in the owner's current session.

    /// True if the request is not a read. If the answer is lost, the outcome of
    /// the request is then unknown.
    bool changes = false;

    /// If the session ends before the answer, the request is sent again in the
    /// next session with its owner. True for waits and for requests with a
    /// token.
    bool survives_session = false;
    /// Null if the request is not to wait for a session with its owner.
    send_or_cancel_ptr token;
  };

  /// A request of another process that a local partition is to answer.
  struct incoming_request {
    std::weak_ptr<peer> from;
    std::uint64_t number = 0; ///< The peer's number for the request.
    persistence::instance_id id;
    bool is_wait = false;
  };

  /// A query that was sent to another node.
  struct outgoing_query {
    std::uint64_t ticket = 0;
    node_id node;
    steady_time since{};
  };

  /// A query of another process that runs on this node.
  struct incoming_query {
    std::weak_ptr<peer> from;
    std::uint64_t session = 0; ///< The session in which it arrived.
    std::uint64_t number = 0;  ///< The peer's number for the query.
  };

  /// The number of a gateway, and the number that this gateway gave to a
  /// request, as in reply_to.
  using gateway_request = std::pair<std::uint64_t, std::uint64_t>;

  void resolve_owners();
  bool owns(persistence::partition_id partition) const;
  peer* owner_of(persistence::partition_id partition) const;
  persistence::partition_id
  partition_for(const persistence::instance_id& id) const;
  peer* owner_of(outgoing& request) const;
  void deliver_locally(actors::management_inbound request,
                       persistence::partition_id to);
  void refuse(actors::reply_to to, const persistence::instance_id& id,
              persistence::errc code, std::string message);
  void refuse_unreachable(actors::reply_to to,
                          const persistence::instance_id& id,
                          persistence::partition_id partition);
  void forward(std::uint64_t number, outgoing& request, peer& to);
  void admit_this_node();
  void deliver_message(actors::inbound message, persistence::partition_id to);
  void cancel(const actors::management_inbound& request);
  void erase_pending(std::map<std::uint64_t, outgoing>::iterator it);
  void forward_waiting(const peer& to);
  void fail_overdue(steady_time now);
  void send(peer& to, const envelope& what);
  void mark_for_flush(peer& has_output);

  // Defined in node_router_peers.cpp.
  void handle_hello(path_id from, const packet& what, steady_time now);
  void handle_refusal(path_id from, const packet& what, steady_time now);
  peer_ptr attach_peer(path_id from, const peer_hello& hello, steady_time now);
  void refuse_peer(path_id path, const packet& hello, peer* known,
                   const peer_refusal& why);
  peer_ptr peer_on(path_id path) const;
  void apply_outcome(const peer_ptr& at, peer_link::outcome outcome,
                     steady_time now);
  void session_began(const peer_ptr& at, steady_time now);
  void session_ended(const peer_ptr& at, const std::string& why,
                     steady_time now);
  void fail_sent(peer& at);
  void handle_envelope(const peer_ptr& from, envelope what, steady_time now);
  void handle(const peer_ptr& from, remote_request& x, steady_time now);
  void handle(const peer_ptr& from, remote_cancel& x, steady_time now);
  void handle(const peer_ptr& from, remote_answer& x, steady_time now);
  void handle(const peer_ptr& from, remote_message& x, steady_time now);
  void handle(const peer_ptr& from, remote_acknowledgement& x, steady_time now);
  void handle(const peer_ptr& from, remote_query& x, steady_time now);
  void handle(const peer_ptr& from, remote_query_answer& x, steady_time now);

  router_config config_;
  router_host& host_;
  bool serves_ = false;     ///< Local partitions accept deliveries.
  bool has_served_ = false; ///< `serves_` is true or has been true.
  bool closing_ = false;    ///< `close` was called.
  bool is_admitted_ = true; ///< Another node has admitted this one.

  /// Requests with a token for local partitions, until this node is admitted.
  std::vector<std::pair<actors::management_inbound, send_or_cancel_ptr>>
    awaiting_admission_;

  /// Messages between partitions that arrived before this node served.
  std::vector<std::pair<persistence::partition_id, actors::inbound>>
    before_serving_;

  std::map<node_id, peer_ptr> nodes_;   ///< All of `config_.peers`.
  std::map<path_id, peer_ptr> clients_; ///< Clients with an open path.

  /// The peer of each open path. A path has no entry until its peer is known. A
  /// peer may have entries for older paths, too; packets are sent on its newest
  /// path.
  std::unordered_map<path_id, std::weak_ptr<peer>> paths_;

  /// The owner of each partition; null if it is this node or no known peer.
  std::vector<peer*> owners_;
  std::vector<bool> is_local_; ///< For each partition: owned by this node.

  /// Peers that may have packets to send; each at most once.
  std::vector<peer*> peers_to_flush_;

  /// The sentences of the refusals that were logged. Each sentence is logged
  /// once.
  std::set<std::string> refusals_logged_;

  /// The time at which waiting requests are sent again. Set when a node has
  /// answered that it does not serve now; empty otherwise.
  std::optional<steady_time> forward_again_at_;

  /// The last number given to a request or query, in either direction.
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, outgoing> pending_; ///< By number: oldest first.

  /// All requests in `pending_` with a number below this one are older than
  /// `request_time_max`. They are still there because they survive sessions.
  std::uint64_t overdue_from_ = 0;
  /// The keys of `pending_`, by the reply_to of the request.
  std::map<gateway_request, std::uint64_t> numbers_;

  /// The requests of other processes, by the number that this router gave them.
  std::unordered_map<std::uint64_t, incoming_request> incoming_;
  std::map<std::uint64_t, outgoing_query> sent_queries_; ///< Oldest first.

  /// The queries of other processes that run on this node, by ticket.
  std::unordered_map<std::uint64_t, incoming_query> local_queries_;
};

} // namespace perdura::cluster
