// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"

#include "actors/partition/status_reader.hpp"
#include "actors/partition/steps.hpp"

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

timestamp partition_processor::now() const {
  return std::max(clock_.now(), durable().meta.now);
}

// --- Handling a batch of messages -------------------------------------------

void partition_processor::process_batch(std::span<inbound> batch) {
  const timestamp at = now(); // the only clock reading of the batch
  for (inbound& message : batch)
    handle(message, at);
  // The order matters: `dispatch` runs after all messages and timers, so that
  // everything that arrived for an instance is in one turn; `evict` runs last,
  // because the steps use pointers to instances in memory.
  process_due(at);
  dispatch(at);
  drop_runs();
  evict(at);
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
  if (!ready.empty() || !live_.runnable.empty())
    process_batch(ready);
  else
    evict(durable().meta.now);
}

/// Calls the step for a message and journals its turn.
void partition_processor::handle(inbound& message, timestamp at) {
  if (auto* request = std::get_if<management_inbound>(&message)) {
    handle_request(*request, at);
  } else if (auto* outcome = std::get_if<turn_outcome>(&message)) {
    const instance_id id = outcome->instance;
    emit(step_turn_completed(durable(), live_, std::move(*outcome), at), id,
         at);
  } else if (auto* activity = std::get_if<activity_result>(&message)) {
    load(activity->instance, at);
    emit(step_activity_result(durable(), live_, *activity, at),
         activity->instance, at);
  } else if (auto* from = std::get_if<partition_message>(&message)) {
    handle_partition(*from, at);
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
  // The search for an instance that cannot exist would cost a start 4 µs.
  const auto* start = std::get_if<start_instance>(&message.request);
  if (start == nullptr || !start->id_is_new)
    load(id, at);
  // A full store refuses only new starts and external events, because they make
  // it grow. All other requests and messages are accepted.
  if (journal_.is_full()
      && (std::holds_alternative<start_instance>(message.request)
          || std::holds_alternative<raise_event>(message.request))) {
    emit(refuse(from, errc::storage_full,
                "The store is full: instance \"" + id
                  + "\" was not changed. Purge finished instances or raise "
                    "storage_bytes_max."),
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
        emit(refuse(from, read.error().code, read.error().message), id, at);
        return;
      }
      history = std::move(*read);
    }
    emit(step_rewind(durable(), live_, *rewound, history, from, at), id, at);
    return;
  }
  emit(std::visit(
         [&](auto& x) -> turn {
           using type = std::decay_t<decltype(x)>;
           if constexpr (std::is_same_v<type, start_instance>)
             return step_start_instance(durable(), live_, x, from, at);
           else if constexpr (std::is_same_v<type, raise_event>)
             return step_raise_event(durable(), live_, x, from, at);
           else if constexpr (std::is_same_v<type, wait_instance>)
             return step_wait(durable(), live_, x, from);
           else {
             // Control operations act on the durable instance. The messages
             // that arrived before the operation are therefore made part of the
             // durable instance first.
             persist_pending(id, at);
             if constexpr (std::is_same_v<type, terminate_instance>)
               return step_terminate(durable(), live_, x, from, at);
             else if constexpr (std::is_same_v<type, suspend_instance>)
               return step_suspend(durable(), live_, x, from, at);
             else if constexpr (std::is_same_v<type, resume_instance>)
               return step_resume(durable(), live_, x, from, at);
             else if constexpr (std::is_same_v<type, purge_instance>)
               return step_purge(durable(), live_, x, from);
             else
               return {};
           }
         },
         message.request),
       id, at);
}

void partition_processor::handle_partition(partition_message& message,
                                           timestamp at) {
  const partition_id from = message.from;
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
  // A message out of sequence is a repeat, or follows one that was lost. The
  // acknowledgement tells the source which messages are durable here.
  if (sequence != accepted + 1) {
    ++live_.counters.messages_repeated;
    turn out;
    out.effects.push_back(acknowledge_effect{from, durable().mark(from)});
    hold_effects(last_position_, std::move(out.effects));
    return;
  }
  const instance_id id = message.message.to_instance;
  load(id, at);
  if (std::holds_alternative<child_rewind>(message.message.body)
      && defer_until_durable(id, message))
    return;
  accepted = sequence;
  emit(step_partition(message, {from, sequence}, at), id, at);
}

