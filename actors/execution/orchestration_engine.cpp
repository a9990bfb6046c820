// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/orchestration_engine.hpp"

#include "persistence/records/text.hpp"

#include <algorithm>
#include <utility>

namespace perdura::actors {

using namespace persistence;

namespace {

/// Throws std::invalid_argument if `name` breaks the rules for names.
void check_request_name(const char* what, std::string_view name) {
  if (persistence::fault_of_name(name) != persistence::name_fault::none)
    throw std::invalid_argument(
      std::string(what)
      + " must be 1 to 256 bytes of UTF-8 without control characters");
}

/// Throws if no instance can have this ID.
void check_instance(std::string_view id) {
  if (const auto checked = persistence::check_instance_id(id); !checked)
    throw std::invalid_argument(checked.error().message);
}

/// Hashes the text for one half of a UUID. The function must never change,
/// because a replay must give the same UUIDs.
/// @source FNV-1a, then variant 13 of Stafford's 64-bit mix functions.
std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = 0xCBF29CE484222325U ^ seed;
  for (char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3U;
  }
  hash ^= hash >> 30;
  hash *= 0xBF58476D1CE4E5B9U;
  hash ^= hash >> 27;
  hash *= 0x94D049BB133111EBU;
  return hash ^ (hash >> 31);
}

} // namespace

orchestration_engine::orchestration_engine(
  execution_identity identity, orchestration_log_sink sink,
  std::unordered_map<task_sequence, task_sequence> reruns)
  : identity_(std::move(identity)),
    log_(sink),
    reruns_(std::move(reruns)),
    rewind_{
      carried_decisions(identity_.execution), {}, false, {}, {}, {}, {}, {}} {}

// --- Requests of the orchestrator's code ------------------------------------

slot_id orchestration_engine::add(orchestration_slot::body_type body) {
  slots_.emplace_back().body = std::move(body);
  return static_cast<slot_id>(slots_.size() - 1);
}

void orchestration_engine::check_decision_limit() const {
  if (turn_.requested >= decisions_per_turn_max)
    throw limit_exceeded("decisions_per_turn_max: \"" + identity_.instance
                         + "\" requested more than "
                         + std::to_string(decisions_per_turn_max)
                         + " tasks, timers and events in one turn; await some "
                           "of them first");
}

/// Requests the decision for the slot. If the decision takes the place of a
/// void one, the slot gets the sequence and the task of that one, and nothing
/// is recorded.
void orchestration_engine::decide(slot_id id, decision asked,
                                  bool child_by_number) {
  auto known = rewind_.carried.take(asked, child_by_number);
  if (!known) {
    track(record(std::move(asked), child_by_number), id);
    return;
  }
  if (known->counts)
    ++turn_.requested;
  track(known->sequence, id);
  renew(id);
  if (!known->result)
    return;
  // The delivery may lead to further decisions of a retry policy with results.
  // They are delivered in a loop, because there may be many.
  rewind_.kept_results.push_back(std::move(*known->result));
  if (rewind_.delivers_kept)
    return;
  rewind_.delivers_kept = true;
  while (!rewind_.kept_results.empty()) {
    history_event result = std::move(rewind_.kept_results.front());
    rewind_.kept_results.pop_front();
    deliver_result(std::move(result));
  }
  rewind_.delivers_kept = false;
}

/// Gives the decision the next free sequence and records it.
task_sequence orchestration_engine::record(decision asked,
                                           bool child_by_number) {
  ++turn_.requested;
  const task_sequence sequence = next_.decision++;
  set_sequence(asked, sequence, child_by_number, identity_.execution);
  used_.add(asked);
  turn_.decisions.push_back(std::move(asked));
  return sequence;
}

void orchestration_engine::track(task_sequence sequence, slot_id id) {
  if (sequence >= slots_by_sequence_.size())
    slots_by_sequence_.resize(sequence + 1, no_slot);
  slots_by_sequence_[sequence] = id;
  slots_[id].sequence = sequence;
}

slot_id
orchestration_engine::request_activity(std::string_view name, std::string input,
                                       const activity_options& options) {
  check_request_name("an activity's name", name);
  check(options);
  check_decision_limit();
  activity_slot body;
  body.name = name;
  // The input is kept only if further attempts are possible.
  if (options.retry.attempts_max > 1)
    body.retry = std::make_unique<call_retry>(
      call_retry{input, {}, {}, options, 1, time_.elapsed, false});
  const slot_id id = add(std::move(body));
  ++used_.open_calls;
  schedule_activity(id, std::move(input), options, 1);
  return id;
}

