#include "actors/partition/partition_processor.hpp"

#include "actors/partition/status_reader.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>

// The one law: no effect leaves a partition before its cause is durable.
//
//   message ──step──▶ turn {writes, effects} ──apply──▶ state
//                          │        └────────held────────┐
//                          ▼                             ▼
//                       journal ──sync──▶ on_durable ──perform──▶ the world

namespace perdura::actors {

partition_processor::partition_processor(partition_config config,
                                         journal& ledger, const clock& time,
                                         partition_host& host)
  : journal_(ledger), clock_(time), host_(host) {
  state_.config = std::move(config);
}

partition_processor::~partition_processor() = default;

timestamp partition_processor::now() const {
  return std::max(clock_.now(), state_.meta.now);
}

// --- The batch --------------------------------------------------------------

void partition_processor::take(std::span<inbound> batch) {
  const timestamp at = now(); // the only clock read of the batch
  for (inbound& message : batch)
    handle(message, at);
  look_at_time(at);
  dispatch(at);
  drop_runs();
  evict(at);
  tell_gathered();
}

void partition_processor::tell_gathered() {
  if (std::exchange(has_gathered_, false))
    host_.gathered();
}

void partition_processor::on_durable(journal_position reached) {
  durable_ = std::max(durable_, reached);
  while (!held_.empty() && held_.begin()->first <= durable_) {
    std::vector<effect> due = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    for (effect& one : due)
      perform(one);
  }
  while (!refills_.empty() && refills_.front().until <= durable_)
    refill_timers();
  for (const instance_id& id : std::exchange(undurable_, {}))
    if (live_instance* live = state_.find(id))
      make_runnable(state_, id, *live);
  std::vector<inbound> ready;
  while (!deferred_.empty() && deferred_.front().until <= durable_) {
    ready.push_back(std::move(deferred_.front().message));
    deferred_.pop_front();
  }
  if (!ready.empty() || !state_.runnable.empty())
    take(ready);
  else
    evict(state_.meta.now);
}

void partition_processor::handle(inbound& message, timestamp at) {
  if (auto* request = std::get_if<management_inbound>(&message)) {
    handle_request(*request, at);
  } else if (auto* outcome = std::get_if<turn_outcome>(&message)) {
    const instance_id id = outcome->instance;
    emit(step_turn_completed(state_, std::move(*outcome), at), id, at);
  } else if (auto* activity = std::get_if<activity_result>(&message)) {
    load(activity->instance, at);
    emit(step_activity_result(state_, *activity, at), activity->instance, at);
  } else if (auto* from = std::get_if<partition_message>(&message)) {
    handle_partition(*from, at);
  } else {
    take_acknowledgement(std::get<partition_acknowledgement>(message), at);
  }
}

void partition_processor::handle_request(management_inbound& message,
                                         timestamp at) {
  const reply_to from = message.from;
  const instance_id id = instance_of(message.request);
  if (const auto* status = std::get_if<get_status>(&message.request)) {
    // Read from the journal, when all that it could miss is durable.
    const live_instance* live = state_.find(id);
    turn out;
    out.effects.push_back(read_effect{{from}, *status});
    hold(live != nullptr ? live->position : 0, std::move(out.effects));
    return;
  }
  if (std::holds_alternative<cancel_wait>(message.request)) {
    auto it = state_.waiters.find(id);
    if (it == state_.waiters.end())
      return;
    std::erase_if(it->second, [&](const waiter& one) {
      return one.to.door == from.door && one.to.correlation == from.correlation;
    });
    if (it->second.empty())
      state_.waiters.erase(it);
    return;
  }
  load(id, at);
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
  if (auto* rewound = std::get_if<rewind_instance>(&message.request)) {
    settle(id, at);
    if (defer_until_durable(id, message))
      return;
    const live_instance* live = state_.find(id);
    std::vector<history_event> history;
    if (live != nullptr && live->stored
        && live->stored->record.status == runtime_status::failed) {
      auto read = journal_.history(state_.config.id, id);
      if (!read) {
        emit(refuse(from, read.error().code, read.error().message), id, at);
        return;
      }
      history = std::move(*read);
    }
    emit(step_rewind(state_, *rewound, history, from, at), id, at);
    return;
  }
  emit(std::visit(
         [&](auto& x) -> turn {
           using type = std::decay_t<decltype(x)>;
           if constexpr (std::is_same_v<type, start_instance>)
             return step_start_instance(state_, x, from, at);
           else if constexpr (std::is_same_v<type, raise_event>)
             return step_raise_event(state_, x, from, at);
           else if constexpr (std::is_same_v<type, wait_instance>)
             return step_wait(state_, x, from);
           else {
             settle(id, at);
             if constexpr (std::is_same_v<type, terminate_instance>)
               return step_terminate(state_, x, from, at);
             else if constexpr (std::is_same_v<type, suspend_instance>)
               return step_suspend(state_, x, from, at);
             else if constexpr (std::is_same_v<type, resume_instance>)
               return step_resume(state_, x, from, at);
             else if constexpr (std::is_same_v<type, purge_instance>)
               return step_purge(state_, x, from);
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
  // In order of the source: what follows a deferred message waits behind it.
  for (const deferred_message& earlier : deferred_)
    if (const auto* other = std::get_if<partition_message>(&earlier.message))
      if (other->from == from
          && other->message.sequence <= message.message.sequence) {
        if (other->message.sequence < message.message.sequence)
          deferred_.push_back({deferred_.back().until, std::move(message)});
        return;
      }
  auto& taken = state_.marks_taken[from];
  const std::uint64_t sequence = message.message.sequence;
  if (sequence != taken + 1) {
    ++state_.counters.messages_repeated;
    const auto mark = state_.marks.find(from);
    turn out;
    out.effects.push_back(
      acknowledge_effect{from, mark == state_.marks.end() ? 0 : mark->second});
    hold(last_, std::move(out.effects));
    return;
  }
  const instance_id id = message.message.to_instance;
  load(id, at);
  if (std::holds_alternative<child_rewind>(message.message.body)
      && defer_until_durable(id, message))
    return;
  taken = sequence;
  emit(step_partition(message, {from, sequence}, at), id, at);
}

turn partition_processor::step_partition(partition_message& message,
                                         dedup_mark source, timestamp at) {
  const instance_id& id = message.message.to_instance;
  return std::visit(
    [&](const auto& x) -> turn {
      using type = std::decay_t<decltype(x)>;
      if constexpr (std::is_same_v<type, child_start>) {
        return step_child_start(state_, id, x, source, at);
      } else if constexpr (std::is_same_v<type, child_ended>) {
        return step_child_ended(state_, id, x, source, at);
      } else if constexpr (std::is_same_v<type, event_send>) {
        return step_event_send(state_, id, x, source, at);
      } else if constexpr (std::is_same_v<type, child_terminate>) {
        settle(id, at);
        return step_child_terminate(state_, id, x, source, at);
      } else {
        auto history = journal_.history(state_.config.id, id);
        return step_child_rewind(state_, id, x,
                                 history ? std::move(*history)
                                         : std::vector<history_event>{},
                                 source, at);
      }
    },
    message.message.body);
}

/// Keeps a message that wants the durable history until it is durable.
bool partition_processor::defer_until_durable(const instance_id& id,
                                              inbound message) {
  const live_instance* live = state_.find(id);
  if (live == nullptr || live->position <= durable_)
    return false;
  deferred_.push_back({live->position, std::move(message)});
  return true;
}

void partition_processor::settle(const instance_id& id, timestamp at) {
  live_instance* live = state_.find(id);
  if (live != nullptr && (live->starting || !live->arrived.empty()))
    emit(step_settle(state_, id, *live, at), id, at);
}

live_instance* partition_processor::load(const instance_id& id, timestamp at) {
  if (live_instance* live = state_.find(id)) {
    live->touched = at;
    return live;
  }
  auto stored = journal_.read(state_.config.id, id);
  if (!stored) {
    host_.log(4, stored.error().message);
    return nullptr;
  }
  if (!*stored)
    return nullptr;
  live_instance& live = state_.live[id];
  live.stored = std::move(*stored);
  live.next_inbox = live.stored->record.next_inbox;
  live.touched = at;
  keep(id, live, at);
  return &live;
}

// --- Turns to the journal, effects held -------------------------------------

void partition_processor::emit(turn next, const instance_id& about,
                               timestamp at) {
  if (!next.sources.empty())
    settle_earlier(next, at);
  if (next.writes_nothing()) {
    if (next.effects.empty())
      return;
    const live_instance* live = state_.find(about);
    hold(live != nullptr ? live->position : 0, std::move(next.effects));
    return;
  }
  journal_turn(next, at);
}

void partition_processor::journal_turn(turn& next, timestamp at) {
  turn_writes& writes = next.writes;
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
  for (const auto& [to, sequence] : state_.acknowledged)
    writes.outbox_acknowledged.push_back({to, sequence});
  state_.acknowledged.clear();
  acknowledge_at_.reset();
  std::map<partition_id, std::uint64_t> heads;
  for (outbox_message& message : writes.outbox) {
    auto [it, fresh] = heads.try_emplace(message.to, 0);
    if (fresh)
      it->second = state_.outbox_heads[message.to];
    message.sequence = ++it->second;
    next.effects.push_back(outbox_effect{message});
  }
  writes.partition = state_.config.id;
  writes.epoch = state_.meta.epoch;
  writes.sequence = state_.meta.sequence + 1;
  writes.now = at;
  apply(state_, writes);
  answer_reads(next);
  std::vector<instance_id> touched;
  touched.reserve(writes.instances.size());
  for (const instance_write& write : writes.instances)
    touched.push_back(write.id);
  last_ = journal_.gather(std::move(writes));
  has_gathered_ = true;
  for (const instance_id& id : touched)
    if (live_instance* live = state_.find(id)) {
      live->position = last_;
      live->touched = at;
      keep(id, *live, at);
      if (live->stored && is_finished(live->stored->record.status))
        ended_.emplace_back(last_, id);
    }
  if (!next.effects.empty())
    hold(last_, std::move(next.effects));
}

/// Who waits for what this turn has made of an instance need not have it read.
void partition_processor::answer_reads(turn& next) {
  for (effect& one : next.effects) {
    auto* read = std::get_if<read_effect>(&one);
    if (read == nullptr || read->request.show_input
        || read->request.show_history)
      continue;
    const live_instance* live = state_.find(read->request.id);
    for (const instance_write& write : next.writes.instances)
      if (write.id == read->request.id && live != nullptr && live->stored)
        read->known = status_after(*live->stored, write);
  }
}

void partition_processor::hold(journal_position until,
                               std::vector<effect> effects) {
  if (until <= durable_) {
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
        host_.acknowledge({state_.config.id, x.sequence}, x.to);
      else
        host_.log(x.level, x.text);
    },
    due);
}

void partition_processor::perform_read(const read_effect& read) {
  const management_answer answer = answer_with(
    read.request.id,
    read.known ? result<std::shared_ptr<const instance_status>>(read.known)
               : read_status(journal_, state_.config.id, read.request));
  for (const reply_to& to : read.to)
    host_.answer(to, answer);
}

// --- What time brings -------------------------------------------------------

/// Whether something that came then waits for a turn.
bool partition_processor::still_waits(timestamp since,
                                      const instance_id& id) const {
  const auto found = state_.live.find(id);
  if (found == state_.live.end())
    return false;
  const live_instance& live = found->second;
  return (live.starting && live.starting->accepted_at <= since)
         || std::any_of(live.arrived.begin(), live.arrived.end(),
                        [&](const arrived_message& message) {
                          return message.since <= since;
                        });
}

void partition_processor::look_at_time(timestamp at) {
  // Most have had their turn meanwhile: nobody need be woken for those.
  while (!state_.waiting.empty()) {
    const auto& [since, id] = state_.waiting.front();
    const bool waits = still_waits(since, id);
    if (waits && since + state_.config.turn_wait_max > at)
      break;
    const instance_id due = std::move(state_.waiting.front().second);
    state_.waiting.pop_front();
    if (waits)
      settle(due, at);
  }
  while (!state_.timers.empty() && state_.timers.begin()->fire_at <= at) {
    const due_task due = *state_.timers.begin();
    state_.timers.erase(state_.timers.begin());
    load(due.instance, at);
    emit(step_timer_due(state_, due, at), due.instance, at);
  }
  if (state_.timers_until - at < state_.config.timer_horizon / 2)
    extend_timers(at);
  if (acknowledge_at_ && *acknowledge_at_ <= at) {
    turn alone;
    for (const auto& [to, sequence] : state_.acknowledged)
      alone.writes.outbox_acknowledged.push_back({to, sequence});
    state_.acknowledged.clear();
    acknowledge_at_.reset();
    if (!alone.writes.outbox_acknowledged.empty())
      journal_turn(alone, at);
  }
  while (!turns_out_.empty()
         && turns_out_.front().since + state_.config.turn_stuck_time <= at) {
    const turn_out_since out = std::move(turns_out_.front());
    turns_out_.pop_front();
    live_instance* live = state_.find(out.id);
    if (live == nullptr || !live->turn_out || live->number != out.number)
      continue;
    live->stuck_named = true;
    host_.log(
      3, "instance \"" + out.id + "\" has been in one turn for more than "
           + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(
                              state_.config.turn_stuck_time)
                              .count())
           + " s; its orchestrator may never await. It can be "
             "terminated.");
  }
}

void partition_processor::extend_timers(timestamp at) {
  // New timers up to the new end go to memory from here on; those that were
  // written before are fetched when they are durable.
  const timestamp until = at + state_.config.timer_horizon;
  refills_.push_back({last_, state_.timers_until, until});
  state_.timers_until = until;
  while (!refills_.empty() && refills_.front().until <= durable_)
    refill_timers();
}

void partition_processor::refill_timers() {
  const timer_refill range = refills_.front();
  refills_.pop_front();
  auto found = journal_.due(state_.config.id, range.after, range.last);
  if (!found) {
    host_.log(4, found.error().message);
    return;
  }
  state_.timers.insert(found->begin(), found->end());
}

wake_time partition_processor::wake_at() const {
  timestamp at = state_.timers_until - state_.config.timer_horizon / 2;
  const auto sooner = [&](timestamp other) { at = std::min(at, other); };
  if (!state_.timers.empty())
    sooner(state_.timers.begin()->fire_at);
  if (acknowledge_at_)
    sooner(*acknowledge_at_);
  if (!turns_out_.empty())
    sooner(turns_out_.front().since + state_.config.turn_stuck_time);
  if (!idle_.empty())
    sooner(idle_.front().first + state_.config.idle_instance_time_max);
  if (state_.waiting.empty())
    return {at, false};
  const timestamp turn_due
    = state_.waiting.front().first + state_.config.turn_wait_max;
  return turn_due < at ? wake_time{turn_due, true} : wake_time{at, false};
}

// --- Turns to the instances -------------------------------------------------

void partition_processor::dispatch(timestamp at) {
  // Everything of the batch is in: results that arrived together are one turn.
  for (const instance_id& id : std::exchange(state_.runnable, {}))
    if (live_instance* live = state_.find(id)) {
      live->queued = false;
      dispatch_one(id, *live, at);
    }
}

void partition_processor::dispatch_one(const instance_id& id,
                                       live_instance& live, timestamp at) {
  const bool replays
    = !live.warm && !live.starting && live.first_history.empty();
  if (replays && live.position > durable_) {
    undurable_.push_back(id);
    return;
  }
  auto item = next_turn(id, live, at);
  if (!item)
    return;
  if (item->cold && item->history.empty()) {
    ++state_.counters.replays;
    auto history = journal_.history(state_.config.id, id);
    if (!history) {
      turn_outcome held;
      held.instance = id;
      held.execution = item->execution;
      held.number = item->number;
      held.result = held_result{history.error()};
      emit(step_turn_completed(state_, std::move(held), at), id, at);
      return;
    }
    item->history = std::move(*history);
  }
  turns_out_.push_back({at, id, item->number});
  keep(id, live, at);
  host_.run_turn(std::move(*item));
}

void partition_processor::drop_runs() {
  for (const instance_id& id : std::exchange(state_.dropped, {})) {
    const live_instance* live = state_.find(id);
    if (live == nullptr || !live->turn_out)
      host_.drop_run(id);
  }
}

std::vector<std::pair<instance_id, std::string>>
partition_processor::stuck() const {
  std::vector<std::pair<instance_id, std::string>> found;
  for (const auto& [id, live] : state_.live) {
    if (live.turn_out && live.stuck_named)
      found.emplace_back(id, "one turn has been running for long");
    else if (live.stored && !live.stored->record.held.empty())
      found.emplace_back(id, live.stored->record.held);
  }
  return found;
}

} // namespace perdura::actors
