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
///
/// The work is done by five classes; node_router passes each input to the class
/// that handles it, and each event of a session to all of them:
///
///   peer_sessions        paths, hellos, refusals, packets
///   outgoing_requests    requests of this process
///   incoming_requests    requests of other processes
///   partition_mail       messages between partitions
///   node_queries         queries over all instances of a node
#pragma once

#include "cluster/routing/incoming_requests.hpp"
#include "cluster/routing/node_queries.hpp"
#include "cluster/routing/outgoing_requests.hpp"
#include "cluster/routing/partition_mail.hpp"
#include "cluster/routing/peer_sessions.hpp"

#include <optional>
#include <string>
#include <vector>

namespace perdura::cluster {

/// The router of one process. Not thread-safe: one actor uses it. The argument
/// `now` must never decrease from call to call.
class node_router final : private session_listener {
public:
  /// `host` must outlive the router.
  node_router(router_config config, router_host& host);

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

  /// Handles the finding of a local partition that this node, or the node with
  /// which it has a session, runs on an older copy of its data directory. Ends
  /// the session, and begins none with that process of the other node any more.
  /// The node with the older copy must stop.
  void end_inconsistent_session(const actors::pair_disagreement& found,
                                steady_time now);

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

  /// The other side of a path has this certificate. From now on its hellos on
  /// this path are refused unless the certificate permits them.
  void path_certified(path_id path, peer_certificate certificate);

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
    return sessions_.has_output();
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
    return owners_.is_known();
  }

  const placement& owners() const {
    return owners_.owners();
  }

  /// The number of requests of this process that another node has not answered
  /// yet, including those that wait until their owner is reachable.
  std::size_t pending() const {
    return outgoing_.size();
  }

  /// The number of requests of other processes that local partitions have not
  /// answered yet.
  std::size_t incoming() const {
    return incoming_.size();
  }

private:
  void session_began(const peer_ptr& with) override;
  void session_ended(const peer_ptr& with, const std::string& why) override;
  void directory_refused(const std::string& why) override;
  void received(const peer_ptr& from, envelope what, steady_time now) override;
  void assume_admission(steady_time now);

  // The objects below hold references to those above them.
  const router_config config_;
  router_host& host_;
  serving_state state_;
  std::optional<steady_time> admission_due_; ///< Set by the first `tick`.
  owner_table owners_;
  peer_sessions sessions_;
  outgoing_requests outgoing_;
  incoming_requests incoming_;
  partition_mail mail_;
  node_queries queries_;
};

} // namespace perdura::cluster
