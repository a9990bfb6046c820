// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/node_router.hpp"
#include "cluster/routing/router_peer.hpp"

#include <algorithm>
#include <utility>

// The part of node_router that handles input from other processes: paths,
// sessions, requests, answers and queries.

namespace perdura::cluster {

using namespace persistence;
using actors::management_inbound;
using actors::reply_to;

namespace {

// The number of different refusals that are logged. The limit is needed because
// an unauthenticated peer can cause any number of different refusals.
constexpr std::size_t refusals_logged_max = 100;

// If a node answers that it does not serve now, the waiting requests are sent
// to it again after this time.
constexpr steady_time forward_again_after = std::chrono::milliseconds(500);

} // namespace

// --- Paths -------------------------------------------------------------------

void node_router::path_opened(path_id path, const node_id& node,
                              steady_time now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end())
    return; // not in the list of nodes
  found->second->path = path;
  // `tick` queues a hello. The session begins when the other side has answered
  // it.
  paths_[path] = found->second;
  found->second->link.path_opened(now);
  apply_outcome(found->second, found->second->link.tick(now), now);
}

void node_router::path_closed(path_id path, steady_time now) {
  const peer_ptr at = peer_on(path);
  paths_.erase(path);
  if (!at || at->path != path)
    return; // the peer has another path by now
  at->path.reset();
  apply_outcome(at, at->link.path_closed("its connection has ended"), now);
  if (clients_.erase(path) > 0)
    std::erase(peers_to_flush_, at.get());
}

node_router::peer_ptr node_router::peer_on(path_id path) const {
  const auto found = paths_.find(path);
  return found == paths_.end() ? nullptr : found->second.lock();
}

void node_router::receive_packet(path_id from, std::string_view bytes,
                                 steady_time now) {
  const auto what = decode_packet(bytes);
  if (!what)
    return; // not a packet of Perdura, so the sender would not read a refusal
  if (what->kind == packet_kind::hello) {
    handle_hello(from, *what, now);
    return;
  }
  if (what->kind == packet_kind::refusal) {
    handle_refusal(from, *what, now);
    return;
  }
  if (const peer_ptr at = peer_on(from))
    apply_outcome(at, at->link.receive(*what, now), now);
}

// --- Admission ---------------------------------------------------------------

/// Checks a hello in this order: its encoding, whether the peer belongs to the
/// same cluster, whether it is the node that is expected at this address, and
/// whether it has the data directory that is recorded for it. If a check fails,
/// the peer is refused and the later checks are left out. If all checks
/// succeed, the link handles the hello.
void node_router::handle_hello(path_id from, const packet& what,
                               steady_time now) {
  const auto hello = decode_hello(what.bytes);
  peer_ptr at = peer_on(from);
  if (!hello) {
    refuse_peer(from, what, at.get(),
                {hello.error().code, hello.error().message});
    return;
  }
  auto fits = check_hello(config_.self, *hello);
  // If the peer at this address has another name than the node list says, the
  // node list is wrong.
  if (fits && at && !at->name.empty() && at->name != hello->node)
    fits = error{errc::invalid_argument,
                 "The address of node \"" + at->name + "\" belongs to "
                   + (hello->node.empty() ? std::string("a client")
                                          : "node \"" + hello->node + "\"")
                   + "; check the list of nodes."};
  if (!fits) {
    refuse_peer(from, what, at.get(),
                {fits.error().code, fits.error().message});
    return;
  }
  if (!hello->node.empty() && config_.admit)
    if (auto known = config_.admit(*hello); !known) {
      refuse_peer(from, what, at.get(),
                  {known.error().code, known.error().message, true});
      return;
    }
  if (!at) {
    at = attach_peer(from, *hello, now);
    if (!at)
      return;
  }
  // A client learns the placement from the first node that it reaches.
  if (config_.is_client && !knows_placement()) {
    config_.self.owners = hello->owners;
    config_.self.partition_count = hello->partition_count;
    resolve_owners();
  }
  at->hello = *hello;
  apply_outcome(at, at->link.receive(what, now), now);
}

/// Assigns a path that the other side has opened to its peer: a node of the
/// list or a new client. Null if the node is not in this node's list.
node_router::peer_ptr node_router::attach_peer(path_id from,
                                               const peer_hello& hello,
                                               steady_time now) {
  peer_ptr at;
  if (hello.node.empty()) {
    at = std::make_shared<peer>("", config_.times, config_.random);
    at->link.set_hello(encode_hello(config_.self));
    clients_[from] = at;
  } else {
    const auto found = nodes_.find(hello.node);
    if (found == nodes_.end())
      return nullptr; // in the hub's placement, but not in this node's list
    at = found->second;
    // The new path replaces an earlier one, which is broken or will be soon.
    if (at->path)
      apply_outcome(at, at->link.path_closed("it has opened a new connection"),
                    now);
  }
  at->path = from;
  paths_[from] = at;
  at->link.path_opened(now);
  return at;
}

