// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_actor.hpp"

#include "actors/activities/activity_pool.hpp"
#include "actors/execution/instance_actor.hpp"
#include "actors/execution/turn_watch.hpp"
#include "actors/execution/work_guard.hpp"
#include "actors/interface/actor_faults.hpp"
#include "persistence/process/logging.hpp"

#include <utility>

namespace perdura::actors {

using namespace persistence;

namespace {

// Maximum number of idle instance actors that a partition keeps for reuse.
constexpr std::size_t idle_actors_max = 64;

// The memory of a batch is reused unless its capacity exceeds this.
constexpr std::size_t batch_capacity_max = 1'024;

// Added to the time of each alarm, in microseconds. The alarm uses another
// clock; with this margin the due time has been reached.
constexpr duration wake_delay{50};

// Wake-ups that may be late are rounded up to a multiple of this. It is a
// quarter of the default of `turn_wait_max`.
constexpr duration wake_resolution = std::chrono::milliseconds(5);

} // namespace

void partition_actor_state::begin(partition_actor::pointer self,
                                  partition_config config,
                                  partition_dependencies dependencies) {
  self_ = self;
  dependencies_ = std::move(dependencies);
  const partition_id id = id_ = config.id;
  processor_ = std::make_unique<partition_processor>(
    std::move(config), *dependencies_.journal, *dependencies_.reader,
    *dependencies_.clock, *this);
  // The journal and the alarm clock hold weak references to this actor and
  // only send messages, which the actor handles on its own thread.
  dependencies_.journal->listen(
    id, [handle = caf::actor_cast<caf::weak_actor_ptr>(self)](
          journal_position reached) {
      if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(handle))
        caf::anon_send(caf::actor_cast<partition_actor>(strong),
                       durable_note{reached});
    });
  alarm_ = &dependencies_.alarms->add(
    [handle = caf::actor_cast<caf::weak_actor_ptr>(self)] {
      if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(handle))
        caf::anon_send(caf::actor_cast<partition_actor>(strong), wake_up{});
    });
}

void partition_actor_state::on_begin() {
  auto recovered = processor_->recover();
  serving_ = static_cast<bool>(recovered);
  if (serving_ && dependencies_.settled)
    dependencies_.settled->learn(processor_->evidence());
  if (!serving_) { // on success, report_durable calls on_ready
    if (recovered.code() == errc::storage_damaged)
      damage_ = "Partition " + std::to_string(index_of(id_))
                + " cannot be used: " + recovered.error().message;
    std::exchange(dependencies_.on_ready, nullptr)(std::move(recovered));
  }
  if (!batch_.empty()) // messages that arrived before recovery
    self_->send(self_, flush_batch{});
  end_step();
}

void partition_actor_state::on_exit() {
  if (serving_)
    processor_->end();
}

void partition_actor_state::on_inbound(inbound message) {
  // The flush message is queued behind all messages that are in the mailbox
  // now; together these form the batch.
  if (batch_.empty())
    self_->send(self_, flush_batch{});
  batch_.push_back(std::move(message));
}

void partition_actor_state::on_flush() {
  if (!damage_.empty())
    refuse_batch();
  if (!serving_)
    return; // the batch is kept until recovery has succeeded
  processing_.swap(batch_);
  processor_->process_batch(processing_);
  processing_.clear(); // keeps the capacity for the next batch
  if (processing_.capacity() > batch_capacity_max)
    processing_.shrink_to_fit();
  end_step();
}

/// A damaged partition refuses every request. It accepts no message of other
/// partitions, which keep them, and drops everything else.
void partition_actor_state::refuse_batch() {
  for (const inbound& message : batch_)
    if (const auto* request = std::get_if<management_inbound>(&message)) {
      management_answer refused;
      refused.code = errc::storage_damaged;
      refused.message = damage_;
      answer(request->from, std::move(refused));
    }
  batch_.clear();
}

void partition_actor_state::on_durable(journal_position reached) {
  if (!damage_.empty())
    return;
  report_durable(reached);
  end_step();
}

// The first report after recovery covers the turn that raised the epoch: the
// partition is ready then.
void partition_actor_state::report_durable(journal_position reached) {
  processor_->on_durable(reached);
  if (dependencies_.on_ready)
    std::exchange(dependencies_.on_ready, nullptr)({});
}

void partition_actor_state::end_step() {
  const auto left = committed_.report_each(
    [this](journal_position reached) { report_durable(reached); });
  if (left) // handled behind the messages that are in the mailbox now
    self_->send(self_, durable_note{*left});
  set_alarm();
}