/// Requests one attempt of an activity.
void orchestration_engine::schedule_activity(slot_id id, std::string input,
                                             const activity_options& options,
                                             std::uint32_t attempt) {
  decide(id, task_scheduled{0, slots_[id].call()->name, std::move(input),
                            attempt, options.time_out, options.start_time_out});
}

slot_id orchestration_engine::request_sub_orchestration(
  std::string_view name, std::string input,
  const sub_orchestration_options& options) {
  check_request_name("an orchestrator's name", name);
  check(options.retry);
  if (!options.instance_id.view().empty())
    check_instance(options.instance_id.view());
  check_decision_limit();
  child_slot body;
  body.name = name;
  std::string version(options.version.view());
  std::string instance(options.instance_id.view());
  if (options.retry.attempts_max > 1)
    body.retry
      = std::make_unique<call_retry>(call_retry{input,
                                                version,
                                                instance,
                                                {.retry = options.retry},
                                                1,
                                                time_.elapsed,
                                                false});
  const slot_id id = add(std::move(body));
  ++used_.open_calls;
  create_child(id, std::move(input), std::move(version), std::move(instance));
  return id;
}

/// Requests one attempt of a sub-orchestration. If `instance` is empty, the ID
/// is derived from the sequence, so each attempt starts another instance.
void orchestration_engine::create_child(slot_id id, std::string input,
                                        std::string version,
                                        std::string instance) {
  const bool by_number = instance.empty();
  decide(id,
         sub_orchestration_instance_created{
           0, slots_[id].call()->name, std::move(version), std::move(instance),
           std::move(input)},
         by_number);
}

slot_id orchestration_engine::request_timer(timestamp fire_at, bool absolute) {
  check_decision_limit();
  return add_timer(fire_at, absolute, no_slot);
}

/// Requests a timer. If `wait` is not no_slot, it is the time-out of that wait.
/// A negative delay becomes zero, a time before the epoch becomes the epoch,
/// and a time after the year 9999 becomes the last time of that year.
slot_id orchestration_engine::add_timer(timestamp fire_at, bool absolute,
                                        slot_id wait) {
  const timestamp first = absolute ? timestamp{} : time_.now;
  fire_at = std::clamp(fire_at, first, std::max(first, timer_fire_at_max));
  timer_slot body;
  body.wait = wait;
  body.times = {fire_at, time_.elapsed + (fire_at - time_.now), absolute};
  const slot_id id = add(std::move(body));
  if (wait != no_slot)
    std::get<event_slot>(slots_[wait].body).timer = id;
  else
    note_opened(id);
  decide(id, timer_created{0, fire_at, absolute});
  return id;
}

slot_id orchestration_engine::request_event(std::string_view name,
                                            std::optional<timestamp> until) {
  check_request_name("an event's name", name);
  if (until)
    check_decision_limit();
  event_slot body;
  body.name = name;
  body.timed = until.has_value();
  body.turn = used_.turns;
  const slot_id id = add(std::move(body));
  slots_[id].sequence = next_.wait++;
  event_queue& queue = events_[event_key(name)];
  // A buffered event completes the wait at once. No timer is created, and the
  // outcome of the turn does not contain the wait.
  if (!queue.buffered.empty()) {
    buffered_event event = std::move(queue.buffered.front());
    queue.buffered.pop_front();
    bind_event(id, std::move(event));
    return id;
  }
  queue.waits.push_back(id);
  turn_.waits_opened.push_back(id);
  note_opened(id);
  if (until)
    add_timer(*until, false, id);
  return id;
}

// A sent event has no slot: the code cannot await it.
void orchestration_engine::send_event(std::string_view instance,
                                      std::string_view name, std::string data) {
  check_instance(instance);
  check_request_name("an event's name", name);
  check_decision_limit();
  decision asked
    = event_sent{0, std::string(instance), std::string(name), std::move(data)};
  if (const auto known = rewind_.carried.take(asked, false); !known)
    record(std::move(asked), false);
  else if (known->counts)
    ++turn_.requested;
}