/// Answers a hello with a refusal. `known` is the peer of the path; null if no
/// peer has been assigned to the path yet.
void node_router::refuse_peer(path_id path, const packet& hello, peer* known,
                              const peer_refusal& why) {
  if (known != nullptr)
    known->refused = why.why;
  if (refusals_logged_.size() < refusals_logged_max
      && refusals_logged_.insert(why.why).second)
    host_.log(log_level::error, why.why);
  // A refusal belongs to no session of this side, so `from` is 0. `to` is the
  // session number of the refused hello.
  packet refusal;
  refusal.kind = packet_kind::refusal;
  refusal.from = 0;
  refusal.to = hello.from;
  const std::string bytes = encode_refusal(why);
  refusal.bytes = bytes;
  host_.send(path, encode_packet(refusal));
}

/// Handles a refusal that the other side has sent: ends the session, if there
/// is one. The link continues to send hellos, so that a session begins once the
/// reason for the refusal has been removed.
void node_router::handle_refusal(path_id from, const packet& what,
                                 steady_time now) {
  const peer_ptr at = peer_on(from);
  const auto refusal = decode_refusal(what.bytes);
  // Ignore a refusal that does not answer the newest hello of this side.
  if (!at || !refusal || what.to != at->link.session())
    return;
  const std::string sentence
    = (at->name.empty() ? "A client" : "Node \"" + at->name + '"')
      + " refuses this one: " + refusal->why;
  // Hellos are repeated five times a second, and each is refused again. A
  // reason is therefore logged only when it is new.
  if (at->refused != sentence)
    host_.log(log_level::error, sentence);
  at->refused = sentence;
  apply_outcome(at, at->link.reset(refusal->why), now);
  // A client must not be able to stop this node.
  if (refusal->must_stop && !at->name.empty())
    host_.must_stop({refusal->code, sentence});
}

// --- Sessions ----------------------------------------------------------------

/// Handles an outcome of the peer's link. The order is: the end of a session,
/// the beginning of the next session, and the messages that were received in
/// the session.
void node_router::apply_outcome(const peer_ptr& at, peer_link::outcome outcome,
                                steady_time now) {
  mark_for_flush(*at);
  if (outcome.session_ended)
    session_ended(at, *outcome.session_ended, now);
  if (outcome.session_began)
    session_began(at, now);
  for (const std::string& bytes : outcome.messages) {
    auto what = decode_envelope(bytes);
    if (!what) {
      host_.log(log_level::warning,
                "Node \"" + at->name
                  + "\" has sent an invalid message: " + what.error().message);
      apply_outcome(at, at->link.reset("it has sent an invalid message"), now);
      return;
    }
    handle_envelope(at, std::move(*what), now);
  }
}

/// Handles the beginning of a session. If the peer is a node, this node counts
/// as admitted, the host is informed, the requests that wait for the peer are
/// sent, and the local partitions repeat their messages to the peer. If the
/// peer is a client, none of this is done.
void node_router::session_began(const peer_ptr& at, steady_time now) {
  at->since = now;
  at->why_down.clear();
  at->refused.clear();
  if (at->name.empty())
    return;
  // A session begins only if both sides have accepted each other.
  admit_this_node();
  host_.peer_connected(at->hello);
  host_.log(log_level::info, "Node \"" + at->name + "\" is connected.");
  forward_waiting(*at);
  if (!config_.is_client && !at->partitions.empty())
    host_.peer_returned(at->partitions);
}

/// Handles the end of a session: drops the peer's requests, then fails the
/// requests that were sent to the peer. A client is forgotten: if it returns,
/// it is a new peer.
void node_router::session_ended(const peer_ptr& at, const std::string& why,
                                steady_time now) {
  at->since = now;
  at->why_down = why;
  // The answers to the peer's requests could not be delivered any more. A wait
  // is cancelled in its partition, because the partition would keep the wait.
  // Other requests need no cancellation, because their partitions always answer
  // them.
  for (const auto& [theirs, number] : std::exchange(at->incoming, {})) {
    const auto it = incoming_.find(number);
    if (it == incoming_.end())
      continue;
    const incoming_request gone = std::move(it->second);
    incoming_.erase(it);
    if (gone.is_wait && serves_)
      host_.deliver(partition_for(gone.id),
                    management_inbound{{peers_gateway_number, number},
                                       actors::cancel_wait{gone.id}});
  }
  if (at->name.empty()) {
    std::erase(peers_to_flush_, at.get());
    if (at->path)
      paths_.erase(*at->path);
    std::erase_if(clients_, [&](const auto& one) { return one.second == at; });
    return;
  }
  host_.peer_disconnected(at->name);
  if (!closing_)
    host_.log(log_level::warning,
              "Node \"" + at->name + "\" cannot be reached: " + why
                + ". Its instances are unavailable until it is back.");
  fail_sent(*at);
}

