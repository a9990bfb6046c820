#include "cluster/routing/node_router.hpp"

#include "cluster/routing/router_peer.hpp"

#include <algorithm>
#include <utility>

// From this process: requests, replies, messages between partitions.

namespace perdura::cluster {

using namespace persistence;
using actors::management_answer;
using actors::management_inbound;
using actors::reply_to;

namespace {

constexpr const char* stopping_sentence
  = "This node is stopping; ask again when it is back.";
constexpr const char* starting_sentence
  = "The node is starting; try again soon.";

bool is_wait(const actors::management_request& request) {
  return std::holds_alternative<actors::wait_instance>(request);
}

/// It changes nothing: an answer that is lost is no harm.
bool is_read(const actors::management_request& request) {
  return is_wait(request)
         || std::holds_alternative<actors::get_status>(request);
}

} // namespace

node_router::node_router(router_config config, router_host& host)
  : config_(std::move(config)), host_(host) {
  for (const node_id& name : config_.peers) {
    auto one = std::make_shared<peer>(name, config_.times, config_.random);
    one->link.introduce(encode_hello(config_.self));
    nodes_.emplace(name, std::move(one));
  }
  is_admitted_ = !config_.must_be_admitted;
  find_owners();
}

node_router::~node_router() = default;

/// After the placement has become known.
void node_router::find_owners() {
  const placement& owners = config_.self.owners;
  owners_.assign(owners.owners.size(), nullptr);
  own_.assign(owners.owners.size(), false);
  for (std::uint32_t i = 0; i < owners.owners.size(); ++i) {
    const node_id& name = owners.owner_of(partition_id{i});
    own_[i] = !config_.is_client && name == config_.self.node;
    const auto found = nodes_.find(name);
    if (own_[i] || found == nodes_.end())
      continue;
    owners_[i] = found->second.get();
    found->second->partitions.push_back(partition_id{i});
  }
}

void node_router::serve(bool serves) {
  serves_ = serves;
  has_served_ |= serves;
  for (auto& [to, message] : std::exchange(early_, {}))
    deliver_message(std::move(message), to);
}

void node_router::close(moment now) {
  closing_ = true;
  serve(false);
  for (const auto& [name, one] : nodes_) {
    one->path.reset();
    happened(one, one->link.path_closed(stopping_sentence), now);
  }
  const auto clients = clients_; // they go one by one
  for (const auto& [path, one] : clients)
    happened(one, one->link.path_closed(stopping_sentence), now);
}

bool node_router::owns(partition_id partition) const {
  return index_of(partition) < own_.size() && own_[index_of(partition)];
}

node_router::peer* node_router::owner_of(partition_id partition) const {
  return index_of(partition) < owners_.size() ? owners_[index_of(partition)]
                                              : nullptr;
}

partition_id node_router::place(const instance_id& id) const {
  return config_.partition_of(id, config_.self.partition_count);
}

/// Null: not known yet. What has been sent has its place.
node_router::peer* node_router::owner_of(outgoing& request) const {
  if (!request.partition && knows_placement())
    request.partition = place(actors::instance_of(request.request));
  return request.partition ? owner_of(*request.partition) : nullptr;
}

// --- Requests ----------------------------------------------------------------

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

void node_router::refuse_away(reply_to to, const instance_id& id,
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
  std::string why = owner->away_because();
  refuse(to, id, errc::unavailable,
         "Instance \"" + id + "\" is on partition "
           + std::to_string(index_of(partition)) + ", owned by node \""
           + owner->name + "\", which cannot be reached"
           + (why.empty() ? "" : " (" + why + ")")
           + ". It was not asked; try again when the node is back.");
}

void node_router::deliver_own(management_inbound request, partition_id to) {
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

/// Another node has met this one and its directory.
void node_router::let_in() {
  is_admitted_ = true;
  for (auto& [request, claim] : std::exchange(not_yet_, {}))
    if (claim->send()) {
      const partition_id partition
        = place(actors::instance_of(request.request));
      deliver_own(std::move(request), partition);
    }
}

void node_router::take_request(management_inbound request, claim_ptr claim,
                               moment now) {
  const instance_id& id = actors::instance_of(request.request);
  std::optional<partition_id> partition;
  if (knows_placement())
    partition = place(id);
  if (partition && owns(*partition)) {
    if (claim && serves_ && !is_admitted_)
      not_yet_.emplace_back(std::move(request), std::move(claim));
    else if (!claim || claim->send())
      deliver_own(std::move(request), *partition);
    return;
  }
  if (std::holds_alternative<actors::cancel_wait>(request.request)) {
    cancel(request);
    return;
  }
  peer* owner = partition ? owner_of(*partition) : nullptr;
  const bool is_there = owner != nullptr && owner->link.is_up();
  if (is_there && owner->link.is_crowded() && !claim) {
    refuse(request.from, id, errc::overloaded,
           "Node \"" + owner->name + "\" does not keep up; \"" + id
             + "\" was not asked. Try again.");
    return;
  }
  if (!is_there && !claim) {
    refuse_away(request.from, id, partition.value_or(partition_id{}));
    return;
  }
  const std::uint64_t number = ++last_number_;
  outgoing& one = pending_[number];
  one.from = request.from;
  one.is_kept = claim != nullptr || is_wait(request.request);
  one.changes = !is_read(request.request);
  one.request = std::move(request.request);
  one.partition = partition;
  one.since = now;
  one.claim = std::move(claim);
  if (one.from)
    numbers_[{one.from.door, one.from.correlation}] = number;
  if (is_there)
    forward(number, one, *owner);
}

void node_router::forward(std::uint64_t number, outgoing& request, peer& to) {
  if (request.claim && !request.claim->send()) {
    forget(pending_.find(number)); // taken back; nobody waits
    return;
  }
  request.sent = true;
  if (request.is_kept)
    send(to, remote_request{number, request.request});
  else
    send(to, remote_request{number, std::move(request.request)});
}

/// Its session has begun, or it has said "not yet": what waits goes now.
void node_router::forward_waiting(const peer& to) {
  std::vector<std::uint64_t> waiting;
  for (auto& [number, one] : pending_)
    if (!one.sent && owner_of(one) == &to)
      waiting.push_back(number);
  for (const std::uint64_t number : waiting) {
    outgoing& one = pending_.at(number);
    forward(number, one, *owner_of(one));
  }
}

void node_router::forget(std::map<std::uint64_t, outgoing>::iterator it) {
  numbers_.erase({it->second.from.door, it->second.from.correlation});
  pending_.erase(it);
}

/// Nobody waits any more for what was asked with this reply_to.
void node_router::cancel(const management_inbound& request) {
  const auto known
    = numbers_.find({request.from.door, request.from.correlation});
  if (known == numbers_.end())
    return;
  const auto it = pending_.find(known->second);
  peer* owner = owner_of(it->second);
  if (it->second.sent && owner != nullptr && owner->link.is_up())
    send(*owner, remote_cancel{it->first});
  forget(it);
}

void node_router::fail_overdue(moment now) {
  for (auto it = pending_.lower_bound(overdue_from_); it != pending_.end();) {
    const auto one = it++;
    if (now - one->second.since <= config_.request_time_max)
      break; // the oldest come first
    overdue_from_ = one->first + 1;
    if (one->second.is_kept)
      continue; // its caller decides how long
    const reply_to to = one->second.from;
    const std::string who = owner_of(one->second)->name; // it was sent
    const bool changes = one->second.changes;
    forget(one);
    refuse(to, {}, changes ? errc::unknown_outcome : errc::unavailable,
           "Node \"" + who + "\" did not answer in time"
             + (changes ? unknown_sentence : "; try again."));
  }
  for (auto it = asked_.begin(); it != asked_.end();) {
    const auto one = it++;
    if (now - one->second.since <= config_.request_time_max)
      break;
    const outgoing_question late = one->second;
    asked_.erase(one);
    host_.answered(late.ticket,
                   error{errc::unavailable,
                         "Node \"" + late.node + "\" did not answer in time."});
  }
}

// --- Replies -----------------------------------------------------------------

void node_router::take_reply(reply_to to, management_answer answer) {
  if (to.door != peers_door) {
    host_.answer(to, std::move(answer));
    return;
  }
  const auto it = incoming_.find(to.correlation);
  if (it == incoming_.end())
    return; // its session has ended
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
    early_.emplace_back(to, std::move(message));
  // A node that stops takes nothing; it is all sent again at its return.
}

void node_router::take_message(actors::partition_message message,
                               partition_id to) {
  if (owns(to)) {
    deliver_message(std::move(message), to);
    return;
  }
  // What is lost here stands in the outbox until it is acknowledged.
  if (peer* owner = owner_of(to); owner != nullptr && owner->link.is_up())
    send(*owner, remote_message{message.from, to, std::move(message.message)});
}

void node_router::take_acknowledgement(actors::partition_acknowledgement note,
                                       partition_id to) {
  if (owns(to)) {
    deliver_message(note, to);
    return;
  }
  if (peer* owner = owner_of(to); owner != nullptr && owner->link.is_up())
    send(*owner, remote_acknowledgement{note.from, to, note.sequence});
}

// --- Questions ---------------------------------------------------------------

void node_router::ask(const node_id& node, question asked, std::uint64_t ticket,
                      moment now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || !found->second->link.is_up()) {
    const std::string why
      = found == nodes_.end() ? "" : found->second->away_because();
    host_.answered(ticket, error{errc::unavailable,
                                 "Node \"" + node + "\" cannot be reached"
                                   + (why.empty() ? "." : " (" + why + ").")});
    return;
  }
  const std::uint64_t number = ++last_number_;
  asked_[number] = {ticket, node, now};
  send(*found->second, remote_question{number, std::move(asked)});
}

void node_router::looked_up(std::uint64_t ticket,
                            result<question_answer> answer) {
  const auto it = looking_up_.find(ticket);
  if (it == looking_up_.end())
    return;
  const incoming_question asked = it->second;
  looking_up_.erase(it);
  const peer_ptr from = asked.from.lock();
  if (!from || from->link.session() != asked.session)
    return;
  remote_reply reply;
  reply.number = asked.number;
  if (answer) {
    reply.answer = std::move(*answer);
  } else {
    reply.code = answer.error().code;
    reply.message = answer.error().message;
  }
  send(*from, reply);
}

// --- Time --------------------------------------------------------------------

void node_router::tick(moment now) {
  for (const auto& [name, one] : nodes_)
    happened(one, one->link.tick(now), now);
  const auto clients = clients_; // one may go
  for (const auto& [path, one] : clients)
    happened(one, one->link.tick(now), now);
  if (forward_again_at_ && *forward_again_at_ <= now) {
    forward_again_at_.reset();
    for (const auto& [name, one] : nodes_)
      if (one->link.is_up())
        forward_waiting(*one);
  }
  fail_overdue(now);
}

moment node_router::wake_at() const {
  moment at = moment::max();
  for (const auto& [name, one] : nodes_)
    at = std::min(at, one->link.wake_at());
  for (const auto& [path, one] : clients_)
    at = std::min(at, one->link.wake_at());
  return at;
}

void node_router::mark(peer& has_output) {
  if (has_output.is_marked)
    return;
  has_output.is_marked = true;
  marked_.push_back(&has_output);
}

void node_router::flush(moment now) {
  for (peer* one : std::exchange(marked_, {})) {
    one->is_marked = false;
    for (std::string& packet : one->link.take_packets(now))
      if (one->path)
        host_.send(*one->path, std::move(packet));
  }
}

void node_router::send(peer& to, const envelope& what) {
  to.link.send(encode_envelope(what));
  mark(to);
}

// --- What is known -----------------------------------------------------------

bool node_router::is_up(const node_id& node) const {
  const auto found = nodes_.find(node);
  return found != nodes_.end() && found->second->link.is_up();
}

std::vector<peer_report> node_router::peers(moment now, timestamp wall) const {
  std::vector<peer_report> all;
  for (const auto& [name, one] : nodes_) {
    peer_report report;
    report.node = name;
    report.is_up = one->link.is_up();
    report.since = wall - (now - one->since);
    if (!report.is_up)
      report.why = one->away_because();
    all.push_back(std::move(report));
  }
  return all;
}

} // namespace perdura::cluster
