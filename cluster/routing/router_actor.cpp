// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/router_actor.hpp"

#include "actors/interface/actor_faults.hpp"
#include "cluster/transport/transport.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/records/clock.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace perdura::cluster {

using namespace actors;
using persistence::result;

namespace {

// The bounds of the time between two checks of the links. The upper bound is
// half of the default heartbeat interval, and is also the precision of request
// time-outs. The lower bound limits the CPU time that the checks cost.
constexpr steady_time tick_min = std::chrono::milliseconds(5);
constexpr steady_time tick_max = std::chrono::milliseconds(100);

} // namespace

void router_actor_state::begin(router_control_actor::pointer self,
                               router_config config,
                               router_dependencies dependencies) {
  self_ = self;
  dependencies_ = std::move(dependencies);
  router_ = std::make_unique<node_router>(std::move(config), *this);
}

// The steady clock is used, because intervals must not change when the wall
// clock is set.
steady_time router_actor_state::now() const {
  return std::chrono::duration_cast<steady_time>(
    std::chrono::steady_clock::now().time_since_epoch());
}

/// Puts a flush_batch into the actor's own mailbox, behind the messages that
/// are there now, so that the output of all of them is sent in as few packets
/// as possible. Called after each message that may produce output.
void router_actor_state::request_flush() {
  if (flush_posted_ || !router_->has_output())
    return;
  flush_posted_ = true;
  self_->send(self_, flush_batch{});
}

/// Schedules the next check of the links, unless one is scheduled already.
/// Without a transport there is nothing to check.
void router_actor_state::schedule_tick() {
  if (ticking_ || transport_ == nullptr)
    return;
  ticking_ = true;
  const steady_time left = router_->wake_at() - now();
  self_->delayed_send(self_, std::clamp(left, tick_min, tick_max),
                      router_tick{});
}

// --- From this process -------------------------------------------------------

void router_actor_state::on_request(management_inbound& x,
                                    send_or_cancel_ptr token) {
  router_->handle_request(std::move(x), std::move(token), now());
  request_flush();
}

void router_actor_state::on_reply(management_reply& x) {
  router_->handle_reply(x.to, std::move(x.answer));
  request_flush();
}

void router_actor_state::on_message(outbound_partition_message& x) {
  router_->route_message(std::move(x.message), x.to);
  request_flush();
}

void router_actor_state::on_acknowledgement(const outbound_acknowledgement& x) {
  router_->route_acknowledgement(x.note, x.to);
  request_flush();
}

void router_actor_state::on_disagreement(const outbound_disagreement& x) {
  router_->end_inconsistent_session(x.found, now());
  request_flush();
}

void router_actor_state::on_partitions(partitions_ready& x) {
  partitions_ = std::move(x.partitions);
  router_->serve(true);
}

// These members hold references to actors that hold references to this router.
// If the members were not cleared, none of these actors would ever be
// destroyed.
void router_actor_state::on_partitions_released() {
  router_->close(now());
  partitions_.clear();
  gateways.clear();
  transport_.reset();
}

void router_actor_state::on_peer_query(peer_query_request& x) {
  // `x` is stored before the query is sent, because the router may complete the
  // query within the call.
  const std::uint64_t ticket = ++last_ticket_;
  const node_id node = x.node;
  node_query query = std::move(x.query);
  peer_queries_.emplace(ticket, std::move(x));
  router_->query_peer(node, std::move(query), ticket, now());
  request_flush();
}

void router_actor_state::on_local_query_result(const local_query_result& x) {
  router_->complete_local_query(x.ticket, std::move(*x.answer));
  request_flush();
}

void router_actor_state::on_peers(const peers_request& x) const {
  (*x.answer)(router_->peers(now(), persistence::system_clock().now()));
}

// --- From the transport ------------------------------------------------------

void router_actor_state::on_transport(transport_ready& x) {
  transport_ = std::move(x.new_transport);
  schedule_tick();
}

void router_actor_state::on_path(const path_event& x) {
  if (x.opened_to.empty())
    router_->path_closed(x.path, now());
  else
    router_->path_opened(x.path, x.opened_to, now());
  request_flush();
}

void router_actor_state::on_certificate(path_certified& x) {
  router_->path_certified(x.path, std::move(x.certificate));
}

void router_actor_state::on_packet(const packet_received& x) {
  router_->receive_packet(x.from, x.bytes, now());
  request_flush();
}

void router_actor_state::on_tick() {
  ticking_ = false;
  router_->tick(now());
  request_flush();
  schedule_tick();
}

