#include "cluster/routing/node_router.hpp"
#include "cluster/routing/router_peer.hpp"

#include <algorithm>
#include <utility>

// From other processes: paths, sessions, and what they ask and answer.

namespace perdura::cluster {

using namespace persistence;
using actors::management_inbound;
using actors::reply_to;

namespace {

// A stranger may come with ever new reasons.
constexpr std::size_t refusals_logged_max = 100;

// Before a node that says "not now" is asked again.
constexpr moment forward_again_after = std::chrono::milliseconds(500);

} // namespace

// --- Paths -------------------------------------------------------------------

void node_router::path_opened(path_id path, const node_id& node, moment now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end())
    return;
  found->second->path = path;
  paths_[path] = found->second;
  found->second->link.path_opened(now);
  happened(found->second, found->second->link.tick(now), now);
}

void node_router::path_closed(path_id path, moment now) {
  const peer_ptr at = peer_on(path);
  paths_.erase(path);
  if (!at || at->path != path)
    return; // it has come by another one since
  at->path.reset();
  happened(at, at->link.path_closed("its connection has ended"), now);
  if (clients_.erase(path) > 0)
    std::erase(marked_, at.get());
}

node_router::peer_ptr node_router::peer_on(path_id path) const {
  const auto found = paths_.find(path);
  return found == paths_.end() ? nullptr : found->second.lock();
}

void node_router::take_packet(path_id from, std::string_view bytes,
                              moment now) {
  const auto what = decode_packet(bytes);
  if (!what)
    return; // a stranger's; there is nobody to answer
  if (what->kind == packet_kind::hello) {
    take_hello(from, *what, now);
    return;
  }
  if (what->kind == packet_kind::refusal) {
    take_refusal(from, *what, now);
    return;
  }
  if (const peer_ptr at = peer_on(from))
    happened(at, at->link.take(*what, now), now);
}

// --- Who may come ------------------------------------------------------------

void node_router::take_hello(path_id from, const packet& what, moment now) {
  const auto hello = decode_hello(what.bytes);
  peer_ptr at = peer_on(from);
  if (!hello) {
    refuse_peer(from, what, at.get(),
                {hello.error().code, hello.error().message});
    return;
  }
  auto fits = check_hello(config_.self, *hello);
  // The address is another node's than the list says.
  if (fits && at && !at->name.empty() && at->name != hello->node)
    fits = error{errc::invalid_argument,
                 "At the address of node \"" + at->name + "\" is "
                   + (hello->node.empty() ? std::string("a client")
                                          : "node \"" + hello->node + "\"")
                   + "; look at the list of nodes."};
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
    at = arrive(from, *hello, now);
    if (!at)
      return;
  }
  if (config_.is_client && !knows_placement()) {
    config_.self.owners = hello->owners;
    config_.self.partition_count = hello->partition_count;
    find_owners();
  }
  at->hello = *hello;
  happened(at, at->link.take(what, now), now);
}

/// One that has come by itself: a node of the list that dials, or a client.
node_router::peer_ptr node_router::arrive(path_id from, const peer_hello& hello,
                                          moment now) {
  peer_ptr at;
  if (hello.node.empty()) {
    at = std::make_shared<peer>("", config_.times, config_.random);
    at->link.introduce(encode_hello(config_.self));
    clients_[from] = at;
  } else {
    const auto found = nodes_.find(hello.node);
    if (found == nodes_.end())
      return nullptr; // it is in the hub's list, and not in this node's
    at = found->second;
    // Not the path it came by before: that one is dead, or soon will be.
    if (at->path)
      happened(at, at->link.path_closed("it has come by another way"), now);
  }
  at->path = from;
  paths_[from] = at;
  at->link.path_opened(now);
  return at;
}

void node_router::refuse_peer(path_id path, const packet& hello, peer* known,
                              const peer_refusal& why) {
  if (known != nullptr)
    known->refused = why.why;
  if (refusals_logged_.size() < refusals_logged_max
      && refusals_logged_.insert(why.why).second)
    host_.log(4, why.why);
  packet refusal;
  refusal.kind = packet_kind::refusal;
  refusal.from = 0;
  refusal.to = hello.from;
  const std::string bytes = encode_refusal(why);
  refusal.bytes = bytes;
  host_.send(path, encode_packet(refusal));
}

void node_router::take_refusal(path_id from, const packet& what, moment now) {
  const peer_ptr at = peer_on(from);
  const auto refusal = decode_refusal(what.bytes);
  // Only an answer to a hello that this side has sent.
  if (!at || !refusal || what.to != at->link.session())
    return;
  const std::string sentence
    = (at->name.empty() ? "A client" : "Node \"" + at->name + '"')
      + " refuses this one: " + refusal->why;
  if (at->refused != sentence)
    host_.log(4, sentence);
  at->refused = sentence;
  happened(at, at->link.reset(refusal->why), now);
  // A node may say so, a client may not.
  if (refusal->must_stop && !at->name.empty())
    host_.must_stop({refusal->code, sentence});
}

// --- Sessions ----------------------------------------------------------------

void node_router::happened(const peer_ptr& at, peer_link::outcome outcome,
                           moment now) {
  mark(*at);
  if (outcome.went_down)
    went_down(at, *outcome.went_down, now);
  if (outcome.went_up)
    went_up(at, now);
  for (const std::string& bytes : outcome.messages) {
    auto what = decode_envelope(bytes);
    if (!what) {
      host_.log(3, "Node \"" + at->name + "\" has sent what is no envelope: "
                     + what.error().message);
      happened(at, at->link.reset("it sends what nobody understands"), now);
      return;
    }
    take_envelope(at, std::move(*what), now);
  }
}

