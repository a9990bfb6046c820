// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/node_router.hpp"

#include <utility>

namespace perdura::cluster {

using namespace persistence;

node_router::node_router(router_config config, router_host& host)
  : config_(std::move(config)),
    host_(host),
    owners_(config_.partition_of, config_.self.node, config_.is_client),
    sessions_(config_, host_, owners_, *this),
    outgoing_(config_, host_, state_, owners_, sessions_),
    incoming_(config_, host_, state_, owners_, sessions_),
    mail_(host_, state_, owners_, sessions_),
    queries_(config_, host_, sessions_) {
  state_.is_admitted
    = !config_.must_be_admitted && config_.admission_wait == steady_time{};
  state_.why_not_admitted
    = config_.must_be_admitted ? new_directory_sentence : restarted_sentence;
}

void node_router::serve(bool serves) {
  state_.serves = serves;
  state_.has_served |= serves;
  mail_.serving_changed();
}

void node_router::close(steady_time now) {
  state_.closing = true;
  serve(false);
  sessions_.close(stopping_sentence, now);
}

// --- From this process -------------------------------------------------------

void node_router::handle_request(actors::management_inbound request,
                                 send_or_cancel_ptr token, steady_time now) {
  outgoing_.submit(std::move(request), std::move(token), now);
}

void node_router::handle_reply(actors::reply_to to,
                               actors::management_answer answer) {
  if (to.gateway == peers_gateway_number)
    incoming_.answer(to.correlation, answer);
  else
    host_.answer(to, std::move(answer));
}

void node_router::route_message(actors::partition_message message,
                                partition_id to) {
  mail_.route(std::move(message), to);
}

void node_router::route_acknowledgement(actors::partition_acknowledgement note,
                                        partition_id to) {
  mail_.route(note, to);
}

void node_router::end_inconsistent_session(
  const actors::pair_disagreement& found, steady_time now) {
  router_peer* const owner = owners_.owner_of(found.other);
  // The statement may be of a session, or of a process, that has ended: another
  // process may use another directory, or the adopted one.
  if (owner == nullptr || !owner->link.is_up() || owner->hello.run != found.run)
    return;
  const std::string older
    = found.this_is_older ? config_.self.node : owner->name;
  const std::string sentence
    = "Node \"" + older
      + "\" runs on an older copy of its data directory: " + found.why
      + ". Start it with its newest directory. If that is lost for good, run "
        "`perdura hub adopt DIR --accept-loss` on this one: the cluster then "
        "accepts it, without the data that it lacks.";
  sessions_.exclude(
    *owner, {errc::storage_foreign, sentence, !found.this_is_older}, now);
  if (found.this_is_older)
    host_.must_stop({errc::storage_foreign, sentence});
}

void node_router::query_peer(const node_id& node, node_query query,
                             std::uint64_t ticket, steady_time now) {
  queries_.send(node, std::move(query), ticket, now);
}

void node_router::complete_local_query(std::uint64_t ticket,
                                       result<node_query_answer> answer) {
  queries_.complete_local(ticket, std::move(answer));
}

// --- From the transport ------------------------------------------------------

void node_router::path_opened(path_id path, const node_id& node,
                              steady_time now) {
  sessions_.path_opened(path, node, now);
}

void node_router::path_closed(path_id path, steady_time now) {
  sessions_.path_closed(path, now);
}

void node_router::path_certified(path_id path, peer_certificate certificate) {
  sessions_.path_certified(path, std::move(certificate));
}

void node_router::receive_packet(path_id from, std::string_view bytes,
                                 steady_time now) {
  sessions_.receive_packet(from, bytes, now);
}

// --- Sessions ----------------------------------------------------------------

/// If the peer is a node, this node counts as admitted, the host is informed,
/// the requests that wait for the peer are sent, and the local partitions
/// repeat their messages to the peer. If the peer is a client, nothing is done.
void node_router::session_began(const peer_ptr& with) {
  if (with->name.empty())
    return;
  state_.is_admitted = true;
  outgoing_.deliver_admitted();
  host_.peer_connected(with->hello);
  host_.log(log_level::info, "Node \"" + with->name + "\" is connected.");
  outgoing_.forward_waiting(*with);
  if (!config_.is_client && !with->partitions.empty())
    host_.peer_returned(with->partitions);
}

void node_router::session_ended(const peer_ptr& with, const std::string& why) {
  incoming_.session_ended(*with);
  if (with->name.empty())
    return;
  host_.peer_disconnected(with->name);
  if (!state_.closing)
    host_.log(log_level::warning,
              "Node \"" + with->name + "\" cannot be reached: " + why
                + ". Its instances are unavailable until it is back.");
  outgoing_.session_ended(*with);
  queries_.session_ended(*with);
}

void node_router::directory_refused(const std::string& why) {
  state_.why_not_admitted = why;
  host_.directory_refused(why);
}

namespace {

/// Combines functions into one with an overload for each.
template <class... Fs>
struct envelope_handlers : Fs... {
  using Fs::operator()...;
};

template <class... Fs>
envelope_handlers(Fs...) -> envelope_handlers<Fs...>;

} // namespace

void node_router::received(const peer_ptr& from, envelope what,
                           steady_time now) {
  std::visit(
    envelope_handlers{
      [&](remote_request& x) { incoming_.request(from, std::move(x)); },
      [&](remote_cancel& x) { incoming_.cancel(from, x); },
      [&](remote_answer& x) { outgoing_.answered(*from, std::move(x), now); },
      [&](remote_message& x) { mail_.received(*from, std::move(x)); },
      [&](remote_acknowledgement& x) { mail_.received(*from, x); },
      [&](remote_query& x) { queries_.request(from, std::move(x)); },
      [&](remote_query_answer& x) { queries_.answered(*from, std::move(x)); },
    },
    what);
}

// --- Time and output ---------------------------------------------------------

// The links are checked before the request time-outs: the end of a session
// fails its requests with a message that the node was lost, which is more
// precise than the message of a time-out.
void node_router::tick(steady_time now) {
  sessions_.tick(now);
  assume_admission(now);
  outgoing_.tick(now);
  queries_.tick(now);
}

/// Ends the wait of a node that was admitted in an earlier start, if no other
/// node is reachable. The wait begins with the first call, because before it
/// the process has no network.
void node_router::assume_admission(steady_time now) {
  if (state_.is_admitted || state_.closing || config_.must_be_admitted)
    return;
  if (!admission_due_)
    admission_due_ = now + config_.admission_wait;
  if (now < *admission_due_ || sessions_.is_refused())
    return;
  state_.is_admitted = true;
  host_.log(
    log_level::warning,
    "No other node of the cluster has been reachable for "
      + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(
                         config_.admission_wait)
                         .count())
      + " ms: this node serves its partitions without an answer of "
        "another node about its data directory.");
  host_.admission_assumed();
  outgoing_.deliver_admitted();
}

steady_time node_router::wake_at() const {
  return sessions_.wake_at();
}

void node_router::flush(steady_time now) {
  sessions_.flush(now);
}

// --- State -------------------------------------------------------------------

bool node_router::is_up(const node_id& node) const {
  const router_peer* known = sessions_.find(node);
  return known != nullptr && known->link.is_up();
}

std::vector<peer_report> node_router::peers(steady_time now,
                                            timestamp wall) const {
  std::vector<peer_report> all;
  for (const auto& [name, one] : sessions_.nodes()) {
    peer_report report;
    report.node = name;
    report.is_up = one->link.is_up();
    // `since` is on the monotonic clock; the report needs wall-clock time.
    if (one->since)
      report.since = wall - (now - *one->since);
    report.why = report.is_up ? one->refused : one->unreachable_reason();
    all.push_back(std::move(report));
  }
  return all;
}

} // namespace perdura::cluster
