// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"

#include "actors/partition/status_reader.hpp"
#include "actors/partition/steps.hpp"
#include "persistence/records/keys.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

partition_processor::partition_processor(partition_config config,
                                         turn_log& journal,
                                         state_reader& reader,
                                         const persistence::clock& clock,
                                         partition_host& host)
  : store_(std::move(config)),
    journal_(journal),
    reader_(reader),
    clock_(clock),
    host_(host) {}

partition_processor::~partition_processor() = default;

timestamp partition_processor::read_clocks() {
  live_.now = clock_.elapsed();
  return wall_ = clock_.wall();
}

// --- Handling a batch of messages -------------------------------------------

void partition_processor::process_batch(std::span<inbound> batch) {
  const timestamp at = read_clocks(); // the only reading of the batch
  stop_set_aside(at);
  for (inbound& message : batch) {
    handle_guarded(message, at);
    handle_unraised(at);
    if (rule_search_.has_new())
      begin_rule_search(at);
  }
  // The order matters: `dispatch` runs after all messages and timers, so that
  // everything that arrived for an instance is in one turn; `evict` runs last,
  // because the steps use pointers to instances in memory.
  process_due(at);
  submit_recovered();
  begin_recovered_turns();
  dispatch(at);
  drop_runs();
  evict();
  report_enqueued_turns();
}

void partition_processor::report_enqueued_turns() {
  if (std::exchange(has_uncommitted_turns_, false))
    host_.turns_enqueued();
}

// Effects are performed in order of position, and in order of creation within
// one position.
void partition_processor::on_durable(journal_position reached) {
  durable_position_ = std::max(durable_position_, reached);
  while (!held_.empty() && held_.begin()->first <= durable_position_) {
    std::vector<effect> due = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    for (effect& one : due)
      perform(one);
  }
  release_answers();
  while (!refills_.empty() && refills_.front().until <= durable_position_)
    load_timers();
  for (const instance_id& id : std::exchange(replays_waiting_, {}))
    if (const loaded_instance loaded = find(id))
      make_runnable(live_, *loaded.live);
  std::vector<inbound> ready;
  while (!deferred_.empty() && deferred_.front().until <= durable_position_) {
    ready.push_back(std::move(deferred_.front().message));
    deferred_.pop_front();
  }
  // The deferred messages and the waiting replays that are possible now are
  // handled as a batch.
  if (!ready.empty() || !live_.runnable.empty()) {
    process_batch(ready);
  } else {
    submit_recovered();
    evict();
  }
}

/// Calls the step for a message and journals its turn.
void partition_processor::handle(inbound& message, timestamp at) {
  if (auto* request = std::get_if<management_inbound>(&message)) {
    handle_request(*request, at);
  } else if (auto* outcome = std::get_if<turn_outcome>(&message)) {
    const instance_id id = outcome->instance;
    const scheduled_activities inputs = read_activities_to_leave(*outcome);
    emit(step_turn_completed(durable(), live_, std::move(*outcome), at, inputs),
         id, at);
  } else if (auto* activity = std::get_if<activity_result>(&message)) {
    // Without the instance, the result cannot be stored. The activity runs
    // again after the instance has been repaired.
    if (!load(activity->instance)) {
      if (damaged_work* work = note_damaged_work(activity->instance))
        work->activities.insert(activity->sequence);
      return;
    }
    emit(step_activity_result(durable(), live_, *activity, at),
         activity->instance, at);
  } else if (auto* unread = std::get_if<activity_unread>(&message)) {
    handle_unread(*unread);
  } else if (auto* from = std::get_if<partition_message>(&message)) {
    handle_partition(*from, at);
  } else if (auto* hold = std::get_if<instance_hold>(&message)) {
    // A damaged instance runs nothing, so it need not be held.
    if (!load(hold->instance))
      return;
    emit(step_hold(durable(), live_, hold->instance, hold->reason, at),
         hold->instance, at);
  } else {
    handle_acknowledgement(std::get<partition_acknowledgement>(message), at);
  }
}