void partition_actor_state::on_peer_returned(const peer_returned& note) {
  // Before recovery nothing has been sent; recovery sends all messages.
  if (serving_)
    processor_->resend(*note.partitions);
}

void partition_actor_state::on_wake() {
  alarm_time_.reset();
  // The alarm only wakes the partition. The processor decides by its own clocks
  // what is due.
  if (serving_)
    processor_->process_batch({});
  end_step();
}

void partition_actor_state::set_alarm() {
  if (!serving_)
    return;
  wake_time next = processor_->wake_at();
  if (next.may_be_late) // all partitions of the node wake up together
    next.at = boot_time((next.at.time_since_epoch() / wake_resolution + 1)
                        * wake_resolution);
  if (alarm_time_ == next)
    return;
  alarm_time_ = next;
  dependencies_.alarms->set(*alarm_, time_until(next, *dependencies_.clock)
                                       + wake_delay);
}

void partition_actor_state::on_stuck(const stuck_request& request) const {
  if (!damage_.empty()) {
    (*request.answer)({{"", damage_}});
    return;
  }
  auto found = processor_->stuck();
  for (auto& notice : processor_->rule_notices())
    found.push_back(std::move(notice));
  (*request.answer)(std::move(found));
}

// The message that flushes the batch finds it empty later.
void partition_actor_state::on_batch_request(const batch_request& request) {
  if (!batch_.empty())
    on_flush();
  (*request.answer)();
}

void partition_actor_state::on_counters(const counters_request& request) const {
  const volatile_partition& live = processor_->live();
  partition_figures figures{live.counters, live.instances.size(),
                            processor_->outbox(), processor_->damage(),
                            processor_->stuck().size()};
  if (!damage_.empty())
    figures.stuck = 1;
  figures.live_bytes = live.bytes;
  for (const auto& window : processor_->durable().request_windows) {
    figures.request_keys += window.keys;
    figures.request_key_bytes += window.bytes;
  }
  const auto& rules = processor_->durable().meta.rules;
  for (const auto& each : rules.pauses)
    if (each.is_paused)
      figures.paused.push_back(each);
  for (const auto& each : rules.trees)
    figures.trees_ending += each.home == id_ ? 1 : 0;
  (*request.answer)(figures);
}

// An answer to a gateway of this node needs no routing.
void partition_actor_state::answer(reply_to to, management_answer answer) {
  if (to.gateway == dependencies_.local_gateway_number
      && dependencies_.local_answers)
    dependencies_.local_answers->answer(to, std::move(answer));
  else
    self_->send(dependencies_.router, management_reply{to, std::move(answer)});
}

/// Returns true if the turn may run now. A turn that must not run has the
/// outcome that its instance is held.
bool partition_actor_state::may_run(const orchestration_work_item& item) {
  std::string why;
  const auto verdict = dependencies_.guard->admit(
    work_kind::turn, item.instance, {},
    [item, handle = caf::actor_cast<caf::weak_actor_ptr>(self_)] {
      if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(handle))
        caf::anon_send(caf::actor_cast<partition_actor>(strong),
                       retry_turn{item});
    },
    why);
  if (verdict == work_guard::verdict::held) {
    turn_outcome held;
    held.instance = item.instance;
    held.execution = item.execution;
    held.number = item.number;
    held.result = held_result{{errc::unavailable, std::move(why)}};
    on_inbound(std::move(held));
  }
  return verdict == work_guard::verdict::runs;
}

/// The instance may have been terminated while the turn waited.
void partition_actor_state::on_retry(retry_turn& retry) {
  const auto& instances = processor_->live().instances;
  const auto found = instances.find(retry.item.instance);
  if (found != instances.end() && found->second.turn_out
      && found->second.number == retry.item.number)
    run_turn(std::move(retry.item));
  else
    dependencies_.guard->withdraw(work_kind::turn, retry.item.instance, {});
}

void partition_actor_state::release(const instance_id& id, bool is_ended) {
  if (dependencies_.guard == nullptr || !dependencies_.guard->is_watching())
    return;
  dependencies_.guard->release(id);
  dependencies_.activities->release(id, is_ended);
}

void partition_actor_state::note_fault(const instance_id& id) {
  if (dependencies_.guard != nullptr && dependencies_.guard->notes() != nullptr)
    dependencies_.guard->notes()->note_fault(id);
}

