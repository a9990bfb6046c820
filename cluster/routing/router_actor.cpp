#include "cluster/routing/router_actor.hpp"

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

// Links want to be looked at a few times in a heartbeat; more often is noise.
constexpr moment tick_min = std::chrono::milliseconds(5);
constexpr moment tick_max = std::chrono::milliseconds(100);

} // namespace

void router_actor_state::begin(router_control_actor::pointer self,
                               router_config config,
                               router_surroundings around) {
  self_ = self;
  around_ = std::move(around);
  router_ = std::make_unique<node_router>(std::move(config), *this);
}

moment router_actor_state::now() const {
  return std::chrono::duration_cast<moment>(
    std::chrono::steady_clock::now().time_since_epoch());
}

/// What is to be sent goes when the mailbox is empty: many in one packet.
void router_actor_state::gather() {
  if (flush_posted_ || !router_->has_output())
    return;
  flush_posted_ = true;
  self_->send(self_, flush_batch{});
}

void router_actor_state::arm() {
  if (ticking_ || transport_ == nullptr)
    return;
  ticking_ = true;
  const moment left = router_->wake_at() - now();
  self_->delayed_send(self_, std::clamp(left, tick_min, tick_max),
                      router_tick{});
}

// --- From this process -------------------------------------------------------

void router_actor_state::on_request(management_inbound& x, claim_ptr claim) {
  router_->take_request(std::move(x), std::move(claim), now());
  gather();
}

void router_actor_state::on_reply(management_reply& x) {
  router_->take_reply(x.to, std::move(x.answer));
  gather();
}

void router_actor_state::on_message(partition_outward& x) {
  router_->take_message(std::move(x.message), x.to);
  gather();
}

void router_actor_state::on_acknowledgement(const acknowledgement_outward& x) {
  router_->take_acknowledgement(x.note, x.to);
  gather();
}

void router_actor_state::on_partitions(partitions_ready& x) {
  partitions_ = std::move(x.partitions);
  router_->serve(true);
}

void router_actor_state::on_partitions_gone() {
  router_->close(now());
  partitions_.clear();
  doors.clear();
  transport_.reset();
}

void router_actor_state::on_question(peer_question& x) {
  const std::uint64_t ticket = ++last_ticket_;
  const node_id node = x.node;
  question asked = std::move(x.asked);
  questions_.emplace(ticket, std::move(x));
  router_->ask(node, std::move(asked), ticket, now());
  gather();
}

void router_actor_state::on_lookup(const lookup_note& x) {
  router_->looked_up(x.ticket, std::move(*x.answer));
  gather();
}

void router_actor_state::on_peers(const peers_request& x) const {
  (*x.answer)(router_->peers(now(), persistence::system_clock().now()));
}

// --- From the transport ------------------------------------------------------

void router_actor_state::on_transport(transport_ready& x) {
  transport_ = std::move(x.way);
  arm();
}

void router_actor_state::on_path(const path_note& x) {
  if (x.dialled.empty())
    router_->path_closed(x.path, now());
  else
    router_->path_opened(x.path, x.dialled, now());
  gather();
}

void router_actor_state::on_packet(const packet_note& x) {
  router_->take_packet(x.from, x.bytes, now());
  gather();
}

void router_actor_state::on_tick() {
  ticking_ = false;
  router_->tick(now());
  gather();
  arm();
}

void router_actor_state::on_flush() {
  flush_posted_ = false;
  router_->flush(now());
}

// --- Effects -----------------------------------------------------------------

void router_actor_state::deliver(persistence::partition_id to,
                                 inbound message) {
  const std::uint32_t index = persistence::index_of(to);
  if (index >= partitions_.size() || !partitions_[index])
    return;
  std::visit([&](auto& x) { self_->send(partitions_[index], std::move(x)); },
             message);
}

void router_actor_state::answer(reply_to to, management_answer answer) {
  const auto door = doors.find(to.door);
  if (door != doors.end())
    self_->send(door->second, management_reply{to, std::move(answer)});
}

void router_actor_state::send(path_id to, std::string packet) {
  if (transport_)
    transport_->send(to, std::move(packet));
}

void router_actor_state::peer_returned(
  const std::vector<persistence::partition_id>& its) {
  const auto shared
    = std::make_shared<const std::vector<persistence::partition_id>>(its);
  for (const partition_actor& one : partitions_)
    if (one)
      self_->send(one, actors::peer_returned{shared});
}

void router_actor_state::look_up(std::uint64_t ticket, question asked) {
  if (around_.look_up)
    around_.look_up(router_control_actor(self_), ticket, std::move(asked));
}

void router_actor_state::answered(std::uint64_t ticket,
                                  result<question_answer> answer) {
  const auto it = questions_.find(ticket);
  if (it == questions_.end())
    return;
  const peer_question asked = std::move(it->second);
  questions_.erase(it);
  (*asked.answer)(std::move(answer));
}

void router_actor_state::must_stop(const persistence::error& why) {
  if (around_.must_stop)
    around_.must_stop(why);
}

void router_actor_state::met(const peer_hello& hello) {
  if (around_.met)
    around_.met(hello);
}

void router_actor_state::lost(const node_id& node) {
  if (around_.lost)
    around_.lost(node);
}

void router_actor_state::log(int level, const std::string& text) {
  using persistence::log_level;
  persistence::log(persistence::log_room::cluster,
                   level >= 4   ? log_level::error
                   : level == 3 ? log_level::warning
                                : log_level::info,
                   text);
}

router_control_actor::behavior_type
router_behavior(router_control_actor::stateful_pointer<router_actor_state> self,
                router_config config, router_surroundings around) {
  auto* state = &self->state;
  state->begin(self, std::move(config), std::move(around));
  return {
    // CAF tries them in this order: the most frequent first.
    [=](const packet_note& x) { state->on_packet(x); },
    [=](management_reply& x) { state->on_reply(x); },
    [=](management_inbound& x) { state->on_request(x, nullptr); },
    [=](flush_batch) { state->on_flush(); },
    [=](partition_outward& x) { state->on_message(x); },
    [=](acknowledgement_outward& x) { state->on_acknowledgement(x); },
    [=](patient_request& x) {
      state->on_request(x.request, std::move(x.claim));
    },
    [=](router_tick) { state->on_tick(); },
    [=](partitions_ready& x) { state->on_partitions(x); },
    [=](door_opened& x) { state->doors[x.door] = std::move(x.gateway); },
    [=](partitions_gone) { state->on_partitions_gone(); },
    [=](transport_ready& x) { state->on_transport(x); },
    [=](const path_note& x) { state->on_path(x); },
    [=](peer_question& x) { state->on_question(x); },
    [=](const peers_request& x) { state->on_peers(x); },
    [=](const lookup_note& x) { state->on_lookup(x); },
  };
}

} // namespace perdura::cluster
