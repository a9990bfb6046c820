#include "actors/partition_actor.hpp"

#include "actors/activity_pool.hpp"
#include "actors/instance_actor.hpp"
#include "actors/turn_watch.hpp"
#include "persistence/logging.hpp"

#include <utility>

namespace perdura::actors {

void partition_actor_state::begin(partition_actor::pointer self,
                                  partition_config config,
                                  partition_surroundings around) {
  self_ = self;
  around_ = std::move(around);
  const partition_id id = config.id;
  processor_ = std::make_unique<partition_processor>(
    std::move(config), *around_.ledger, *around_.time, *this);
  around_.ledger->listen(id, [handle = caf::actor_cast<caf::weak_actor_ptr>(
                                self)](journal_position reached) {
    if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(handle))
      caf::anon_send(caf::actor_cast<partition_actor>(strong),
                     durable_note{reached});
  });
}

void partition_actor_state::on_begin() {
  auto recovered = processor_->recover();
  serving_ = static_cast<bool>(recovered);
  if (!serving_) // otherwise it is told when the new epoch is durable
    std::exchange(around_.on_ready, nullptr)(std::move(recovered));
  if (!batch_.empty()) // came before this partition had begun
    self_->send(self_, flush_batch{});
  arm();
}

void partition_actor_state::on_inbound(inbound message) {
  // Lands behind everything that waits already: that is the batch.
  if (batch_.empty())
    self_->send(self_, flush_batch{});
  batch_.push_back(std::move(message));
}

void partition_actor_state::on_flush() {
  if (!serving_)
    return; // kept until it serves
  std::vector<inbound> batch = std::move(batch_);
  batch_.clear();
  processor_->take(batch);
  arm();
}

void partition_actor_state::on_durable(journal_position reached) {
  processor_->on_durable(reached);
  if (around_.on_ready)
    std::exchange(around_.on_ready, nullptr)({});
  arm();
}

void partition_actor_state::on_peer_returned(const peer_returned& its) {
  // Before it serves nothing has been sent; recovery sends all.
  if (serving_)
    processor_->resend(*its.partitions);
}

void partition_actor_state::on_wake(timestamp at) {
  if (armed_ != at)
    return; // a sooner one was set since
  armed_.reset();
  // The steady clock only wakes: what is due, the wall clock decides.
  if (serving_)
    processor_->take({});
  arm();
}

void partition_actor_state::arm() {
  const auto at = serving_ ? processor_->wake_at() : std::nullopt;
  if (!at || (armed_ && *armed_ <= *at))
    return;
  armed_ = *at;
  const duration left
    = std::max(duration(0), *at - around_.time->now()) + duration(50);
  self_->delayed_send(self_, left, wake_up{*at});
}

void partition_actor_state::on_stuck(const stuck_request& request) const {
  (*request.answer)(processor_->stuck());
}

void partition_actor_state::on_counters(const counters_request& request) const {
  const partition_state& state = processor_->state();
  partition_figures figures{state.counters, state.live.size(), 0};
  for (const auto& [to, messages] : state.outbox)
    figures.outbox_messages += messages.size();
  (*request.answer)(figures);
}

void partition_actor_state::answer(reply_to to, management_answer answer) {
  self_->send(around_.router, management_reply{to, std::move(answer)});
}

void partition_actor_state::run_turn(orchestration_work_item item) {
  auto [it, fresh] = runs_.try_emplace(item.instance);
  if (fresh)
    it->second
      = self_->spawn<caf::lazy_init>(instance_behavior, partition_actor(self_),
                                     around_.functions, around_.turns);
  self_->send(it->second, std::move(item));
}

void partition_actor_state::drop_run(const instance_id& id) {
  auto it = runs_.find(id);
  if (it == runs_.end())
    return;
  caf::anon_send_exit(it->second, caf::exit_reason::user_shutdown);
  runs_.erase(it);
}

void partition_actor_state::run_activity(activity_work_item item) {
  around_.activities->submit(std::move(item));
}

void partition_actor_state::send(partition_message message, partition_id to) {
  self_->send(around_.router, partition_outward{to, std::move(message)});
}

void partition_actor_state::acknowledge(partition_acknowledgement note,
                                        partition_id to) {
  self_->send(around_.router, acknowledgement_outward{to, note});
}

void partition_actor_state::log(int level, const std::string& text) {
  const auto severity = level >= 4   ? log_level::error
                        : level == 3 ? log_level::warning
                                     : log_level::info;
  persistence::log(log_room::actors, severity, text);
}

partition_actor::behavior_type partition_behavior(
  partition_actor::stateful_pointer<partition_actor_state> self,
  partition_config config, partition_surroundings around) {
  auto* state = &self->state;
  state->begin(self, std::move(config), std::move(around));
  return {
    [=](begin_work) { state->on_begin(); },
    [=](management_inbound& x) { state->on_inbound(std::move(x)); },
    [=](turn_outcome& x) { state->on_inbound(std::move(x)); },
    [=](activity_result& x) { state->on_inbound(std::move(x)); },
    [=](partition_message& x) { state->on_inbound(std::move(x)); },
    [=](partition_acknowledgement& x) { state->on_inbound(x); },
    [=](const peer_returned& x) { state->on_peer_returned(x); },
    [=](durable_note x) { state->on_durable(x.reached); },
    [=](flush_batch) { state->on_flush(); },
    [=](wake_up x) { state->on_wake(x.at); },
    [=](const stuck_request& x) { state->on_stuck(x); },
    [=](const counters_request& x) { state->on_counters(x); },
  };
}

} // namespace perdura::actors