void partition_processor::handle_request(management_inbound& message,
                                         timestamp at) {
  const reply_to from = message.from;
  const instance_id id = instance_of(message.request);
  if (const auto* status = std::get_if<get_status>(&message.request)) {
    // The status is read when all existing turns of the instance are durable.
    const loaded_instance loaded = find(id);
    turn out;
    out.effects.push_back(read_effect{{from}, *status});
    hold_effects(loaded ? loaded.live->position : 0, std::move(out.effects));
    return;
  }
  if (std::holds_alternative<cancel_wait>(message.request)) {
    // Waiting clients are recorded in memory only, so their removal is not
    // journaled. No answer is sent; see cancel_wait.
    auto it = live_.waiters.find(id);
    if (it == live_.waiters.end())
      return;
    std::erase_if(it->second, [&](const waiter& one) {
      return one.to.gateway == from.gateway
             && one.to.correlation == from.correlation;
    });
    if (it->second.empty())
      live_.waiters.erase(it);
    return;
  }
  const auto* pause = std::get_if<pause_orchestrator>(&message.request);
  if (is_agreeing()
      && !std::holds_alternative<wait_instance>(message.request)) {
    const std::string what = pause != nullptr
                               ? "Orchestrator \"" + pause->name + '"'
                               : "Instance \"" + id + '"';
    emit(refuse(from, errc::unavailable,
                what + " was not changed: " + agreeing_sentence()),
         id, at);
    return;
  }
  if (pause != nullptr) {
    emit(step_pause(durable(), *pause, from, at), {}, at);
    return;
  }
  const request_identity identity = identity_of(message.request);
  if (identity && answer_repeat(message.request, identity, from))
    return;
  if (const auto meant = load_meant(message.request); !meant) {
    emit(refuse(from, meant.code(), meant.error().message), id, at);
    return;
  }
  if (identity)
    if (auto early
        = step_new_key(durable(), live_, message.request, identity, from)) {
      emit(std::move(*early), id, at);
      return;
    }
  // A full store refuses only new starts and external events, because they make
  // it grow. All other requests and messages are accepted.
  if (journal_.is_full()
      && (std::holds_alternative<start_instance>(message.request)
          || std::holds_alternative<start_or_raise>(message.request)
          || std::holds_alternative<raise_event>(message.request))) {
    emit(refuse(from, errc::storage_full,
                "Instance \"" + id + "\" was not changed. "
                  + full_sentence(journal_.space())),
         id, at);
    return;
  }
  // A rewind reads the history from the journal, so all earlier turns and
  // messages of the instance must be durable first.
  if (auto* rewound = std::get_if<rewind_instance>(&message.request)) {
    persist_pending(id, at);
    if (defer_until_durable(id, message))
      return;
    const loaded_instance loaded = find(id);
    std::vector<history_event> history;
    if (loaded && loaded.durable
        && loaded.durable->record.status == runtime_status::failed) {
      auto read = reader_.history(durable().config.id, id);
      if (!read) {
        const error named
          = note_damage(id, partition_damage::extent::part, read.error());
        emit(refuse(from, named.code, named.message), id, at);
        return;
      }
      history = std::move(*read);
    }
    turn out = step_rewind(durable(), live_, *rewound, history, from, at);
    record_success(out, identity, from);
    emit(std::move(out), id, at);
    return;
  }
  turn out = step_request(message.request, identity, from, at);
  record_success(out, identity, from);
  emit(std::move(out), id, at);
}

/// Calls the step for a request, except a rewind and a read of the status.
turn partition_processor::step_request(management_request& request,
                                       const request_identity& identity,
                                       reply_to from, timestamp at) {
  const instance_id& id = instance_of(request);
  return std::visit(
    [&](auto& x) -> turn {
      using type = std::decay_t<decltype(x)>;
      if constexpr (std::is_same_v<type, start_instance>)
        return step_start_instance(durable(), live_, x, identity, from, at);
      else if constexpr (std::is_same_v<type, start_or_raise>)
        return step_start_or_raise(durable(), live_, std::move(x), identity,
                                   from, at);
      else if constexpr (std::is_same_v<type, raise_event>)
        return step_raise_event(durable(), live_, x, identity, from, at);
      else if constexpr (std::is_same_v<type, wait_instance>)
        return step_wait(durable(), live_, x, from);
      else {
        // Control operations act on the durable instance. The messages that
        // arrived before the operation are therefore made part of the durable
        // instance first.
        persist_pending(id, at);
        if constexpr (std::is_same_v<type, terminate_instance>) {
          host_.release(id, true);
          return step_terminate(durable(), live_, x, from, at);
        } else if constexpr (std::is_same_v<type, release_instance_request>) {
          host_.release(id, false);
          return step_release(durable(), live_, x, from, at);
        } else if constexpr (std::is_same_v<type, suspend_instance>)
          return step_suspend(durable(), live_, x, from, at);
        else if constexpr (std::is_same_v<type, resume_instance>)
          return step_resume(durable(), live_, x, from, at);
        else if constexpr (std::is_same_v<type, purge_instance>)
          return step_purge(durable(), live_, x, from);
        else
          return {};
      }
    },
    request);
}

