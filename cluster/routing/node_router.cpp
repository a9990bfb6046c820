// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/node_router.hpp"

#include "cluster/routing/router_peer.hpp"

#include <algorithm>
#include <utility>

// The part of node_router that handles input from this process: requests,
// answers, messages between partitions, and time. node_router_peers.cpp handles
// input from other processes.

namespace perdura::cluster {

using namespace persistence;
using actors::management_answer;
using actors::management_inbound;
using actors::reply_to;

namespace {

constexpr const char* stopping_sentence
  = "This node is stopping; try again when it is back.";
constexpr const char* starting_sentence
  = "The node is starting; try again soon.";

bool is_wait(const actors::management_request& request) {
  return std::holds_alternative<actors::wait_instance>(request);
}

/// True if the request changes nothing, so that it can be repeated without harm
/// if the answer is lost.
bool is_read(const actors::management_request& request) {
  return is_wait(request)
         || std::holds_alternative<actors::get_status>(request);
}

} // namespace

node_router::node_router(router_config config, router_host& host)
  : config_(std::move(config)), host_(host) {
  for (const node_id& name : config_.peers) {
    auto one = std::make_shared<peer>(name, config_.times, config_.random);
    one->link.set_hello(encode_hello(config_.self));
    nodes_.emplace(name, std::move(one));
  }
  is_admitted_ = !config_.must_be_admitted;
  resolve_owners();
}

node_router::~node_router() = default;

/// Fills `owners_` and `is_local_` from the placement. Called by the
/// constructor; a client calls it again after the first hello of a node.
void node_router::resolve_owners() {
  const placement& owners = config_.self.owners;
  owners_.assign(owners.owners.size(), nullptr);
  is_local_.assign(owners.owners.size(), false);
  for (std::uint32_t i = 0; i < owners.owners.size(); ++i) {
    const node_id& name = owners.owner_of(partition_id{i});
    is_local_[i] = !config_.is_client && name == config_.self.node;
    const auto found = nodes_.find(name);
    if (is_local_[i] || found == nodes_.end())
      continue;
    owners_[i] = found->second.get();
    found->second->partitions.push_back(partition_id{i});
  }
}

// The first call with `true` delivers the messages in `before_serving_`. A call
// with `false` before that keeps them there.
void node_router::serve(bool serves) {
  serves_ = serves;
  has_served_ |= serves;
  for (auto& [to, message] : std::exchange(before_serving_, {}))
    deliver_message(std::move(message), to);
}

void node_router::close(steady_time now) {
  closing_ = true;
  serve(false);
  for (const auto& [name, one] : nodes_) {
    one->path.reset();
    apply_outcome(one, one->link.path_closed(stopping_sentence), now);
  }
  const auto clients = clients_; // a copy: each call removes its client
  for (const auto& [path, one] : clients)
    apply_outcome(one, one->link.path_closed(stopping_sentence), now);
}

bool node_router::owns(partition_id partition) const {
  return index_of(partition) < is_local_.size()
         && is_local_[index_of(partition)];
}

node_router::peer* node_router::owner_of(partition_id partition) const {
  return index_of(partition) < owners_.size() ? owners_[index_of(partition)]
                                              : nullptr;
}

partition_id node_router::partition_for(const instance_id& id) const {
  return config_.partition_of(id, config_.self.partition_count);
}

/// The owner of the request's instance. Null if the placement is not known yet,
/// if the owner is this node, or if the owner is not a known peer. The
/// partition is stored in the `outgoing` object, because the instance ID is no
/// longer available after the request has been moved from.
node_router::peer* node_router::owner_of(outgoing& request) const {
  if (!request.partition && knows_placement())
    request.partition = partition_for(actors::instance_of(request.request));
  return request.partition ? owner_of(*request.partition) : nullptr;
}

// --- Requests ----------------------------------------------------------------

/// Answers a request of this process with an error. Does nothing if the request
/// wants no answer.
void node_router::refuse(reply_to to, const instance_id& id, errc code,
                         std::string message) {
  if (!to)
    return;
  management_answer answer;
  answer.code = code;
  answer.id = id;
  answer.message = std::move(message);
  host_.answer(to, std::move(answer));
}

/// Refuses a request because there is no session with the owner of the
/// partition, or because no owner is known.
void node_router::refuse_unreachable(reply_to to, const instance_id& id,
                                     partition_id partition) {
  const peer* owner = owner_of(partition);
  if (owner == nullptr) {
    refuse(to, id, errc::unavailable,
           knows_placement()
             ? "Instance \"" + id + "\" is owned by node \""
                 + config_.self.owners.owner_of(partition)
                 + "\", which is not in the list of nodes here."
             : "No node of the cluster can be reached; try again.");
    return;
  }
  std::string why = owner->unreachable_reason();
  refuse(to, id, errc::unavailable,
         "Instance \"" + id + "\" is on partition "
           + std::to_string(index_of(partition)) + ", owned by node \""
           + owner->name + "\", which cannot be reached"
           + (why.empty() ? "" : " (" + why + ")")
           + ". The request was not sent; try again when the node is back.");
}

/// Delivers the request to a local partition. Refuses it if the node is
/// starting, stopping or not admitted.
void node_router::deliver_locally(management_inbound request, partition_id to) {
  if (serves_ && is_admitted_) {
    host_.deliver(to, std::move(request));
    return;
  }
  if (serves_) {
    refuse(request.from, actors::instance_of(request.request),
           errc::unavailable, new_directory_sentence);
    return;
  }
  refuse(request.from, actors::instance_of(request.request),
         has_served_ ? errc::shutting_down : errc::unavailable,
         has_served_ ? stopping_sentence : starting_sentence);
}

/// Called when another node has accepted this node with its data directory.
/// Delivers the requests in `awaiting_admission_`, except those that their
/// callers have withdrawn.
void node_router::admit_this_node() {
  is_admitted_ = true;
  for (auto& [request, token] : std::exchange(awaiting_admission_, {}))
    if (token->begin_send()) {
      const partition_id partition
        = partition_for(actors::instance_of(request.request));
      deliver_locally(std::move(request), partition);
    }
}

void node_router::handle_request(management_inbound request,
                                 send_or_cancel_ptr token, steady_time now) {
  const instance_id& id = actors::instance_of(request.request);
  std::optional<partition_id> partition;
  if (knows_placement())
    partition = partition_for(id);
  if (partition && owns(*partition)) {
    if (token && serves_ && !is_admitted_)
      awaiting_admission_.emplace_back(std::move(request), std::move(token));
    else if (!token || token->begin_send())
      deliver_locally(std::move(request), *partition);
    return;
  }
  // The wait that is to be cancelled may be pending in this router, or may have
  // been sent to the owner of its instance.
  if (std::holds_alternative<actors::cancel_wait>(request.request)) {
    cancel(request);
    return;
  }
  // From here on the owner is another node, or is not known yet. A request
  // without a token fails at once if the owner is down or congested; a request
  // with a token is kept.
  peer* owner = partition ? owner_of(*partition) : nullptr;
  const bool is_reachable = owner != nullptr && owner->link.is_up();
  if (is_reachable && owner->link.is_congested() && !token) {
    refuse(request.from, id, errc::overloaded,
           "Node \"" + owner->name + "\" is overloaded; the request for \"" + id
             + "\" was not sent. Try again later.");
    return;
  }
  if (!is_reachable && !token) {
    refuse_unreachable(request.from, id, partition.value_or(partition_id{}));
    return;
  }
  // Keep the request until it is answered. While there is no session with the
  // owner, the request is not sent.
  const std::uint64_t number = ++last_number_;
  outgoing& one = pending_[number];
  one.from = request.from;
  one.survives_session = token != nullptr || is_wait(request.request);
  one.changes = !is_read(request.request);
  one.request = std::move(request.request);
  one.partition = partition;
  one.since = now;
  one.token = std::move(token);
  if (one.from)
    numbers_[{one.from.gateway, one.from.correlation}] = number;
  if (is_reachable)
    forward(number, one, *owner);
}

/// Sends a request to its owner. There must be a session with the owner. A
/// request that survives the session is copied, because it may have to be sent
/// again.
void node_router::forward(std::uint64_t number, outgoing& request, peer& to) {
  if (request.token && !request.token->begin_send()) {
    erase_pending(pending_.find(number)); // the caller has withdrawn it
    return;
  }
  request.sent = true;
  if (request.survives_session)
    send(to, remote_request{number, request.request});
  else
    send(to, remote_request{number, std::move(request.request)});
}

/// Sends all requests that wait for the node `to`. Called when a session with
/// the node has begun, and some time after the node has answered that it does
/// not serve now.
void node_router::forward_waiting(const peer& to) {
  std::vector<std::uint64_t> waiting;
  for (auto& [number, one] : pending_)
    if (!one.sent && owner_of(one) == &to)
      waiting.push_back(number);
  // `forward` may erase entries, so the numbers are collected first.
  for (const std::uint64_t number : waiting) {
    outgoing& one = pending_.at(number);
    forward(number, one, *owner_of(one));
  }
}

void node_router::erase_pending(
  std::map<std::uint64_t, outgoing>::iterator it) {
  numbers_.erase({it->second.from.gateway, it->second.from.correlation});
  pending_.erase(it);
}

/// Forgets the pending request that has the same reply_to as `request`, because
/// its caller no longer waits for the answer. If the request was sent, cancels
/// it on its owner, too.
void node_router::cancel(const management_inbound& request) {
  const auto known
    = numbers_.find({request.from.gateway, request.from.correlation});
  if (known == numbers_.end())
    return;
  const auto it = pending_.find(known->second);
  peer* owner = owner_of(it->second);
  if (it->second.sent && owner != nullptr && owner->link.is_up())
    send(*owner, remote_cancel{it->first});
  erase_pending(it);
}

/// Fails the queries and requests that were not answered within
/// `request_time_max`, except requests that survive their session. Both maps
/// are ordered by number, so the oldest entries come first.
void node_router::fail_overdue(steady_time now) {
  for (auto it = pending_.lower_bound(overdue_from_); it != pending_.end();) {
    const auto one = it++;
    if (now - one->second.since <= config_.request_time_max)
      break; // all later requests are younger
    overdue_from_ = one->first + 1;
    if (one->second.survives_session)
      continue; // no time-out: only an answer or `cancel` ends it
    const reply_to to = one->second.from;
    // The owner is known: a request that does not survive its session is in
    // `pending_` only after it was sent.
    const std::string who = owner_of(one->second)->name;
    const bool changes = one->second.changes;
    erase_pending(one);
    refuse(to, {}, changes ? errc::unknown_outcome : errc::unavailable,
           "Node \"" + who + "\" did not answer in time"
             + (changes ? unknown_sentence : "; try again."));
  }
  for (auto it = sent_queries_.begin(); it != sent_queries_.end();) {
    const auto one = it++;
    if (now - one->second.since <= config_.request_time_max)
      break;
    const outgoing_query late = one->second;
    sent_queries_.erase(one);
    host_.peer_query_completed(
      late.ticket, error{errc::unavailable,
                         "Node \"" + late.node + "\" did not answer in time."});
  }
}

// --- Replies -----------------------------------------------------------------

// A request of another process has the gateway number `peers_gateway_number`;
// its correlation is its key in `incoming_`.
void node_router::handle_reply(reply_to to, management_answer answer) {
  if (to.gateway != peers_gateway_number) {
    host_.answer(to, std::move(answer));
    return;
  }
  const auto it = incoming_.find(to.correlation);
  if (it == incoming_.end())
    return; // the session in which the request arrived has ended
  if (const peer_ptr from = it->second.from.lock()) {
    from->incoming.erase(it->second.number);
    send(*from, to_remote(it->second.number, answer));
  }
  incoming_.erase(it);
}

// --- Between partitions ------------------------------------------------------

void node_router::deliver_message(actors::inbound message, partition_id to) {
  if (serves_)
    host_.deliver(to, std::move(message));
  else if (!has_served_)
    before_serving_.emplace_back(to, std::move(message));
  // A node that stops drops the message. The message is not acknowledged, so
  // the sending partition repeats it after the restart.
}

void node_router::route_message(actors::partition_message message,
                                partition_id to) {
  if (owns(to)) {
    deliver_message(std::move(message), to);
    return;
  }
  // If the owner is not reachable, the message is dropped here. It stays in the
  // outbox of the sending partition until it is acknowledged.
  if (peer* owner = owner_of(to); owner != nullptr && owner->link.is_up())
    send(*owner, remote_message{message.from, to, std::move(message.message)});
}

void node_router::route_acknowledgement(actors::partition_acknowledgement note,
                                        partition_id to) {
  if (owns(to)) {
    deliver_message(note, to);
    return;
  }
  // An acknowledgement may be lost: the partition that sent the message then
  // repeats it, and the receiver acknowledges the repetition.
  if (peer* owner = owner_of(to); owner != nullptr && owner->link.is_up())
    send(*owner, remote_acknowledgement{note.from, to, note.sequence});
}

// --- Queries -----------------------------------------------------------------

void node_router::query_peer(const node_id& node, node_query query,
                             std::uint64_t ticket, steady_time now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || !found->second->link.is_up()) {
    const std::string why
      = found == nodes_.end() ? "" : found->second->unreachable_reason();
    host_.peer_query_completed(
      ticket,
      error{errc::unavailable, "Node \"" + node + "\" cannot be reached"
                                 + (why.empty() ? "." : " (" + why + ").")});
    return;
  }
  const std::uint64_t number = ++last_number_;
  sent_queries_[number] = {ticket, node, now};
  send(*found->second, remote_query{number, std::move(query)});
}

