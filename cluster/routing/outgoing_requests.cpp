// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/outgoing_requests.hpp"

#include <utility>

namespace perdura::cluster {

using namespace persistence;
using actors::management_answer;
using actors::management_inbound;
using actors::reply_to;

namespace {

constexpr const char* starting_sentence
  = "The node is starting; try again soon.";

/// The end of the error message of a request whose outcome is unknown.
constexpr const char* unknown_sentence
  = "; the request may or may not have been carried out. A repeat with the "
    "same request_id is safe.";

// If a node answers that it does not serve now, the waiting requests are sent
// to it again after this time.
constexpr steady_time forward_again_after = std::chrono::milliseconds(500);

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

/// The owner of the request's instance. Null if the placement is not known yet,
/// if the owner is this node, or if the owner is not a known peer. The
/// partition is stored in the `outgoing` object, because the instance ID is no
/// longer available after the request has been moved from.
router_peer* outgoing_requests::owner_of(outgoing& request) const {
  if (!request.partition && owners_.is_known())
    request.partition
      = owners_.partition_for(actors::instance_of(request.request));
  return request.partition ? owners_.owner_of(*request.partition) : nullptr;
}

// --- Requests ----------------------------------------------------------------

/// Answers a request of this process with an error. Does nothing if the request
/// wants no answer.
void outgoing_requests::refuse(reply_to to, const instance_id& id, errc code,
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
void outgoing_requests::refuse_unreachable(reply_to to, const instance_id& id,
                                           partition_id partition) {
  const router_peer* owner = owners_.owner_of(partition);
  if (owner == nullptr) {
    refuse(to, id, errc::unavailable,
           owners_.is_known()
             ? "Instance \"" + id + "\" is owned by node \""
                 + owners_.owners().owner_of(partition)
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
void outgoing_requests::deliver_locally(management_inbound request,
                                        partition_id to) {
  if (state_.serves && state_.is_admitted) {
    host_.deliver(to, std::move(request));
    return;
  }
  if (state_.serves) {
    refuse(request.from, actors::instance_of(request.request),
           errc::unavailable, state_.why_not_admitted);
    return;
  }
  refuse(request.from, actors::instance_of(request.request),
         state_.has_served ? errc::shutting_down : errc::unavailable,
         state_.has_served ? stopping_sentence : starting_sentence);
}

void outgoing_requests::deliver_admitted() {
  for (auto& [request, token] : std::exchange(awaiting_admission_, {}))
    if (token->begin_send()) {
      const partition_id partition
        = owners_.partition_for(actors::instance_of(request.request));
      deliver_locally(std::move(request), partition);
    }
}

void outgoing_requests::submit(management_inbound request,
                               send_or_cancel_ptr token, steady_time now) {
  const instance_id& id = actors::instance_of(request.request);
  std::optional<partition_id> partition;
  if (owners_.is_known())
    partition = owners_.partition_for(id);
  if (partition && owners_.owns(*partition)) {
    if (token && state_.serves && !state_.is_admitted)
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
  router_peer* owner = partition ? owners_.owner_of(*partition) : nullptr;
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
/// request that survives the session is moved back after it has been encoded,
/// because it may have to be sent again.
void outgoing_requests::forward(std::uint64_t number, outgoing& request,
                                router_peer& to) {
  if (request.token && !request.token->begin_send()) {
    erase(pending_.find(number)); // the caller has withdrawn it
    return;
  }
  request.sent = true;
  envelope sent = remote_request{number, std::move(request.request)};
  sessions_.send(to, sent);
  if (request.survives_session)
    request.request = std::move(std::get<remote_request>(sent).request);
}

void outgoing_requests::forward_waiting(const router_peer& to) {
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

void outgoing_requests::erase(by_number::iterator it) {
  numbers_.erase({it->second.from.gateway, it->second.from.correlation});
  pending_.erase(it);
}

/// Forgets the pending request that has the same reply_to as `request`, because
/// its caller no longer waits for the answer. If the request was sent, cancels
/// it on its owner, too.
void outgoing_requests::cancel(const management_inbound& request) {
  const auto known
    = numbers_.find({request.from.gateway, request.from.correlation});
  if (known == numbers_.end())
    return;
  const auto it = pending_.find(known->second);
  router_peer* owner = owner_of(it->second);
  if (it->second.sent && owner != nullptr && owner->link.is_up())
    sessions_.send(*owner, remote_cancel{it->first});
  erase(it);
}

/// Removes a request that was sent, and answers it with an error. `what` is the
/// beginning of the message. `advice` ends it if the request changes nothing.
void outgoing_requests::fail(by_number::iterator it, const std::string& what,
                             const char* advice) {
  const reply_to to = it->second.from;
  const bool changes = it->second.changes;
  erase(it);
  refuse(to, {}, changes ? errc::unknown_outcome : errc::unavailable,
         what + (changes ? unknown_sentence : advice));
}

/// Fails the requests that were not answered within `request_time_max`, except
/// requests that survive their session.
void outgoing_requests::fail_overdue(steady_time now) {
  for (auto it = pending_.lower_bound(overdue_from_); it != pending_.end();) {
    const auto one = it++;
    if (now - one->second.since <= config_.request_time_max)
      break; // all later requests are younger
    overdue_from_ = one->first + 1;
    if (one->second.survives_session)
      continue; // no time-out: only an answer or `cancel` ends it
    // The owner is known: a request that does not survive its session is in
    // `pending_` only after it was sent.
    fail(one,
         "Node \"" + owner_of(one->second)->name + "\" did not answer in time",
         "; try again.");
  }
}

// --- Events ------------------------------------------------------------------

void outgoing_requests::session_ended(const router_peer& at) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    const auto one = it++;
    outgoing& request = one->second;
    if (!request.sent || owner_of(request) != &at)
      continue;
    if (request.survives_session)
      request.sent = false;
    else
      fail(one, "Node \"" + at.name + "\" was lost before it answered",
           "; try again when it is back.");
  }
}

void outgoing_requests::answered(const router_peer& from, remote_answer answer,
                                 steady_time now) {
  // The request may have been cancelled or have timed out. An answer from a
  // node that is not the owner is ignored.
  const auto it = pending_.find(answer.number);
  if (it == pending_.end() || !it->second.sent || owner_of(it->second) != &from)
    return;
  // With these codes the node reports that it stops or is not ready, and that
  // it has done nothing. A request that survives its session is sent again.
  if (answer.code == errc::shutting_down || answer.code == errc::unavailable) {
    if (it->second.survives_session) {
      it->second.sent = false;
      forward_again_at_ = now + forward_again_after;
      return;
    }
    answer.code = errc::unavailable;
  }
  const reply_to to = it->second.from;
  erase(it);
  if (to)
    host_.answer(to, to_local(std::move(answer)));
}

void outgoing_requests::tick(steady_time now) {
  if (forward_again_at_ && *forward_again_at_ <= now) {
    forward_again_at_.reset();
    for (const auto& [name, one] : sessions_.nodes())
      if (one->link.is_up())
        forward_waiting(*one);
  }
  fail_overdue(now);
}

} // namespace perdura::cluster