void partition_processor::handle_partition(partition_message& message,
                                           timestamp at) {
  const partition_id from = message.from;
  if (is_agreeing())
    return; // its source sends it again
  // Messages of one source are handled in order: a message that follows a
  // deferred one is deferred too.
  for (const deferred_message& earlier : deferred_)
    if (const auto* other = std::get_if<partition_message>(&earlier.message))
      if (other->from == from
          && other->message.sequence <= message.message.sequence) {
        if (other->message.sequence < message.message.sequence)
          deferred_.push_back({deferred_.back().until, std::move(message)});
        return;
      }
  auto& accepted = live_.marks_accepted[from];
  const std::uint64_t sequence = message.message.sequence;
  // The acknowledgement tells the source which messages are durable here: it
  // deletes a repeated one, and sends those again that are missing.
  if (sequence > accepted + 1) {
    ++live_.counters.messages_out_of_order;
    gaps_.try_emplace(from, message_gap{accepted + 1, sequence, live_.now});
  } else {
    gaps_.erase(from);
  }
  if (sequence != accepted + 1) {
    if (sequence <= accepted)
      ++live_.counters.messages_repeated;
    turn out;
    out.effects.push_back(acknowledge_effect{from, durable().mark(from)});
    hold_effects(last_position_, std::move(out.effects));
    return;
  }
  if (const auto* notice = std::get_if<rule_notice>(&message.message.body)) {
    accepted = sequence;
    emit(step_notice(durable(), *notice, {from, sequence}, at), {}, at);
    return;
  }
  // A member of a terminated tree is refused also if its rows are damaged.
  const auto* start = std::get_if<child_start>(&message.message.body);
  if (start != nullptr
      && find_tree_above(durable().meta.rules, start->place) != nullptr) {
    accepted = sequence;
    emit(step_child_start(durable(), live_, message.message.to_instance, *start,
                          {from, sequence}, at),
         {}, at);
    return;
  }
  if (follow_released(message, at))
    return;
  const instance_id id = message.message.to_instance;
  auto loaded = load(id);
  result<std::vector<history_event>> history(std::vector<history_event>{});
  if (loaded && std::holds_alternative<child_rewind>(message.message.body)) {
    if (defer_until_durable(id, message))
      return;
    history = reader_.history(durable().config.id, id);
    if (!history)
      loaded = note_damage(id, partition_damage::extent::part, history.error());
  }
  // A message that is not accepted stays at its source, which sends it again.
  if (!loaded) {
    if (loaded.code() == errc::storage_damaged)
      quarantine(message, at);
    return;
  }
  accepted = sequence;
  emit(step_partition(message, *history, {from, sequence}, at), id, at);
}

bool partition_processor::defer_until_durable(const instance_id& id,
                                              inbound message) {
  const loaded_instance loaded = find(id);
  if (!loaded || loaded.live->position <= durable_position_)
    return false;
  deferred_.push_back({loaded.live->position, std::move(message)});
  return true;
}

void partition_processor::persist_pending(const instance_id& id, timestamp at) {
  const loaded_instance loaded = find(id);
  if (loaded && (loaded.live->starting || !loaded.live->arrived.empty()))
    emit(step_persist_pending(live_, id, loaded, at), id, at);
}

// --- Journaling turns and holding effects -----------------------------------

void partition_processor::emit(turn next, const instance_id& about,
                               timestamp at) {
  if (!next.sources.empty())
    include_earlier_marks(next, at);
  // The effects of a turn without writes, such as a refusal, depend on the
  // newest turn of the instance.
  if (next.writes_nothing()) {
    if (next.effects.empty())
      return;
    const loaded_instance loaded = find(about);
    hold_effects(loaded ? loaded.live->position : 0, std::move(next.effects));
    return;
  }
  journal_turn(next, at);
}