slot_id orchestration_engine::gather_all(std::span<const slot_id> members) {
  const slot_id id = add(all_slot());
  auto& group = std::get<all_slot>(slots_[id].body);
  group.members.assign(members.begin(), members.end());
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    if (slots_[members[i]].done)
      continue;
    slots_[members[i]].groups.push_back({id, i});
    ++group.open;
  }
  slots_[id].done = group.open == 0;
  return id;
}

slot_id orchestration_engine::gather_any(std::span<const slot_id> members) {
  const slot_id id = add(any_slot());
  auto& group = std::get<any_slot>(slots_[id].body);
  group.members.assign(members.begin(), members.end());
  // If a member is done already, the group is done, too, and no member needs an
  // entry for the group.
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    if (!slots_[members[i]].done)
      continue;
    group.winner = i;
    slots_[id].done = true;
    return id;
  }
  for (std::uint32_t i = 0; i < members.size(); ++i)
    slots_[members[i]].groups.push_back({id, i});
  return id;
}

// Takes effect when the code returns; a later call replaces an earlier one.
void orchestration_engine::continue_as_new(std::string input, bool keep_events,
                                           bool keep_version) {
  continuation_
    = continued_result{std::move(input), keep_events, {}, keep_version};
}

void orchestration_engine::set_custom_status(std::string status) {
  detail::check_bytes(status, {"the custom status", {}},
                      custom_status_bytes_max, "custom_status_bytes_max");
  turn_.custom_status = std::move(status);
}

// The UUID is derived from the execution and the number of the call, so that a
// replay gives the same UUIDs.
std::string orchestration_engine::new_guid() {
  const std::string name = identity_.instance + "/" + identity_.execution + "/"
                           + std::to_string(next_.guid++);
  std::uint64_t high = hash_of(name, 0);
  std::uint64_t low = hash_of(name, 0x9E3779B97F4A7C15U);
  // RFC 9562: version 8 (custom content), variant 10.
  high = (high & ~std::uint64_t{0xF000}) | 0x8000U;
  low = (low & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);
  std::string text;
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20)
      text += '-';
    const std::uint64_t half = nibble < 16 ? high : low;
    text += persistence::hex_digit(
      static_cast<unsigned>(half >> (60 - 4 * (nibble % 16)) & 0xF));
  }
  return text;
}

void orchestration_engine::log(persistence::log_level level,
                               std::string_view text) {
  if (log_ && !replaying_)
    log_(identity_.instance, level, std::string(text));
}

// --- Awaiting and results ---------------------------------------------------

/// Records that the code has observed the outcome of a completed slot and, for
/// a group, of the members that completed it. A rewind that makes a failure
/// void repeats the turn in which it is recorded here.
void orchestration_engine::mark_observed(slot_id id) {
  orchestration_slot& completed = slots_[id];
  if (completed.observed)
    return;
  completed.observed = true;
  if (const auto* any = std::get_if<any_slot>(&completed.body))
    mark_observed(any->members[any->winner]);
  else if (const auto* all = std::get_if<all_slot>(&completed.body))
    for (slot_id member : all->members)
      mark_observed(member);
  else if (const call_slot* call = completed.call(); call && call->failed)
    turn_.failures_received.push_back(call->failed_as);
}

bool orchestration_engine::is_completed(slot_id id) {
  if (slots_[id].done)
    mark_observed(id);
  return slots_[id].done;
}

detail::slot_answer orchestration_engine::take_result(slot_id id) {
  mark_observed(id);
  orchestration_slot& completed = slots_[id];
  if (auto* event = std::get_if<event_slot>(&completed.body)) {
    if (event->cancelled)
      throw task_cancelled();
    event->awaited = true;
    return {event->timed_out ? nullptr : &event->result, event->timed,
            payload_label{"the data of event", event->name}};
  }
  if (call_slot* call = completed.call()) {
    const bool child = std::holds_alternative<child_slot>(completed.body);
    if (call->failed)
      throw task_failed(child ? task_failed::callee::sub_orchestration
                              : task_failed::callee::activity,
                        call->name, call->failure_type, call->result,
                        call->failed_as);
    return {&call->result, false,
            payload_label{child ? "the result of sub-orchestration"
                                : "the result of activity",
                          call->name}};
  }
  if (const auto* task = std::get_if<task_slot>(&completed.body);
      task != nullptr && task->error)
    std::rethrow_exception(task->error);
  // A timer has no result, and those of a group are taken from its members.
  if (completed.throws())
    throw task_cancelled();
  return {};
}