void router_actor_state::on_flush() {
  flush_posted_ = false;
  router_->flush(now());
}

// --- Effects -----------------------------------------------------------------

void router_actor_state::deliver(persistence::partition_id to,
                                 inbound message) {
  // A message for a partition that this node does not own is dropped.
  const std::uint32_t index = persistence::index_of(to);
  if (index >= partitions_.size() || !partitions_[index])
    return;
  std::visit([&](auto& x) { self_->send(partitions_[index], std::move(x)); },
             message);
}

void router_actor_state::answer(reply_to to, management_answer answer) {
  const auto found = gateways.find(to.gateway);
  if (found != gateways.end())
    found->second->answer(to, std::move(answer));
}

void router_actor_state::send(path_id to, std::string packet) {
  if (transport_)
    transport_->send(to, std::move(packet));
}

void router_actor_state::peer_returned(
  const std::vector<persistence::partition_id>& its) {
  // Every local partition may have sent messages to the peer's partitions. All
  // messages to local partitions share one copy of the list `its`.
  const auto shared
    = std::make_shared<const std::vector<persistence::partition_id>>(its);
  for (const partition_actor& one : partitions_)
    if (one)
      self_->send(one, actors::peer_returned{shared});
}

void router_actor_state::run_local_query(std::uint64_t ticket,
                                         node_query query) {
  if (dependencies_.run_local_query)
    dependencies_.run_local_query(router_control_actor(self_), ticket,
                                  std::move(query));
}

void router_actor_state::peer_query_completed(
  std::uint64_t ticket, result<node_query_answer> answer) {
  const auto it = peer_queries_.find(ticket);
  if (it == peer_queries_.end())
    return;
  // The entry is erased first, because `answer` runs code of the caller.
  const peer_query_request request = std::move(it->second);
  peer_queries_.erase(it);
  (*request.answer)(std::move(answer));
}

void router_actor_state::must_stop(const persistence::error& why) {
  if (dependencies_.must_stop)
    dependencies_.must_stop(why);
}

void router_actor_state::peer_connected(const peer_hello& hello) {
  if (dependencies_.peer_connected)
    dependencies_.peer_connected(hello);
}

void router_actor_state::peer_disconnected(const node_id& node) {
  if (dependencies_.peer_disconnected)
    dependencies_.peer_disconnected(node);
}

void router_actor_state::admission_assumed() {
  if (dependencies_.admission_assumed)
    dependencies_.admission_assumed();
}

void router_actor_state::directory_refused(const std::string& why) {
  if (dependencies_.directory_refused)
    dependencies_.directory_refused(why);
}

void router_actor_state::log(persistence::log_level level,
                             const std::string& text) {
  persistence::log(persistence::log_channel::cluster, level, text);
}

router_control_actor::behavior_type
router_behavior(router_control_actor::stateful_pointer<router_actor_state> self,
                router_config config, router_dependencies dependencies) {
  guard_actor(self, "the router");
  auto* state = &self->state;
  state->begin(self, std::move(config), std::move(dependencies));
  return {
    // CAF compares the type of a message with the handlers in this order, so
    // the handlers of the most frequent messages come first.
    [=](const packet_received& x) { state->on_packet(x); },
    [=](management_reply& x) { state->on_reply(x); },
    [=](management_inbound& x) { state->on_request(x, nullptr); },
    [=](flush_batch) { state->on_flush(); },
    [=](outbound_partition_message& x) { state->on_message(x); },
    [=](outbound_acknowledgement& x) { state->on_acknowledgement(x); },
    [=](const outbound_disagreement& x) { state->on_disagreement(x); },
    [=](deferrable_request& x) {
      state->on_request(x.request, std::move(x.token));
    },
    [=](router_tick) { state->on_tick(); },
    [=](partitions_ready& x) { state->on_partitions(x); },
    [=](gateway_opened& x) {
      state->gateways[x.gateway_number] = std::move(x.answers);
    },
    [=](partitions_released) { state->on_partitions_released(); },
    [=](transport_ready& x) { state->on_transport(x); },
    [=](const path_event& x) { state->on_path(x); },
    [=](path_certified& x) { state->on_certificate(x); },
    [=](peer_query_request& x) { state->on_peer_query(x); },
    [=](const peers_request& x) { state->on_peers(x); },
    [=](const local_query_result& x) { state->on_local_query_result(x); },
  };
}

} // namespace perdura::cluster
