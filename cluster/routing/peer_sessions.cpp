// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/peer_sessions.hpp"

#include "cluster/placement/known_peer.hpp"

#include <algorithm>
#include <utility>

namespace perdura::cluster {

using namespace persistence;

namespace {

// The number of different refusals that are logged. The limit is needed because
// an unauthenticated peer can cause any number of different refusals.
constexpr std::size_t different_refusals_max = 100;

/// A refusal until the earlier process of a node has ended is not an error.
log_level level_of(const peer_refusal& refusal) {
  return refusal.code == errc::unavailable ? log_level::warning
                                           : log_level::error;
}

} // namespace

peer_sessions::peer_sessions(const router_config& config, router_host& host,
                             owner_table& owners, session_listener& listener)
  : config_(config), host_(host), owners_(owners), listener_(listener) {
  for (const node_id& name : config_.peers) {
    auto one
      = std::make_shared<router_peer>(name, config_.times, config_.random);
    one->link.set_hello(encode_hello(config_.self));
    nodes_.emplace(name, std::move(one));
  }
  owners_.set(config_.self.owners, config_.self.partition_count, nodes_);
}

// --- Paths -------------------------------------------------------------------

void peer_sessions::path_opened(path_id path, const node_id& node,
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

void peer_sessions::path_closed(path_id path, steady_time now) {
  const peer_ptr at = peer_on(path);
  paths_.erase(path);
  certificates_.erase(path);
  if (!at || at->path != path)
    return; // the peer has another path by now
  at->path.reset();
  apply_outcome(at, at->link.path_closed("its connection has ended"), now);
  if (clients_.erase(path) > 0)
    std::erase(to_flush_, at.get());
}

void peer_sessions::path_certified(path_id path, peer_certificate certificate) {
  certificates_.insert_or_assign(path, std::move(certificate));
}

peer_ptr peer_sessions::peer_on(path_id path) const {
  const auto found = paths_.find(path);
  return found == paths_.end() ? nullptr : found->second.lock();
}

void peer_sessions::receive_packet(path_id from, std::string_view bytes,
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

/// Checks a hello in this order: its encoding, whether the peer may have the
/// name in it (its certificate), whether the peer belongs to the same cluster,
/// whether it is the node that is expected at this address, whether another
/// process with its name is connected, and whether it continues what is
/// recorded for its data directory. If a check fails, the peer is
/// refused and the later checks are left out. If all checks succeed, the link
/// handles the hello.
void peer_sessions::handle_hello(path_id from, const packet& what,
                                 steady_time now) {
  const auto hello = decode_hello(what.bytes);
  peer_ptr at = peer_on(from);
  if (!hello) {
    refuse_peer(from, what, at.get(),
                {hello.error().code, hello.error().message});
    return;
  }
  const auto certificate = certificates_.find(from);
  auto fits = certificate == certificates_.end()
                ? result<void>()
                : check_certificate(certificate->second, *hello);
  if (fits)
    fits = check_hello(config_.self, *hello);
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
  if (router_peer* const named = find(hello->node);
      named != nullptr && named->exclusion
      && named->excluded_run == hello->run) {
    refuse_peer(from, what, named, *named->exclusion);
    return;
  }
  if (const auto rival = check_rival(*hello, now)) {
    refuse_peer(from, what, find(hello->node), *rival);
    return;
  }
  if (!hello->node.empty() && config_.admit)
    if (auto known = config_.admit(*hello); !known) {
      // If only the record of the node cannot be written, the node is sound.
      refuse_peer(from, what, at.get(),
                  {known.error().code, known.error().message,
                   known.error().code == errc::storage_foreign});
      return;
    }
  if (!at) {
    at = attach_peer(from, *hello, now);
    if (!at)
      return;
  }
  // A client learns the placement from the first node that it reaches.
  if (config_.is_client && !owners_.is_known())
    owners_.set(hello->owners, hello->partition_count, nodes_);
  at->hello = *hello;
  apply_outcome(at, at->link.receive(what, now), now);
}

/// Refuses a hello with the name of a node with which there is a session, if
/// it is from another process. After a restart of the node, its old session
/// ends within `silence_max`, and the next hello is accepted. If instead a
/// packet of the old process arrives later than that, both processes run, on
/// two copies of one data directory: the second one must stop.
std::optional<peer_refusal> peer_sessions::check_rival(const peer_hello& hello,
                                                       steady_time now) {
  router_peer* const known = find(hello.node);
  if (known == nullptr || !known->link.is_up() || known->hello.run == hello.run)
    return {};
  // The process on another directory must stop at once.
  if (known->hello.directory != hello.directory) {
    const known_peer connected = continue_peer(nullptr, known->hello).value();
    if (const auto next = continue_peer(&connected, hello); !next)
      return peer_refusal{next.code(), next.error().message, true};
  }
  if (known->rival_run != hello.run) {
    known->rival_run = hello.run;
    known->rival_since = now;
  }
  const bool both_run = known->link.last_heard_at()
                        > known->rival_since + config_.times.silence_max;
  return peer_refusal{
    both_run ? errc::storage_foreign : errc::unavailable,
    "Node \"" + hello.node + "\" is connected from another process (start "
      + std::to_string(known->hello.start_number)
      + " of its data directory); this is start "
      + std::to_string(hello.start_number)
      + " of the same one or of a copy. If two copies are in use, keep the one "
        "that is connected and remove the other; to move the node to the "
        "copy, stop the node first.",
    both_run};
}

/// Assigns a path that the other side has opened to its peer: a node of the
/// list or a new client. Null if the node is not in this node's list.
peer_ptr peer_sessions::attach_peer(path_id from, const peer_hello& hello,
                                    steady_time now) {
  peer_ptr at;
  if (hello.node.empty()) {
    at = std::make_shared<router_peer>("", config_.times, config_.random);
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
void peer_sessions::refuse_peer(path_id path, const packet& hello,
                                router_peer* known, const peer_refusal& why) {
  if (known != nullptr)
    known->refused = why.why;
  if (refusals_logged_.size() < different_refusals_max
      && refusals_logged_.insert(why.why).second)
    host_.log(level_of(why), why.why);
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

void peer_sessions::exclude(router_peer& peer, peer_refusal why,
                            steady_time now) {
  // A refusal names the session of the hello that it answers; the other side
  // compares it with its own number, which it gave in its hello.
  packet hello;
  hello.kind = packet_kind::hello;
  hello.from = peer.link.remote_session();
  if (peer.path)
    refuse_peer(*peer.path, hello, &peer, why);
  peer.refused = why.why;
  peer.exclusion = std::move(why);
  peer.excluded_run = peer.hello.run;
  apply_outcome(nodes_.at(peer.name),
                peer.link.reset("its data directory is not consistent with "
                                "that of this node"),
                now);
}

/// Handles a refusal that the other side has sent: ends the session, if there
/// is one. The link continues to send hellos, so that a session begins once the
/// reason for the refusal has been removed.
void peer_sessions::handle_refusal(path_id from, const packet& what,
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
  const bool is_new = at->refused != sentence;
  if (is_new)
    host_.log(level_of(*refusal), sentence);
  at->refused = sentence;
  // `unavailable` means that another process with the name of this node is
  // connected; it may run on a copy of the directory.
  if (!at->name.empty()
      && (refusal->must_stop || refusal->code == errc::unavailable)) {
    at->refuses_directory = true;
    if (is_new)
      listener_.directory_refused(sentence);
  }
  apply_outcome(at, at->link.reset(refusal->why), now);
  // A client must not be able to stop this node.
  if (refusal->must_stop && !at->name.empty())
    host_.must_stop({refusal->code, sentence});
}

// --- Sessions ----------------------------------------------------------------

/// Handles an outcome of the peer's link. The order is: the end of a session,
/// the beginning of the next session, and the messages that were received in
/// the session.
void peer_sessions::apply_outcome(const peer_ptr& at,
                                  peer_link::outcome outcome, steady_time now) {
  mark_for_flush(*at);
  if (outcome.session_ended) {
    at->since = now;
    at->why_down = *outcome.session_ended;
    listener_.session_ended(at, *outcome.session_ended);
    if (at->name.empty())
      forget_client(at);
  }
  if (outcome.session_began) {
    at->since = now;
    at->why_down.clear();
    at->refused.clear();
    at->refuses_directory = false;
    at->rival_run.clear();
    listener_.session_began(at);
  }
  for (const std::string& bytes : outcome.messages) {
    auto what = decode_envelope(bytes);
    if (!what) {
      host_.log(log_level::warning,
                "Node \"" + at->name
                  + "\" has sent an invalid message: " + what.error().message);
      apply_outcome(at, at->link.reset("it has sent an invalid message"), now);
      return;
    }
    listener_.received(at, std::move(*what), now);
  }
}

/// Forgets a client after the end of its session. If the client returns, it is
/// a new peer.
void peer_sessions::forget_client(const peer_ptr& at) {
  std::erase(to_flush_, at.get());
  if (at->path)
    paths_.erase(*at->path);
  std::erase_if(clients_, [&](const auto& one) { return one.second == at; });
}

// --- Output and time ---------------------------------------------------------

void peer_sessions::send(router_peer& to, const envelope& what) {
  to.link.send(encode_envelope(what));
  mark_for_flush(to);
}

/// Notes that the peer's link may have packets. `flush` sends them at the end
/// of the batch.
void peer_sessions::mark_for_flush(router_peer& has_output) {
  if (has_output.is_queued_for_flush)
    return;
  has_output.is_queued_for_flush = true;
  to_flush_.push_back(&has_output);
}

void peer_sessions::flush(steady_time now) {
  for (router_peer* one : std::exchange(to_flush_, {})) {
    one->is_queued_for_flush = false;
    for (std::string& packet : one->link.drain_packets(now))
      if (one->path)
        host_.send(*one->path, std::move(packet));
  }
}

void peer_sessions::tick(steady_time now) {
  for (const auto& [name, one] : nodes_)
    apply_outcome(one, one->link.tick(now), now);
  const auto clients = clients_; // a copy: a call may remove its client
  for (const auto& [path, one] : clients)
    apply_outcome(one, one->link.tick(now), now);
}

steady_time peer_sessions::wake_at() const {
  steady_time at = steady_time::max();
  for (const auto& [name, one] : nodes_)
    at = std::min(at, one->link.wake_at());
  for (const auto& [path, one] : clients_)
    at = std::min(at, one->link.wake_at());
  return at;
}

void peer_sessions::close(const std::string& why, steady_time now) {
  for (const auto& [name, one] : nodes_) {
    one->path.reset();
    apply_outcome(one, one->link.path_closed(why), now);
  }
  const auto clients = clients_; // a copy: each call removes its client
  for (const auto& [path, one] : clients)
    apply_outcome(one, one->link.path_closed(why), now);
}

bool peer_sessions::is_refused() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& one) {
    return one.second->refuses_directory;
  });
}

router_peer* peer_sessions::find(const node_id& node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : found->second.get();
}

} // namespace perdura::cluster