/// Completes the writes (marks, acknowledgements, outbox sequences), applies
/// them to the state and enqueues them in the journal.
void partition_processor::journal_turn(turn& next, timestamp at) {
  turn_writes& writes = next.writes;
  // Adds one mark for each source partition, with the greatest sequence of the
  // source's messages in this turn. Earlier messages of the source are durable
  // or part of this turn (include_earlier_marks).
  for (const dedup_mark& source : next.sources) {
    auto it = std::find_if(
      writes.marks.begin(), writes.marks.end(),
      [&](const dedup_mark& mark) { return mark.from == source.from; });
    if (it == writes.marks.end())
      writes.marks.push_back(source);
    else
      it->sequence = std::max(it->sequence, source.sequence);
  }
  for (const dedup_mark& mark : writes.marks)
    next.effects.push_back(acknowledge_effect{mark.from, mark.sequence});
  for (const auto& [to, sequence] : live_.acknowledged)
    writes.outbox_acknowledged.push_back({to, sequence});
  live_.acknowledged.clear();
  acknowledge_at_.reset();
  // The outbox sequences for one destination partition have no gaps. `heads`
  // holds the last sequence that this turn has assigned for each destination.
  std::map<partition_id, std::uint64_t> heads;
  for (outbox_message& message : writes.outbox) {
    auto [it, fresh] = heads.try_emplace(message.to, 0);
    if (fresh)
      it->second = durable().outbox_head(message.to);
    message.sequence = ++it->second;
  }
  for (const auto& [to, last] : heads)
    if (to != quarantine_partition)
      next.effects.push_back(outbox_effect{to, last});
  writes.partition = durable().config.id;
  if (writes.epoch == 0) // recovery sets the new epoch itself
    writes.epoch = durable().meta.epoch;
  writes.sequence = durable().meta.sequence + 1;
  writes.now = at;
  complete_requests(writes);
  // From here on, the state contains a turn that is not on disk yet.
  follow_timers(live_, durable(), writes);
  follow_bytes(live_, durable(), writes);
  if (!writes.rules.empty())
    note_rules(writes.rules);
  if (needs_anchor()) {
    writes.anchor = clock_.anchor();
    has_anchored_ = true;
  }
  if (!recovered_.activities.empty())
    follow_recovered(writes);
  keep_inputs(next);
  store_.apply(writes);
  if (!writes.outbox.empty())
    follow_outbox(writes);
  answer_reads(next);
  std::vector<loaded_instance> touched;
  touched.reserve(writes.instances.size());
  for (const instance_write& write : writes.instances)
    if (const loaded_instance loaded = find(write.id))
      touched.push_back(loaded);
  const std::size_t answers_before = answers_recent_.size();
  if (writes.requests)
    for (const request_write& each : writes.requests->rows)
      answers_recent_.emplace_back(0, each.key);
  last_position_ = journal_.append(std::move(writes));
  has_uncommitted_turns_ = true;
  for (std::size_t i = answers_before; i < answers_recent_.size(); ++i)
    answers_recent_[i].first = last_position_;
  for (const auto& [durable, live] : touched) {
    live->position = last_position_;
    live->touched = live_.now;
    idle_.add(live->idle, *live, live_.now);
    if (durable != nullptr && is_finished(durable->record.status))
      ended_.emplace_back(last_position_, *live->id);
  }
  if (!next.effects.empty())
    hold_effects(last_position_, std::move(next.effects));
}

/// Fills in the status in the read effects for instances that this turn writes,
/// so that performing these effects needs no read of the journal. Effects that
/// request the input, the history or the details are left unchanged.
void partition_processor::answer_reads(turn& next) {
  for (effect& one : next.effects) {
    auto* read = std::get_if<read_effect>(&one);
    if (read == nullptr || read->request.show_input
        || read->request.show_history || read->request.show_details)
      continue;
    const loaded_instance loaded = find(read->request.id);
    for (const instance_write& write : next.writes.instances)
      if (write.id == read->request.id && loaded && loaded.durable)
        read->known = status_after(*loaded.durable, write);
  }
}