void node_router::complete_local_query(std::uint64_t ticket,
                                       result<node_query_answer> answer) {
  const auto it = local_queries_.find(ticket);
  if (it == local_queries_.end())
    return;
  const incoming_query query = it->second;
  local_queries_.erase(it);
  // The answer is sent only in the session in which the query arrived. If that
  // session has ended, the other side has failed the query already.
  const peer_ptr from = query.from.lock();
  if (!from || from->link.session() != query.session)
    return;
  remote_query_answer reply;
  reply.number = query.number;
  if (answer) {
    reply.answer = std::move(*answer);
  } else {
    reply.code = answer.error().code;
    reply.message = answer.error().message;
  }
  send(*from, reply);
}

// --- Time --------------------------------------------------------------------

// The links are checked before the request time-outs: the end of a session
// fails its requests with a message that the node was lost, which is more
// precise than the message of a time-out.
void node_router::tick(steady_time now) {
  for (const auto& [name, one] : nodes_)
    apply_outcome(one, one->link.tick(now), now);
  const auto clients = clients_; // a copy: a call may remove its client
  for (const auto& [path, one] : clients)
    apply_outcome(one, one->link.tick(now), now);
  if (forward_again_at_ && *forward_again_at_ <= now) {
    forward_again_at_.reset();
    for (const auto& [name, one] : nodes_)
      if (one->link.is_up())
        forward_waiting(*one);
  }
  fail_overdue(now);
}

