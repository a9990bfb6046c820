#include "actors/partition/partition_actor.hpp"

#include "actors/activities/activity_pool.hpp"
#include "actors/execution/instance_actor.hpp"
#include "actors/execution/turn_watch.hpp"
#include "persistence/process/logging.hpp"

#include <utility>

namespace perdura::actors {

namespace {

// Instance actors that wait for their next instance, in each partition.
constexpr std::size_t spare_runs_max = 64;

// A batch's room is kept for the next one, unless a burst has made it larger.
constexpr std::size_t batch_room_max = 1'024;

// The wall clock must have reached the time when the partition looks.
constexpr duration wake_delay{50};

// A quarter of the time that a message waits for its turn.
constexpr duration late_grid = std::chrono::milliseconds(5);

} // namespace

void partition_actor_state::begin(partition_actor::pointer self,
                                  partition_config config,
                                  partition_surroundings around) {
  self_ = self;
  around_ = std::move(around);
  const partition_id id = id_ = config.id;
  processor_ = std::make_unique<partition_processor>(
    std::move(config), *around_.ledger, *around_.time, *this);
  around_.ledger->listen(id, [handle = caf::actor_cast<caf::weak_actor_ptr>(
                                self)](journal_position reached) {
    if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(handle))
      caf::anon_send(caf::actor_cast<partition_actor>(strong),
                     durable_note{reached});
  });
  alarm_ = &around_.alarms->add(
    [handle = caf::actor_cast<caf::weak_actor_ptr>(self)] {
      if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(handle))
        caf::anon_send(caf::actor_cast<partition_actor>(strong), wake_up{});
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
  taken_.swap(batch_);
  processor_->take(taken_);
  taken_.clear(); // its room is for the next batch
  if (taken_.capacity() > batch_room_max)
    taken_.shrink_to_fit();
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

void partition_actor_state::on_wake() {
  armed_.reset();
  // The steady clock only wakes: what is due, the wall clock decides.
  if (serving_)
    processor_->take({});
  arm();
}

void partition_actor_state::arm() {
  if (!serving_)
    return;
  wake_time next = processor_->wake_at();
  if (next.may_be_late) // all partitions of a node look together
    next.at
      = timestamp((next.at.time_since_epoch() / late_grid + 1) * late_grid);
  if (armed_ == next.at)
    return;
  armed_ = next.at;
  around_.alarms->set(*alarm_, next.at - around_.time->now() + wake_delay);
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
  if (to.door == around_.door_number && around_.door)
    self_->send(around_.door, management_reply{to, std::move(answer)});
  else
    self_->send(around_.router, management_reply{to, std::move(answer)});
}

void partition_actor_state::run_turn(orchestration_work_item item) {
  auto [it, fresh] = runs_.try_emplace(item.instance);
  live_run& run = it->second;
  if (fresh && !spare_.empty()) {
    run.actor = std::move(spare_.back());
    spare_.pop_back();
  } else if (fresh) {
    run.actor
      = self_->spawn<caf::lazy_init>(instance_behavior, partition_actor(self_),
                                     around_.functions, around_.turns);
  }
  run.sent = item.number;
  self_->send(run.actor, std::move(item));
}

void partition_actor_state::on_outcome(turn_outcome outcome) {
  if (auto it = runs_.find(outcome.instance); it != runs_.end())
    it->second.returned = outcome.number;
  on_inbound(std::move(outcome));
}

void partition_actor_state::drop_run(const instance_id& id) {
  auto it = runs_.find(id);
  if (it == runs_.end())
    return;
  live_run run = std::move(it->second);
  runs_.erase(it);
  // A turn that is out may never come back; nobody may wait behind it.
  if (run.returned == run.sent && spare_.size() < spare_runs_max) {
    self_->send(run.actor, let_go{});
    spare_.push_back(std::move(run.actor));
  } else {
    caf::anon_send_exit(run.actor, caf::exit_reason::user_shutdown);
  }
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

void partition_actor_state::gathered() {
  const bool blocks = around_.may_block != nullptr
                      && around_.ledger->is_quiet(id_) && around_.may_block();
  around_.ledger->gathered(id_, blocks);
  if (blocks)
    around_.has_blocked();
}

partition_actor::behavior_type partition_behavior(
  partition_actor::stateful_pointer<partition_actor_state> self,
  partition_config config, partition_surroundings around) {
  auto* state = &self->state;
  state->begin(self, std::move(config), std::move(around));
  return {
    // CAF tries them in this order: the most frequent first.
    [=](turn_outcome& x) { state->on_outcome(std::move(x)); },
    [=](flush_batch) { state->on_flush(); },
    [=](activity_result& x) { state->on_inbound(std::move(x)); },
    [=](durable_note x) { state->on_durable(x.reached); },
    [=](management_inbound& x) { state->on_inbound(std::move(x)); },
    [=](partition_message& x) { state->on_inbound(std::move(x)); },
    [=](partition_acknowledgement& x) { state->on_inbound(x); },
    [=](wake_up) { state->on_wake(); },
    [=](const peer_returned& x) { state->on_peer_returned(x); },
    [=](const stuck_request& x) { state->on_stuck(x); },
    [=](const counters_request& x) { state->on_counters(x); },
    [=](begin_work) { state->on_begin(); },
  };
}

} // namespace perdura::actors