/// Calls the step for a message from another partition.
turn partition_processor::step_partition(partition_message& message,
                                         dedup_mark source, timestamp at) {
  const instance_id& id = message.message.to_instance;
  return std::visit(
    [&](const auto& x) -> turn {
      using type = std::decay_t<decltype(x)>;
      if constexpr (std::is_same_v<type, child_start>) {
        return step_child_start(durable(), live_, id, x, source, at);
      } else if constexpr (std::is_same_v<type, child_ended>) {
        return step_child_ended(durable(), live_, id, x, source, at);
      } else if constexpr (std::is_same_v<type, event_send>) {
        return step_event_send(durable(), live_, id, x, source, at);
      } else if constexpr (std::is_same_v<type, child_terminate>) {
        persist_pending(id, at);
        return step_child_terminate(durable(), live_, id, x, source, at);
      } else {
        auto history = reader_.history(durable().config.id, id);
        return step_child_rewind(durable(), live_, id, x,
                                 history ? std::move(*history)
                                         : std::vector<history_event>{},
                                 source, at);
      }
    },
    message.message.body);
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

loaded_instance partition_processor::load(const instance_id& id, timestamp at) {
  if (const loaded_instance loaded = find(id)) {
    loaded.live->touched = at;
    return loaded;
  }
  // The journal has the newest state of an instance that is not in memory,
  // because an instance is evicted only when all its turns are durable.
  auto stored = reader_.read(durable().config.id, id);
  if (!stored) {
    host_.log(log_level::error, stored.error().message);
    return {};
  }
  if (!*stored)
    return {};
  live_instance& instance = live_.add(id);
  instance.next_inbox = (*stored)->record.next_inbox;
  instance.touched = at;
  idle_.add(instance.idle, instance, at);
  set_bytes(live_, instance, memory_bytes_of(**stored));
  store_.admit(id, std::move(**stored));
  return find(id);
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
    next.effects.push_back(outbox_effect{message});
  }
  writes.partition = durable().config.id;
  if (writes.epoch == 0) // recovery sets the new epoch itself
    writes.epoch = durable().meta.epoch;
  writes.sequence = durable().meta.sequence + 1;
  writes.now = at;
  // From here on, the state contains a turn that is not on disk yet.
  follow_timers(live_, durable(), writes);
  follow_bytes(live_, durable(), writes);
  store_.apply(writes);
  answer_reads(next);
  std::vector<instance_id> touched;
  touched.reserve(writes.instances.size());
  for (const instance_write& write : writes.instances)
    touched.push_back(write.id);
  last_position_ = journal_.append(std::move(writes));
  has_uncommitted_turns_ = true;
  for (const instance_id& id : touched)
    if (const loaded_instance loaded = find(id)) {
      loaded.live->position = last_position_;
      loaded.live->touched = at;
      idle_.add(loaded.live->idle, *loaded.live, at);
      if (loaded.durable && is_finished(loaded.durable->record.status))
        ended_.emplace_back(last_position_, id);
    }
  if (!next.effects.empty())
    hold_effects(last_position_, std::move(next.effects));
}

/// Fills in the status in the read effects for instances that this turn writes,
/// so that performing these effects needs no read of the journal. Effects that
/// request the input or the history are left unchanged.
void partition_processor::answer_reads(turn& next) {
  for (effect& one : next.effects) {
    auto* read = std::get_if<read_effect>(&one);
    if (read == nullptr || read->request.show_input
        || read->request.show_history)
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
        host_.run_activity(std::move(x.item));
      else if constexpr (std::is_same_v<type, outbox_effect>)
        send_from_outbox(std::move(x.message));
      else if constexpr (std::is_same_v<type, acknowledge_effect>)
        host_.acknowledge({durable().config.id, x.sequence}, x.to);
      else
        host_.log(x.level, x.text);
    },
    due);
}

void partition_processor::perform_read(const read_effect& read) {
  const management_answer answer = answer_with(
    read.request.id,
    read.known ? result<std::shared_ptr<const instance_status>>(read.known)
               : read_status(reader_, durable().config.id, read.request));
  for (const reply_to& to : read.to)
    host_.answer(to, answer);
}

// --- Timers and time limits -------------------------------------------------

/// Returns true if a start or a message that arrived at `since` or earlier
/// still waits for a turn of the instance.
bool partition_processor::has_waited_since(timestamp since,
                                           const instance_id& id) const {
  const auto found = live_.instances.find(id);
  if (found == live_.instances.end())
    return false;
  const live_instance& instance = found->second;
  return (instance.starting && instance.starting->accepted_at <= since)
         || std::any_of(instance.arrived.begin(), instance.arrived.end(),
                        [&](const arrived_message& message) {
                          return message.since <= since;
                        });
}

