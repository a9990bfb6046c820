// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/orchestration_engine.hpp"

#include "actors/execution/replay.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <utility>

namespace perdura::actors {

using namespace persistence;

namespace {

/// Throws std::invalid_argument if `name` breaks the rules for names.
void check_name(const char* what, std::string_view name) {
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

/// Sets the sequence of a decision, for the kinds that have one.
void set_sequence(decision& asked, task_sequence sequence) {
  std::visit(
    [&](auto& body) {
      if constexpr (requires { body.sequence; })
        body.sequence = sequence;
    },
    asked);
}

/// Returns the sequence of a decision, or 0 if its kind has none.
task_sequence sequence_of(const decision& asked) {
  return std::visit(
    [](const auto& body) -> task_sequence {
      if constexpr (requires { body.sequence; })
        return body.sequence;
      else
        return 0;
    },
    asked);
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
  : identity_(std::move(identity)), log_(sink), reruns_(std::move(reruns)) {}

// --- Requests of the orchestrator's code ------------------------------------

/// Adds a slot. Slots are never removed, so a slot ID is an index in `slots_`.
orchestration_engine::slot_id orchestration_engine::add(slot_kind kind,
                                                        std::string_view name) {
  slot& added = slots_.emplace_back();
  added.kind = kind;
  added.name = name;
  added.turn = turn_count_;
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

/// Numbers the decision. If the decision equals the next decision of a rewound
/// turn, it gets the sequence of the rewound turn's decision and is not
/// recorded again. Otherwise it gets the next free sequence and is recorded.
task_sequence orchestration_engine::decide(decision asked,
                                           bool child_by_number) {
  ++turn_.requested;
  // If the code did not choose an ID for a child, the ID contains the
  // decision's sequence. The lambda therefore sets sequence and ID before the
  // decisions are compared.
  auto number = [&](task_sequence sequence) {
    set_sequence(asked, sequence);
    if (child_by_number)
      std::get<sub_orchestration_instance_created>(asked).instance
        = identity_.execution + ":" + std::to_string(sequence);
  };
  while (!carried_decisions_.empty()) {
    std::deque<const history_event*>& before = carried_decisions_.front();
    if (!before.empty()) {
      const decision& first = before.front()->body;
      number(sequence_of(first));
      if (is_same_request(asked, first)) {
        before.pop_front();
        return sequence_of(first);
      }
    }
    // The list is used up, or its next decision differs from that of the code.
    // Continue with the next list, if there is one: it contains the decisions
    // that a later failed turn made from this point on.
    release_carried_decisions();
  }
  const task_sequence sequence = next_sequence_++;
  number(sequence);
  turn_.decisions.push_back(std::move(asked));
  return sequence;
}

void orchestration_engine::track(task_sequence sequence, slot_id id) {
  if (sequence >= slots_by_sequence_.size())
    slots_by_sequence_.resize(sequence + 1, no_slot);
  slots_by_sequence_[sequence] = id;
  slots_[id].sequence = sequence;
}

orchestration_engine::slot_id
orchestration_engine::request_activity(std::string_view name, std::string input,
                                       const activity_options& options) {
  check_name("an activity's name", name);
  check(options.retry);
  check_decision_limit();
  const slot_id id = add(slot_kind::activity, name);
  // The input is kept only if further attempts are possible.
  if (options.retry.attempts_max > 1)
    slots_[id].retry
      = std::make_unique<call>(call{input, {}, {}, options, 1, now_, false});
  schedule_activity(id, std::move(input), options, 1);
  return id;
}

/// Requests one attempt of an activity.
void orchestration_engine::schedule_activity(slot_id id, std::string input,
                                             const activity_options& options,
                                             std::uint32_t attempt) {
  track(decide(task_scheduled{0, slots_[id].name, std::move(input), attempt,
                              options.time_out, options.start_time_out}),
        id);
}

orchestration_engine::slot_id orchestration_engine::request_sub_orchestration(
  std::string_view name, std::string input,
  const sub_orchestration_options& options) {
  check_name("an orchestrator's name", name);
  check(options.retry);
  if (!options.instance_id.empty())
    check_instance(options.instance_id);
  check_decision_limit();
  const slot_id id = add(slot_kind::child, name);
  std::string version(options.version);
  std::string instance(options.instance_id);
  if (options.retry.attempts_max > 1)
    slots_[id].retry = std::make_unique<call>(
      call{input, version, instance, {.retry = options.retry}, 1, now_, false});
  create_child(id, std::move(input), std::move(version), std::move(instance));
  return id;
}

/// Requests one attempt of a sub-orchestration. If `instance` is empty, the ID
/// is derived from the sequence, so each attempt starts another instance.
void orchestration_engine::create_child(slot_id id, std::string input,
                                        std::string version,
                                        std::string instance) {
  const bool by_number = instance.empty();
  track(decide(sub_orchestration_instance_created{0, slots_[id].name,
                                                  std::move(version),
                                                  std::move(instance),
                                                  std::move(input)},
               by_number),
        id);
}

// A time in the past becomes the time of the turn, and a time after the year
// 9999 becomes the last time of that year.
orchestration_engine::slot_id
orchestration_engine::request_timer(timestamp fire_at) {
  check_decision_limit();
  const slot_id id = add(slot_kind::timer, {});
  track(decide(timer_created{
          0, std::clamp(fire_at, now_, std::max(now_, timer_fire_at_max))}),
        id);
  return id;
}

orchestration_engine::slot_id
orchestration_engine::request_event(std::string_view name,
                                    std::optional<timestamp> until) {
  check_name("an event's name", name);
  if (until)
    check_decision_limit();
  const slot_id id = add(slot_kind::event, name);
  slots_[id].sequence = next_wait_++;
  slots_[id].timed = until.has_value();
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
  if (until) {
    const slot_id timer = request_timer(*until);
    slots_[timer].linked = id;
    slots_[id].linked = timer;
  }
  return id;
}

// A sent event has no slot: the code cannot await it.
void orchestration_engine::send_event(std::string_view instance,
                                      std::string_view name, std::string data) {
  check_instance(instance);
  check_name("an event's name", name);
  check_decision_limit();
  decide(
    event_sent{0, std::string(instance), std::string(name), std::move(data)});
}

// For `all`, `slot::open` counts the members that are not done.
orchestration_engine::slot_id
orchestration_engine::gather_all(std::span<const slot_id> members) {
  const slot_id id = add(slot_kind::all, {});
  slot& group = slots_[id];
  group.members.assign(members.begin(), members.end());
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    if (slots_[members[i]].done)
      continue;
    slots_[members[i]].groups.push_back({id, i});
    ++group.open;
  }
  group.done = group.open == 0;
  return id;
}

// For `any`, `slot::open` is the index of the member that was done first.
orchestration_engine::slot_id
orchestration_engine::gather_any(std::span<const slot_id> members) {
  const slot_id id = add(slot_kind::any, {});
  slot& group = slots_[id];
  group.members.assign(members.begin(), members.end());
  // If a member is done already, the group is done, too, and no member needs an
  // entry for the group.
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    if (!slots_[members[i]].done)
      continue;
    group.open = i;
    group.done = true;
    return id;
  }
  for (std::uint32_t i = 0; i < members.size(); ++i)
    slots_[members[i]].groups.push_back({id, i});
  return id;
}

// Takes effect when the code returns; a later call replaces an earlier one.
void orchestration_engine::continue_as_new(std::string input,
                                           bool keep_events) {
  continuation_ = continued_result{std::move(input), keep_events, {}};
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
                           + std::to_string(guids_++);
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
/// a group, of the members that completed it. If a later turn fails and is
/// rewound, the failures that are recorded here stay valid.
void orchestration_engine::mark_observed(slot_id id) {
  slot& completed = slots_[id];
  if (completed.observed)
    return;
  completed.observed = true;
  if (completed.kind == slot_kind::any)
    mark_observed(completed.members[completed.open]);
  else if (completed.kind == slot_kind::all)
    for (slot_id member : completed.members)
      mark_observed(member);
  else if (completed.failed)
    turn_.failures_received.push_back(completed.failed_as);
}

bool orchestration_engine::is_completed(slot_id id) {
  if (slots_[id].done)
    mark_observed(id);
  return slots_[id].done;
}

detail::slot_answer orchestration_engine::take_result(slot_id id) {
  mark_observed(id);
  slot& completed = slots_[id];
  if (completed.cancelled)
    throw task_cancelled();
  const bool child = completed.kind == slot_kind::child;
  if (completed.failed)
    throw task_failed(child ? task_failed::callee::sub_orchestration
                            : task_failed::callee::activity,
                      completed.name, completed.failure_type, completed.result);
  completed.awaited = true;
  const char* role = child ? "the result of sub-orchestration"
                     : completed.kind == slot_kind::event
                       ? "the data of event"
                       : "the result of activity";
  return {completed.timed_out ? nullptr : &completed.result, completed.timed,
          payload_label{role, completed.name}};
}

void orchestration_engine::throw_first_failure(slot_id group) {
  mark_observed(group);
  for (slot_id member : slots_[group].members)
    if (slots_[member].failed || slots_[member].cancelled)
      take_result(member);
}

orchestration_engine::slot_id
orchestration_engine::member_of(slot_id group, std::size_t index) const {
  return slots_[group].members[index];
}

std::size_t orchestration_engine::members_of(slot_id group) const {
  return slots_[group].members.size();
}

std::size_t orchestration_engine::winner_of(slot_id group) {
  mark_observed(group);
  return slots_[group].open;
}

void orchestration_engine::suspend_on(slot_id id,
                                      detail::promise_base& waiter) {
  waiter_ = &waiter;
  waits_on_ = id;
}

void orchestration_engine::deregister(detail::promise_base& waiter) noexcept {
  if (waiter_ == &waiter)
    waiter_ = nullptr;
}

void orchestration_engine::continue_with(
  std::coroutine_handle<> next) noexcept {
  next_ = next;
}

bool orchestration_engine::is_ready() const {
  return waiter_ && slots_[waits_on_].done;
}

// The registration is removed first, because the coroutine may register again.
void orchestration_engine::resume() {
  run(std::exchange(waiter_, nullptr)->self);
}

void orchestration_engine::run(std::coroutine_handle<> frame) {
  // A coroutine that ends sets its parent in `next_` instead of resuming the
  // parent itself, so the stack does not grow.
  next_ = frame;
  while (next_)
    std::exchange(next_, nullptr).resume();
}

// --- The beginning of a turn ------------------------------------------------

// The results of earlier turns stay in `slots_`; only the output is cleared.
void orchestration_engine::begin_turn(timestamp now, bool replaying) {
  now_ = now;
  replaying_ = replaying;
  ++turn_count_;
  turn_ = {};
}

// `decide` compares the new decisions with those in `carried_decisions_`.
void orchestration_engine::resume_rewound_turn(rewound_turn rewound) {
  turn_.rewound = true;
  next_sequence_ = std::max(next_sequence_, rewound.next_sequence);
  for (const auto& decisions : rewound.decisions)
    carried_decisions_.emplace_back(decisions.begin(), decisions.end());
  for (task_sequence sequence : rewound.renewed) {
    slot* renewed = open_task(sequence);
    if (!renewed || !renewed->retry)
      continue;
    // A rewind gives the retry policy a new budget of attempts and time.
    renewed->retry->attempt = 1;
    renewed->retry->first_at = now_;
  }
}

/// Drops the first list of carried decisions. The decisions left in the list
/// were not requested again, so their tasks are orphans.
void orchestration_engine::release_carried_decisions() {
  for (const history_event* orphan : carried_decisions_.front())
    turn_.orphans.push_back(sequence_of(orphan->body));
  carried_decisions_.pop_front();
}

void orchestration_engine::close() {
  closed_ = true;
}

// --- The end of a turn ------------------------------------------------------

void orchestration_engine::end_turn(turn_outcome& outcome) {
  while (!carried_decisions_.empty())
    release_carried_decisions();
  // An event is consumed when a wait receives it, which may be later than its
  // delivery. The sort restores the order of delivery.
  std::sort(turn_.consumed.begin(), turn_.consumed.end(),
            [](const auto& a, const auto& b) { return a.ordinal < b.ordinal; });
  for (const consumed_message& message : turn_.consumed)
    outcome.consumed.push_back(message.sequence);
  outcome.decisions = std::move(turn_.decisions);
  if (turn_.rewound) {
    // The partition ignored the waits and the cancelled timers of the failed
    // turn that this turn replaces. Report all waits that are open now and all
    // timers that are cancelled now.
    for (const slot& one : slots_) {
      if (one.kind == slot_kind::event && !one.done)
        outcome.waits_opened.push_back({one.sequence, one.name});
      if (one.kind == slot_kind::timer && one.cancelled && !one.fired)
        outcome.timers_cancelled.push_back(one.sequence);
    }
  } else {
    for (slot_id id : turn_.waits_opened)
      if (!slots_[id].done)
        outcome.waits_opened.push_back({slots_[id].sequence, slots_[id].name});
    for (task_sequence timer : turn_.timers_cancelled)
      outcome.timers_cancelled.push_back(timer);
  }
  outcome.waits_closed = std::move(turn_.waits_closed);
  outcome.orphans = std::move(turn_.orphans);
  outcome.failures_received = std::move(turn_.failures_received);
  outcome.custom_status = std::move(turn_.custom_status);
  outcome.next_sequence = next_sequence_;
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
  for (const slot& one : slots_)
    if (one.kind == slot_kind::event && one.ordinal != 0 && !one.awaited)
      unread.push_back(
        {one.ordinal, {one.time, event_raised{one.name, one.result}}});
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