/// Handles the requests and queries that were sent in a session that has ended.
/// Requests that survive the session wait for the next one; all others fail.
void node_router::fail_sent(peer& at) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    const auto one = it++;
    outgoing& request = one->second;
    if (!request.sent || owner_of(request) != &at)
      continue;
    if (request.survives_session) {
      request.sent = false;
      continue;
    }
    const reply_to to = request.from;
    const bool changes = request.changes;
    erase_pending(one);
    refuse(to, {}, changes ? errc::unknown_outcome : errc::unavailable,
           "Node \"" + at.name + "\" was lost before it answered"
             + (changes ? unknown_sentence : "; try again when it is back."));
  }
  for (auto it = sent_queries_.begin(); it != sent_queries_.end();) {
    const auto one = it++;
    if (one->second.node != at.name)
      continue;
    const std::uint64_t ticket = one->second.ticket;
    sent_queries_.erase(one);
    host_.peer_query_completed(
      ticket, error{errc::unavailable,
                    "Node \"" + at.name + "\" was lost before it answered."});
  }
}

// --- Messages of other processes ---------------------------------------------

void node_router::handle_envelope(const peer_ptr& from, envelope what,
                                  steady_time now) {
  std::visit([&](auto& x) { handle(from, x, now); }, what);
}

// The answer is sent when the partition's reply arrives (`handle_reply`).
void node_router::handle(const peer_ptr& from, remote_request& x, steady_time) {
  const instance_id id = actors::instance_of(x.request);
  const partition_id partition = partition_for(id);
  // A session with a client does not admit this node, so `is_admitted_` may
  // still be false here.
  if (!owns(partition) || !serves_ || !is_admitted_) {
    remote_answer no;
    no.number = x.number;
    no.code = closing_ ? errc::shutting_down : errc::unavailable;
    no.id = id;
    no.message = is_admitted_
                   ? "Node \"" + config_.self.node + "\" does not serve \"" + id
                       + "\" now; try again."
                   : new_directory_sentence;
    send(*from, no);
    return;
  }
  const std::uint64_t number = ++last_number_;
  incoming_[number]
    = {from, x.number, id,
       std::holds_alternative<actors::wait_instance>(x.request)};
  from->incoming[x.number] = number;
  host_.deliver(partition, management_inbound{{peers_gateway_number, number},
                                              std::move(x.request)});
}

// The other side does not wait for the answer any more, so no answer is sent.
void node_router::handle(const peer_ptr& from, remote_cancel& x, steady_time) {
  const auto known = from->incoming.find(x.number);
  if (known == from->incoming.end())
    return; // already answered
  const std::uint64_t number = known->second;
  from->incoming.erase(known);
  const auto it = incoming_.find(number);
  const incoming_request gone = std::move(it->second);
  incoming_.erase(it);
  if (gone.is_wait && serves_)
    host_.deliver(partition_for(gone.id),
                  management_inbound{{peers_gateway_number, number},
                                     actors::cancel_wait{gone.id}});
}

void node_router::handle(const peer_ptr& from, remote_answer& x,
                         steady_time now) {
  // The request may have been cancelled or have timed out. An answer from a
  // node that is not the owner is ignored.
  const auto it = pending_.find(x.number);
  if (it == pending_.end() || !it->second.sent
      || owner_of(it->second) != from.get())
    return;
  // With these codes the node reports that it stops or is not ready, and that
  // it has done nothing. A request that survives its session is sent again.
  if (x.code == errc::shutting_down || x.code == errc::unavailable) {
    if (it->second.survives_session) {
      it->second.sent = false;
      forward_again_at_ = now + forward_again_after;
      return;
    }
    x.code = errc::unavailable;
  }
  const reply_to to = it->second.from;
  erase_pending(it);
  if (to)
    host_.answer(to, to_local(std::move(x)));
}

void node_router::handle(const peer_ptr& from, remote_message& x, steady_time) {
  // Ignore a message that does not come from the owner of the sending
  // partition.
  if (owns(x.to) && owner_of(x.from) == from.get())
    deliver_message(actors::partition_message{x.from, std::move(x.message)},
                    x.to);
}

void node_router::handle(const peer_ptr& from, remote_acknowledgement& x,
                         steady_time) {
  if (owns(x.to) && owner_of(x.from) == from.get())
    deliver_message(actors::partition_acknowledgement{x.from, x.sequence},
                    x.to);
}

void node_router::handle(const peer_ptr& from, remote_query& x, steady_time) {
  const std::uint64_t ticket = ++last_number_;
  local_queries_[ticket] = {from, from->link.session(), x.number};
  host_.run_local_query(ticket, std::move(x.query));
}

void node_router::handle(const peer_ptr& from, remote_query_answer& x,
                         steady_time) {
  // The query may have timed out. An answer from another node is ignored.
  const auto it = sent_queries_.find(x.number);
  if (it == sent_queries_.end() || it->second.node != from->name)
    return;
  const std::uint64_t ticket = it->second.ticket;
  sent_queries_.erase(it);
  if (x.code != errc::ok)
    host_.peer_query_completed(ticket, error{x.code, x.message});
  else
    host_.peer_query_completed(ticket, std::move(x.answer));
}

} // namespace perdura::cluster