void partition_actor_state::run_turn(orchestration_work_item item) {
  if (dependencies_.guard != nullptr && dependencies_.guard->is_watching()
      && !may_run(item))
    return;
  // Uses the actor of the instance, else an idle one, else a new one.
  auto [it, fresh] = runs_.try_emplace(item.instance);
  assigned_actor& run = it->second;
  if (fresh && !idle_actors_.empty()) {
    run.actor = std::move(idle_actors_.back());
    idle_actors_.pop_back();
  } else if (fresh) {
    run.actor = self_->spawn<caf::lazy_init>(
      instance_behavior, partition_actor(self_), dependencies_.functions,
      dependencies_.turns, dependencies_.guard);
  }
  run.sent = item.number;
  self_->send(run.actor, std::move(item));
}

void partition_actor_state::on_outcome(turn_outcome outcome) {
  // An outcome that the processor will ignore counts too, because it also
  // shows that the turn has ended and the actor is free.
  if (auto it = runs_.find(outcome.instance); it != runs_.end())
    it->second.returned = outcome.number;
  on_inbound(std::move(outcome));
}

void partition_actor_state::drop_run(const instance_id& id) {
  auto it = runs_.find(id);
  if (it == runs_.end())
    return;
  assigned_actor run = std::move(it->second);
  runs_.erase(it);
  // A running turn may never end, so its actor must not be reused.
  if (run.returned == run.sent && idle_actors_.size() < idle_actors_max) {
    self_->send(run.actor, release_instance{});
    idle_actors_.push_back(std::move(run.actor));
  } else {
    caf::anon_send_exit(run.actor, caf::exit_reason::user_shutdown);
  }
}

void partition_actor_state::run_activity(activity_work_item item) {
  dependencies_.activities->submit(std::move(item));
}

void partition_actor_state::cancel_activities(const instance_id& id,
                                              const execution_id& execution,
                                              bool drops) {
  dependencies_.activities->cancel(id, execution, drops);
}

void partition_actor_state::keep_inputs(const instance_id& id) {
  dependencies_.activities->keep_inputs(id);
}

void partition_actor_state::send(partition_message message, partition_id to) {
  self_->send(dependencies_.router,
              outbound_partition_message{to, std::move(message)});
}

void partition_actor_state::acknowledge(partition_acknowledgement note,
                                        partition_id to) {
  self_->send(dependencies_.router, outbound_acknowledgement{to, note});
}

void partition_actor_state::disagree(const pair_disagreement& found) {
  self_->send(dependencies_.router, outbound_disagreement{found});
}

void partition_actor_state::agrees(bool is_agreeing) {
  if (dependencies_.on_agreeing)
    dependencies_.on_agreeing(is_agreeing);
}

void partition_actor_state::log(persistence::log_level level,
                                const std::string& text) {
  persistence::log(log_channel::actors, level, text);
}

void partition_actor_state::turns_enqueued() {
  // If few turns are queued, a commit on this thread saves two wake-ups of
  // other threads. While this thread waits for the disk, the scheduler replaces
  // it.
  const bool blocks
    = dependencies_.may_block != nullptr && dependencies_.may_block();
  committed_.add(dependencies_.journal->request_commit(id_, blocks));
  if (blocks)
    dependencies_.has_blocked();
}

partition_actor::behavior_type partition_behavior(
  partition_actor::stateful_pointer<partition_actor_state> self,
  partition_config config, partition_dependencies dependencies) {
  guard_actor(self, "partition", index_of(config.id));
  auto* state = &self->state;
  state->begin(self, std::move(config), std::move(dependencies));
  self->set_exit_handler([=](caf::exit_msg& message) {
    state->on_exit();
    self->quit(std::move(message.reason));
  });
  return {
    // CAF tries the handlers in this order, so the most frequent are first.
    [=](turn_outcome& x) { state->on_outcome(std::move(x)); },
    [=](flush_batch) { state->on_flush(); },
    [=](activity_result& x) { state->on_inbound(std::move(x)); },
    [=](activity_unread& x) { state->on_inbound(std::move(x)); },
    [=](durable_note x) { state->on_durable(x.reached); },
    [=](management_inbound& x) { state->on_inbound(std::move(x)); },
    [=](partition_message& x) { state->on_inbound(std::move(x)); },
    [=](partition_acknowledgement& x) { state->on_inbound(x); },
    [=](instance_hold& x) { state->on_inbound(std::move(x)); },
    [=](retry_turn& x) { state->on_retry(x); },
    [=](wake_up) { state->on_wake(); },
    [=](const peer_returned& x) { state->on_peer_returned(x); },
    [=](const stuck_request& x) { state->on_stuck(x); },
    [=](const counters_request& x) { state->on_counters(x); },
    [=](const batch_request& x) { state->on_batch_request(x); },
    [=](begin_recovery) { state->on_begin(); },
  };
}

} // namespace perdura::actors