void node_router::went_up(const peer_ptr& at, moment now) {
  at->since = now;
  at->why_down.clear();
  at->refused.clear();
  if (at->name.empty())
    return;
  let_in(); // as both sides have, when a session is up
  host_.met(at->hello);
  host_.log(2, "Node \"" + at->name + "\" is there.");
  forward_waiting(*at);
  if (!config_.is_client && !at->partitions.empty())
    host_.peer_returned(at->partitions);
}

void node_router::went_down(const peer_ptr& at, const std::string& why,
                            moment now) {
  at->since = now;
  at->why_down = why;
  // What it had asked here: nobody is there to be answered.
  for (const auto& [theirs, number] : std::exchange(at->incoming, {})) {
    const auto it = incoming_.find(number);
    if (it == incoming_.end())
      continue;
    const incoming_request gone = std::move(it->second);
    incoming_.erase(it);
    if (gone.is_wait && serves_)
      host_.deliver(
        place(gone.id),
        management_inbound{{peers_door, number}, actors::cancel_wait{gone.id}});
  }
  if (at->name.empty()) {
    std::erase(marked_, at.get());
    if (at->path)
      paths_.erase(*at->path);
    std::erase_if(clients_, [&](const auto& one) { return one.second == at; });
    return;
  }
  host_.lost(at->name);
  if (!closing_)
    host_.log(3, "Node \"" + at->name + "\" cannot be reached: " + why
                   + ". What it owns waits for its return.");
  fail_sent(*at);
}

/// Requests that were with a node when its session ended.
void node_router::fail_sent(peer& at) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    const auto one = it++;
    outgoing& request = one->second;
    if (!request.sent || owner_of(request) != &at)
      continue;
    if (request.is_kept) {
      request.sent = false;
      continue;
    }
    const reply_to to = request.from;
    const bool changes = request.changes;
    forget(one);
    refuse(to, {}, changes ? errc::unknown_outcome : errc::unavailable,
           "Node \"" + at.name + "\" was lost before it answered"
             + (changes ? unknown_sentence : "; try again when it is back."));
  }
  for (auto it = asked_.begin(); it != asked_.end();) {
    const auto one = it++;
    if (one->second.node != at.name)
      continue;
    const std::uint64_t ticket = one->second.ticket;
    asked_.erase(one);
    host_.answered(
      ticket, error{errc::unavailable,
                    "Node \"" + at.name + "\" was lost before it answered."});
  }
}

// --- What they say -----------------------------------------------------------

void node_router::take_envelope(const peer_ptr& from, envelope what,
                                moment now) {
  std::visit([&](auto& x) { take(from, x, now); }, what);
}

void node_router::take(const peer_ptr& from, remote_request& x, moment) {
  const instance_id id = actors::instance_of(x.request);
  const partition_id partition = place(id);
  // A client may have come before any node: that lets nobody in.
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
  host_.deliver(partition,
                management_inbound{{peers_door, number}, std::move(x.request)});
}

void node_router::take(const peer_ptr& from, remote_cancel& x, moment) {
  const auto known = from->incoming.find(x.number);
  if (known == from->incoming.end())
    return; // answered meanwhile
  const std::uint64_t number = known->second;
  from->incoming.erase(known);
  const auto it = incoming_.find(number);
  const incoming_request gone = std::move(it->second);
  incoming_.erase(it);
  if (gone.is_wait && serves_)
    host_.deliver(
      place(gone.id),
      management_inbound{{peers_door, number}, actors::cancel_wait{gone.id}});
}

void node_router::take(const peer_ptr& from, remote_answer& x, moment now) {
  const auto it = pending_.find(x.number);
  if (it == pending_.end() || !it->second.sent
      || owner_of(it->second) != from.get())
    return;
  // It is on its way out, or not quite there: nothing was done.
  if (x.code == errc::shutting_down || x.code == errc::unavailable) {
    if (it->second.is_kept) {
      it->second.sent = false;
      forward_again_at_ = now + forward_again_after;
      return;
    }
    x.code = errc::unavailable;
  }
  const reply_to to = it->second.from;
  forget(it);
  if (to)
    host_.answer(to, to_local(std::move(x)));
}

void node_router::take(const peer_ptr& from, remote_message& x, moment) {
  // Each partition speaks through its owner.
  if (owns(x.to) && owner_of(x.from) == from.get())
    deliver_message(actors::partition_message{x.from, std::move(x.message)},
                    x.to);
}

void node_router::take(const peer_ptr& from, remote_acknowledgement& x,
                       moment) {
  if (owns(x.to) && owner_of(x.from) == from.get())
    deliver_message(actors::partition_acknowledgement{x.from, x.sequence},
                    x.to);
}

void node_router::take(const peer_ptr& from, remote_question& x, moment) {
  const std::uint64_t ticket = ++last_number_;
  looking_up_[ticket] = {from, from->link.session(), x.number};
  host_.look_up(ticket, std::move(x.asked));
}

void node_router::take(const peer_ptr& from, remote_reply& x, moment) {
  const auto it = asked_.find(x.number);
  if (it == asked_.end() || it->second.node != from->name)
    return;
  const std::uint64_t ticket = it->second.ticket;
  asked_.erase(it);
  if (x.code != errc::ok)
    host_.answered(ticket, error{x.code, x.message});
  else
    host_.answered(ticket, std::move(x.answer));
}

} // namespace perdura::cluster