void partition_processor::hold_effects(journal_position until,
                                       std::vector<effect> effects) {
  if (until <= durable_position_) {
    for (effect& one : effects)
      perform(one);
    return;
  }
  auto& held = held_[until];
  if (held.empty()) {
    held = std::move(effects);
    return;
  }
  held.insert(held.end(), std::make_move_iterator(effects.begin()),
              std::make_move_iterator(effects.end()));
}

void partition_processor::perform(effect& due) {
  std::visit(
    [&](auto& x) {
      using type = std::decay_t<decltype(x)>;
      if constexpr (std::is_same_v<type, answer_effect>)
        host_.answer(x.to, std::move(x.answer));
      else if constexpr (std::is_same_v<type, read_effect>)
        perform_read(x);
      else if constexpr (std::is_same_v<type, activity_effect>)
        run_activity(std::move(x.item));
      else if constexpr (std::is_same_v<type, outbox_effect>)
        send_from_outbox(x.to, x.last);
      else if constexpr (std::is_same_v<type, acknowledge_effect>)
        host_.acknowledge({durable().config.id, x.sequence}, x.to);
      else if constexpr (std::is_same_v<type, statement_effect>)
        perform_statement(x);
      else if constexpr (std::is_same_v<type, cancel_effect>)
        host_.cancel_activities(x.instance, x.execution, x.drops);
      else
        host_.log(x.level, x.text);
    },
    due);
}

void partition_processor::perform_read(const read_effect& read) {
  auto status = read.known
                  ? result<std::shared_ptr<const instance_status>>(read.known)
                  : read_status(reader_, durable().config.id, read.request);
  if (status && read.request.show_details)
    status
      = with_partition_state(**status, durable(), find(read.request.id).live);
  const management_answer answer
    = answer_with(read.request.id, std::move(status));
  for (const reply_to& to : read.to)
    host_.answer(to, answer);
}

// --- Dispatching turns to instances -----------------------------------------

void partition_processor::dispatch(timestamp at) {
  if (is_agreeing())
    return; // the instances stay runnable
  // Runs after all messages of the batch, so that results that arrived
  // together become one turn.
  for (const instance_id& id : std::exchange(live_.runnable, {}))
    if (const loaded_instance loaded = find(id)) {
      loaded.live->queued = false;
      if (!durable().config.paused)
        dispatch_one(id, loaded, at);
    }
}

void partition_processor::dispatch_one(const instance_id& id,
                                       loaded_instance loaded, timestamp at) {
  if (!live_.outbox_waits.empty() && !loaded.live->starting
      && live_.outbox_waits.contains(id))
    return;
  if (waits_for_name(id, loaded, at))
    return;
  // A replay reads the history from the journal, so the newest turn must be
  // durable first; on_durable makes the instance runnable again.
  const bool replays = !loaded.live->warm && !loaded.live->starting
                       && loaded.live->first_history.empty();
  if (replays && loaded.live->position > durable_position_) {
    replays_waiting_.push_back(id);
    return;
  }
  auto item = next_turn(id, loaded, at, live_.now);
  if (!item)
    return;
  if (item->cold && item->history.empty()) {
    ++live_.counters.replays;
    auto history = reader_.history(durable().config.id, id);
    if (history.code() == errc::storage_damaged) {
      const error named
        = note_damage(id, partition_damage::extent::set_aside, history.error());
      emit(step_set_aside(live_, id, loaded, named), id, at);
      return;
    }
    if (!history) { // hold the instance with the storage error as the reason
      turn_outcome held;
      held.instance = id;
      held.execution = item->execution;
      held.number = item->number;
      held.result = held_result{history.error()};
      emit(step_turn_completed(durable(), live_, std::move(held), at), id, at);
      return;
    }
    item->history = std::move(*history);
  }
  turns_out_.push_back({live_.now, id, item->number});
  idle_.add(loaded.live->idle, *loaded.live, live_.now);
  host_.run_turn(std::move(*item));
}

void partition_processor::drop_runs() {
  for (const instance_id& id : std::exchange(live_.runs_to_drop, {})) {
    // If another turn was dispatched after the release had been requested, the
    // turn uses the actor, so nothing is released.
    const loaded_instance loaded = find(id);
    if (!loaded || !loaded.live->turn_out)
      host_.drop_run(id);
  }
}

} // namespace perdura::actors