void partition_processor::process_due(timestamp at) {
  // Skip entries whose turn has already run.
  while (!live_.turn_waits.empty()) {
    const auto& [since, id] = live_.turn_waits.front();
    const bool waits = has_waited_since(since, id);
    if (waits && since + durable().config.turn_wait_max > at)
      break;
    const instance_id due = std::move(live_.turn_waits.front().second);
    live_.turn_waits.pop_front();
    if (waits)
      persist_pending(due, at);
  }
  while (!live_.timers.empty() && live_.timers.begin()->fire_at <= at) {
    const due_task due = *live_.timers.begin();
    live_.timers.erase(live_.timers.begin());
    load(due.instance, at);
    emit(step_timer_due(durable(), live_, due, at), due.instance, at);
  }
  if (live_.timers_until - at < durable().config.timer_horizon / 2)
    extend_timer_horizon(at);
  // If no other turn has journaled the acknowledgements before
  // `acknowledge_at_`, they are journaled in a turn of their own.
  if (acknowledge_at_ && *acknowledge_at_ <= at) {
    turn alone;
    for (const auto& [to, sequence] : live_.acknowledged)
      alone.writes.outbox_acknowledged.push_back({to, sequence});
    live_.acknowledged.clear();
    acknowledge_at_.reset();
    if (!alone.writes.outbox_acknowledged.empty())
      journal_turn(alone, at);
  }
  while (!turns_out_.empty()
         && turns_out_.front().since + durable().config.turn_stuck_time <= at) {
    const turn_out_since out = std::move(turns_out_.front());
    turns_out_.pop_front();
    // Skip turns that have ended or become void.
    const loaded_instance loaded = find(out.id);
    if (!loaded || !loaded.live->turn_out || loaded.live->number != out.number)
      continue;
    loaded.live->stuck_reported = true;
    host_.log(
      log_level::warning,
      "instance \"" + out.id + "\" has been running one turn for more than "
        + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(
                           durable().config.turn_stuck_time)
                           .count())
        + " s; its orchestrator may block or loop without an await. The "
          "instance can be terminated.");
  }
}

void partition_processor::extend_timer_horizon(timestamp at) {
  // From here on, `apply` adds new timers up to the new `timers_until` to the
  // state. Timers of earlier turns are loaded from the journal once those turns
  // are durable.
  const timestamp until = at + durable().config.timer_horizon;
  refills_.push_back({last_position_, live_.timers_until, until});
  live_.timers_until = until;
  while (!refills_.empty() && refills_.front().until <= durable_position_)
    load_timers();
}

void partition_processor::load_timers() {
  const timer_refill range = refills_.front();
  refills_.pop_front();
  auto found = reader_.due(durable().config.id, range.after, range.last);
  if (!found) {
    host_.log(log_level::error, found.error().message);
    return;
  }
  live_.timers.insert(found->begin(), found->end());
}

wake_time partition_processor::wake_at() const {
  // The partition wakes up, at the latest, when half of the timer horizon has
  // passed; it then loads further timers.
  timestamp at = live_.timers_until - durable().config.timer_horizon / 2;
  const auto sooner = [&](timestamp other) { at = std::min(at, other); };
  if (!live_.timers.empty())
    sooner(live_.timers.begin()->fire_at);
  if (acknowledge_at_)
    sooner(*acknowledge_at_);
  if (!turns_out_.empty())
    sooner(turns_out_.front().since + durable().config.turn_stuck_time);
  if (!idle_.empty())
    sooner(idle_.front().since + durable().config.idle_instance_time_max);
  if (live_.turn_waits.empty())
    return {at, false};
  const timestamp turn_due
    = live_.turn_waits.front().first + durable().config.turn_wait_max;
  return turn_due < at ? wake_time{turn_due, true} : wake_time{at, false};
}

// --- Dispatching turns to instances -----------------------------------------

void partition_processor::dispatch(timestamp at) {
  // Runs after all messages of the batch, so that results that arrived
  // together become one turn.
  for (const instance_id& id : std::exchange(live_.runnable, {}))
    if (const loaded_instance loaded = find(id)) {
      loaded.live->queued = false;
      dispatch_one(id, loaded, at);
    }
}

void partition_processor::dispatch_one(const instance_id& id,
                                       loaded_instance loaded, timestamp at) {
  // A replay reads the history from the journal, so the newest turn must be
  // durable first; on_durable makes the instance runnable again.
  const bool replays = !loaded.live->warm && !loaded.live->starting
                       && loaded.live->first_history.empty();
  if (replays && loaded.live->position > durable_position_) {
    replays_waiting_.push_back(id);
    return;
  }
  auto item = next_turn(id, loaded, at);
  if (!item)
    return;
  if (item->cold && item->history.empty()) {
    ++live_.counters.replays;
    auto history = reader_.history(durable().config.id, id);
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
  turns_out_.push_back({at, id, item->number});
  idle_.add(loaded.live->idle, *loaded.live, at);
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

std::vector<std::pair<instance_id, std::string>>
partition_processor::stuck() const {
  std::vector<std::pair<instance_id, std::string>> found;
  for (const auto& [id, instance] : live_.instances) {
    const stored_instance* stored = durable().find(id);
    if (instance.turn_out && instance.stuck_reported)
      found.emplace_back(id, "one turn has been running for a long time");
    else if (stored != nullptr && !stored->record.held.empty())
      found.emplace_back(id, stored->record.held);
  }
  return found;
}

} // namespace perdura::actors