void orchestration_engine::throw_first_failure(slot_id group) {
  mark_observed(group);
  slot_id first = no_slot;
  bool has_tasks = false;
  std::vector<task_sequence> failed;
  for (slot_id member : *slots_[group].members()) {
    if (!slots_[member].throws())
      continue;
    if (first == no_slot)
      first = member;
    if (const call_slot* call = slots_[member].call())
      failed.push_back(call->failed_as);
    has_tasks
      = has_tasks || std::holds_alternative<task_slot>(slots_[member].body);
  }
  if (first == no_slot)
    return;
  if (failed.size() > 1)
    rewind_.failed_together[failed.front()] = std::move(failed);
  if (has_tasks)
    note_thrown_together(group);
  take_result(first);
}

slot_id orchestration_engine::member_of(slot_id group,
                                        std::size_t index) const {
  return (*slots_[group].members())[index];
}

std::size_t orchestration_engine::members_of(slot_id group) const {
  return slots_[group].members()->size();
}

std::size_t orchestration_engine::winner_of(slot_id group) {
  mark_observed(group);
  return std::get<any_slot>(slots_[group].body).winner;
}

// --- The beginning of a turn ------------------------------------------------

// The results of earlier turns stay in `slots_`; only the output is cleared.
void orchestration_engine::begin_turn(timestamp now, elapsed_time elapsed,
                                      bool replaying) {
  time_.now = now;
  time_.elapsed = elapsed;
  replaying_ = replaying;
  ++used_.turns;
  turn_ = {};
  used_.events += 2; // the begin and the end of the turn
}

void orchestration_engine::close() {
  closed_ = true;
}

// --- The end of a turn ------------------------------------------------------

/// Lists all waits that are open now.
void orchestration_engine::list_waits(turn_outcome& outcome) const {
  auto& open = outcome.waits_open.emplace();
  for (const orchestration_slot& one : slots_)
    if (const auto* event = std::get_if<event_slot>(&one.body);
        event != nullptr && !one.done)
      open.push_back({one.sequence, event->name});
}

void orchestration_engine::end_turn(turn_outcome& outcome, bool lists_waits) {
  if (turn_.rewound)
    rewind_.carried.end_turn();
  // An event is consumed when a wait receives it, which may be later than its
  // delivery. The sort restores the order of delivery.
  std::sort(turn_.consumed.begin(), turn_.consumed.end(),
            [](const auto& a, const auto& b) { return a.ordinal < b.ordinal; });
  for (const consumed_message& message : turn_.consumed)
    outcome.consumed.push_back(message.sequence);
  outcome.decisions = std::move(turn_.decisions);
  if (turn_.rewound)
    list_timers(outcome);
  else
    outcome.timers_cancelled = std::move(turn_.timers_cancelled);
  for (slot_id id : turn_.waits_opened)
    if (!slots_[id].done)
      outcome.waits_opened.push_back(
        {slots_[id].sequence, std::get<event_slot>(slots_[id].body).name});
  if (lists_waits)
    list_waits(outcome);
  outcome.waits_closed = std::move(turn_.waits_closed);
  outcome.orphans = rewind_.carried.take_orphans();
  outcome.failures_received = std::move(turn_.failures_received);
  outcome.custom_status = std::move(turn_.custom_status);
  outcome.next_sequence = next_.decision;
  turn_ = {};
}

std::optional<continued_result> orchestration_engine::continuation() const {
  std::optional<continued_result> result = continuation_;
  if (!result || !result->keep_events)
    return result;
  // Unprocessed events that are not in the inbox: events bound to a wait that
  // the code never awaited, and buffered events of a replayed turn.
  std::vector<std::pair<std::uint64_t, history_event>> unread;
  // An ordinal other than 0 means that an event was bound to the wait.
  for (const orchestration_slot& one : slots_)
    if (const auto* event = std::get_if<event_slot>(&one.body);
        event && event->ordinal != 0 && !event->awaited)
      unread.push_back(
        {event->ordinal,
         {event->time, event_raised{event->name, event->result}}});
  for (const auto& [name, queue] : events_)
    for (const buffered_event& event : queue.buffered)
      if (event.sequence == 0)
        unread.push_back({event.ordinal, {event.time, event.raised}});
  std::sort(unread.begin(), unread.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [ordinal, event] : unread)
    result->carried.push_back(std::move(event));
  return result;
}

} // namespace perdura::actors