steady_time node_router::wake_at() const {
  steady_time at = steady_time::max();
  for (const auto& [name, one] : nodes_)
    at = std::min(at, one->link.wake_at());
  for (const auto& [path, one] : clients_)
    at = std::min(at, one->link.wake_at());
  return at;
}

/// Notes that the peer's link may have packets. `flush` sends them at the end
/// of the batch.
void node_router::mark_for_flush(peer& has_output) {
  if (has_output.is_queued_for_flush)
    return;
  has_output.is_queued_for_flush = true;
  peers_to_flush_.push_back(&has_output);
}

void node_router::flush(steady_time now) {
  for (peer* one : std::exchange(peers_to_flush_, {})) {
    one->is_queued_for_flush = false;
    for (std::string& packet : one->link.drain_packets(now))
      if (one->path)
        host_.send(*one->path, std::move(packet));
  }
}

/// Appends an envelope to the stream of the session with `to`. The link drops
/// the envelope if there is no session.
void node_router::send(peer& to, const envelope& what) {
  to.link.send(encode_envelope(what));
  mark_for_flush(to);
}

// --- State -------------------------------------------------------------------

bool node_router::is_up(const node_id& node) const {
  const auto found = nodes_.find(node);
  return found != nodes_.end() && found->second->link.is_up();
}

std::vector<peer_report> node_router::peers(steady_time now,
                                            timestamp wall) const {
  std::vector<peer_report> all;
  for (const auto& [name, one] : nodes_) {
    peer_report report;
    report.node = name;
    report.is_up = one->link.is_up();
    // `since` is on the monotonic clock; the report needs wall-clock time.
    report.since = wall - (now - one->since);
    if (!report.is_up)
      report.why = one->unreachable_reason();
    all.push_back(std::move(report));
  }
  return all;
}

} // namespace perdura::cluster
