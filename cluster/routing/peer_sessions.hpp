// SPDX-License-Identifier: Apache-2.0
/// The sessions of a router with the other processes: paths, hellos, refusals,
/// and the packets that leave.
#pragma once

#include "cluster/routing/owner_table.hpp"
#include "cluster/routing/router_config.hpp"
#include "cluster/routing/router_host.hpp"
#include "cluster/routing/router_peer.hpp"
#include "cluster/transport/peer_certificate.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace perdura::cluster {

/// Receives the events of peer_sessions.
class session_listener {
public:
  virtual ~session_listener() = default;

  /// A session has begun; both sides have accepted each other.
  virtual void session_began(const peer_ptr& with) = 0;

  /// The session has ended. Nothing that was sent in it arrives any more.
  virtual void session_ended(const peer_ptr& with, const std::string& why) = 0;

  /// A node refuses the data directory of this one; `why` is a sentence.
  virtual void directory_refused(const std::string& /*why*/) {}

  /// A message has arrived in the current session.
  virtual void received(const peer_ptr& from, envelope what, steady_time now)
    = 0;
};

/// The peers of a router and the sessions with them. Not thread-safe. All
/// references that the constructor takes must outlive this object.
class peer_sessions {
public:
  /// Sets `owners` if the placement is known. In a client it is set when the
  /// first node has connected.
  peer_sessions(const router_config& config, router_host& host,
                owner_table& owners, session_listener& listener);

  /// See the functions of node_router with the same names.
  void path_opened(path_id path, const node_id& node, steady_time now);
  void path_closed(path_id path, steady_time now);
  void path_certified(path_id path, peer_certificate certificate);
  void receive_packet(path_id from, std::string_view bytes, steady_time now);

  /// Ends all sessions with the reason `why`.
  void close(const std::string& why, steady_time now);

  /// Ends the session with a node, and refuses each further hello of the
  /// process that runs it, with this refusal.
  void exclude(router_peer& peer, peer_refusal why, steady_time now);

  /// Checks the time-outs of the links.
  void tick(steady_time now);

  /// The time by which the links need the next `tick`.
  steady_time wake_at() const;

  /// Appends a message to the session with `to`. The link drops the message if
  /// there is no session.
  void send(router_peer& to, const envelope& what);

  /// Passes the collected packets to the host.
  void flush(steady_time now);

  /// True if a `flush` may have something to send.
  bool has_output() const {
    return !to_flush_.empty();
  }

  /// All nodes of the list, by name.
  const std::map<node_id, peer_ptr>& nodes() const {
    return nodes_;
  }

  /// True if a node has refused the data directory of this one, and no session
  /// with that node has begun since.
  bool is_refused() const;

  /// Null if the node is not in the list.
  router_peer* find(const node_id& node) const;

private:
  void handle_hello(path_id from, const packet& what, steady_time now);
  void handle_refusal(path_id from, const packet& what, steady_time now);
  peer_ptr attach_peer(path_id from, const peer_hello& hello, steady_time now);
  std::optional<peer_refusal> check_rival(const peer_hello& hello,
                                          steady_time now);
  void refuse_peer(path_id path, const packet& hello, router_peer* known,
                   const peer_refusal& why);
  peer_ptr peer_on(path_id path) const;
  void apply_outcome(const peer_ptr& at, peer_link::outcome outcome,
                     steady_time now);
  void forget_client(const peer_ptr& at);
  void mark_for_flush(router_peer& has_output);

  const router_config& config_;
  router_host& host_;
  owner_table& owners_;
  session_listener& listener_;
  std::map<node_id, peer_ptr> nodes_;   ///< All of `config_.peers`.
  std::map<path_id, peer_ptr> clients_; ///< Clients with an open path.

  /// The peer of each open path. A path has no entry until its peer is known. A
  /// peer may have entries for older paths, too; packets are sent on its newest
  /// path.
  std::unordered_map<path_id, std::weak_ptr<router_peer>> paths_;

  /// The certificate of the other side of each open path that uses TLS.
  std::unordered_map<path_id, peer_certificate> certificates_;

  /// Peers that may have packets to send; each at most once.
  std::vector<router_peer*> to_flush_;

  /// The sentences of the refusals that were logged. Each sentence is logged
  /// once.
  std::set<std::string> refusals_logged_;
};

} // namespace perdura::cluster
