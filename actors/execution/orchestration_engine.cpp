#include "actors/execution/orchestration_engine.hpp"

#include "actors/execution/replay.hpp"

#include <algorithm>
#include <utility>

namespace perdura::actors {

namespace {

void check_name(const char* what, std::string_view name) {
  if (!is_valid_name(name))
    throw std::invalid_argument(
      std::string(what)
      + " must be 1 to 256 bytes of UTF-8 without control characters");
}

/// @source Azure docs, "Manage instances": what an instance ID may hold.
void check_instance(std::string_view id) {
  if (!is_valid_name(id) || id.find_first_of("/\\#?") != id.npos
      || id.starts_with('@'))
    throw std::invalid_argument(
      "an instance ID must be 1 to 256 bytes of UTF-8 without / \\ # ?, "
      "control characters and a leading @");
}

void set_sequence(decision& asked, task_sequence sequence) {
  std::visit(
    [&](auto& body) {
      if constexpr (requires { body.sequence; })
        body.sequence = sequence;
    },
    asked);
}

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

/// FNV-1a with its last step stirred (Stafford's mix 13), once for each half
/// of a UUID. Replays depend on it: never change it.
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
  identity who, orchestration_log_sink sink,
  std::unordered_map<task_sequence, task_sequence> reruns)
  : who_(std::move(who)), log_(sink), reruns_(std::move(reruns)) {}

// --- what the code asks for -------------------------------------------------

orchestration_engine::slot_id orchestration_engine::add(slot_kind kind,
                                                        std::string_view name) {
  slot& added = slots_.emplace_back();
  added.kind = kind;
  added.name = name;
  added.turn = turn_count_;
  return static_cast<slot_id>(slots_.size() - 1);
}

void orchestration_engine::expect_room() const {
  if (turn_.asked >= decisions_per_turn_max)
    throw limit_exceeded("decisions_per_turn_max: \"" + who_.instance
                         + "\" asked for more than "
                         + std::to_string(decisions_per_turn_max)
                         + " things in one turn; await some of them first");
}

/// Gives the decision its number: that of the same decision of a turn that a
/// rewind runs again, or the next one.
task_sequence orchestration_engine::decide(decision asked,
                                           bool child_by_number) {
  ++turn_.asked;
  auto number = [&](task_sequence sequence) {
    set_sequence(asked, sequence);
    if (child_by_number)
      std::get<sub_orchestration_instance_created>(asked).instance
        = who_.execution + ":" + std::to_string(sequence);
  };
  while (!adopted_.empty()) {
    std::deque<const history_event*>& before = adopted_.front();
    if (!before.empty()) {
      const decision& first = before.front()->body;
      number(sequence_of(first));
      if (is_same_request(asked, first)) {
        before.pop_front();
        return sequence_of(first);
      }
    }
    // Here that turn and this one part; the next list, if there is one, is
    // what the code asked for when they parted before.
    release_adopted();
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
orchestration_engine::ask_activity(std::string_view name, std::string input,
                                   const activity_options& options) {
  check_name("an activity's name", name);
  check(options.retry);
  expect_room();
  const slot_id id = add(slot_kind::activity, name);
  if (options.retry.attempts_max > 1)
    slots_[id].retry
      = std::make_unique<call>(call{input, {}, {}, options, 1, now_, false});
  schedule_activity(id, std::move(input), options, 1);
  return id;
}

void orchestration_engine::schedule_activity(slot_id id, std::string input,
                                             const activity_options& options,
                                             std::uint32_t attempt) {
  track(decide(task_scheduled{0, slots_[id].name, std::move(input), attempt,
                              options.time_out, options.start_time_out}),
        id);
}

orchestration_engine::slot_id orchestration_engine::ask_sub_orchestration(
  std::string_view name, std::string input,
  const sub_orchestration_options& options) {
  check_name("an orchestrator's name", name);
  check(options.retry);
  if (!options.instance_id.empty())
    check_instance(options.instance_id);
  expect_room();
  const slot_id id = add(slot_kind::child, name);
  std::string version(options.version);
  std::string instance(options.instance_id);
  if (options.retry.attempts_max > 1)
    slots_[id].retry = std::make_unique<call>(
      call{input, version, instance, {.retry = options.retry}, 1, now_, false});
  create_child(id, std::move(input), std::move(version), std::move(instance));
  return id;
}

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

orchestration_engine::slot_id
orchestration_engine::ask_timer(timestamp fire_at) {
  expect_room();
  const slot_id id = add(slot_kind::timer, {});
  track(decide(timer_created{
          0, std::clamp(fire_at, now_, std::max(now_, timer_fire_at_max))}),
        id);
  return id;
}

orchestration_engine::slot_id
orchestration_engine::ask_event(std::string_view name,
                                std::optional<timestamp> until) {
  check_name("an event's name", name);
  if (until)
    expect_room();
  const slot_id id = add(slot_kind::event, name);
  slots_[id].sequence = next_wait_++;
  slots_[id].timed = until.has_value();
  event_queue& queue = events_[event_key(name)];
  if (!queue.buffered.empty()) {
    buffered_event event = std::move(queue.buffered.front());
    queue.buffered.pop_front();
    bind(id, std::move(event));
    return id;
  }
  queue.waits.push_back(id);
  turn_.waits_opened.push_back(id);
  if (until) {
    const slot_id timer = ask_timer(*until);
    slots_[timer].other = id;
    slots_[id].other = timer;
  }
  return id;
}

void orchestration_engine::send_event(std::string_view instance,
                                      std::string_view name, std::string data) {
  check_instance(instance);
  check_name("an event's name", name);
  expect_room();
  decide(
    event_sent{0, std::string(instance), std::string(name), std::move(data)});
}

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

orchestration_engine::slot_id
orchestration_engine::gather_any(std::span<const slot_id> members) {
  const slot_id id = add(slot_kind::any, {});
  slot& group = slots_[id];
  group.members.assign(members.begin(), members.end());
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

void orchestration_engine::continue_as_new(std::string input,
                                           bool keep_events) {
  continuation_ = continued_result{std::move(input), keep_events, {}};
}

void orchestration_engine::set_custom_status(std::string status) {
  detail::check_bytes(status, {"the custom status", {}},
                      custom_status_bytes_max, "custom_status_bytes_max");
  turn_.custom_status = std::move(status);
}

std::string orchestration_engine::new_guid() {
  const std::string name
    = who_.instance + "/" + who_.execution + "/" + std::to_string(guids_++);
  std::uint64_t high = hash_of(name, 0);
  std::uint64_t low = hash_of(name, 0x9E3779B97F4A7C15U);
  // RFC 9562: version 8 (of our own making), variant 10.
  high = (high & ~std::uint64_t{0xF000}) | 0x8000U;
  low = (low & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);
  std::string text;
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20)
      text += '-';
    const std::uint64_t half = nibble < 16 ? high : low;
    text += "0123456789abcdef"[half >> (60 - 4 * (nibble % 16)) & 0xF];
  }
  return text;
}

void orchestration_engine::log(int level, std::string_view text) {
  if (log_ && !replaying_)
    log_(who_.instance, level, std::string(text));
}

// --- what the code awaits ---------------------------------------------------

/// The code has learnt that this is over. A failure that it has learnt of is
/// not void in a later rewind: the code went on from it.
void orchestration_engine::see(slot_id id) {
  slot& seen = slots_[id];
  if (seen.seen)
    return;
  seen.seen = true;
  if (seen.kind == slot_kind::any)
    see(seen.members[seen.open]);
  else if (seen.kind == slot_kind::all)
    for (slot_id member : seen.members)
      see(member);
  else if (seen.failed)
    turn_.failures_taken.push_back(seen.failed_as);
}

bool orchestration_engine::is_settled(slot_id id) {
  if (slots_[id].done)
    see(id);
  return slots_[id].done;
}

detail::settled orchestration_engine::take(slot_id id) {
  see(id);
  slot& taken = slots_[id];
  if (taken.cancelled)
    throw task_cancelled();
  const bool child = taken.kind == slot_kind::child;
  if (taken.failed)
    throw task_failed(child ? task_failed::callee::sub_orchestration
                            : task_failed::callee::activity,
                      taken.name, taken.failure_type, taken.result);
  taken.awaited = true;
  const char* role = child ? "the result of sub-orchestration"
                     : taken.kind == slot_kind::event
                       ? "the data of event"
                       : "the result of activity";
  return {taken.timed_out ? nullptr : &taken.result, taken.timed,
          payload_place{role, taken.name}};
}

void orchestration_engine::throw_first_failure(slot_id group) {
  see(group);
  for (slot_id member : slots_[group].members)
    if (slots_[member].failed || slots_[member].cancelled)
      take(member);
}

orchestration_engine::slot_id
orchestration_engine::member_of(slot_id group, std::size_t index) const {
  return slots_[group].members[index];
}

std::size_t orchestration_engine::members_of(slot_id group) const {
  return slots_[group].members.size();
}

std::size_t orchestration_engine::winner_of(slot_id group) {
  see(group);
  return slots_[group].open;
}

void orchestration_engine::suspend_on(slot_id id,
                                      detail::promise_base& waiter) {
  waiter_ = &waiter;
  waits_on_ = id;
}

void orchestration_engine::forget(detail::promise_base& waiter) noexcept {
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

void orchestration_engine::resume() {
  run(std::exchange(waiter_, nullptr)->self);
}

void orchestration_engine::run(std::coroutine_handle<> frame) {
  // A helper that ends names its parent here instead of resuming it, so the
  // stack does not grow.
  next_ = frame;
  while (next_)
    std::exchange(next_, nullptr).resume();
}

// --- what comes in ----------------------------------------------------------

void orchestration_engine::begin_turn(timestamp now, bool replaying) {
  now_ = now;
  replaying_ = replaying;
  ++turn_count_;
  turn_ = {};
}

void orchestration_engine::take_over(rewound_turn rewound) {
  turn_.rewound = true;
  next_sequence_ = std::max(next_sequence_, rewound.next_sequence);
  for (const auto& decisions : rewound.decisions)
    adopted_.emplace_back(decisions.begin(), decisions.end());
  for (task_sequence sequence : rewound.renewed) {
    slot* renewed = open_task(sequence);
    if (!renewed || !renewed->retry)
      continue;
    renewed->retry->attempt = 1;
    renewed->retry->first_at = now_;
  }
}

/// What is left of the first list is not wanted any more.
void orchestration_engine::release_adopted() {
  for (const history_event* orphan : adopted_.front())
    turn_.orphans.push_back(sequence_of(orphan->body));
  adopted_.pop_front();
}

void orchestration_engine::close() {
  closed_ = true;
}

// --- what the turn comes to -------------------------------------------------

void orchestration_engine::end_turn(turn_outcome& outcome) {
  while (!adopted_.empty())
    release_adopted();
  std::sort(turn_.taken.begin(), turn_.taken.end(),
            [](const auto& a, const auto& b) { return a.ordinal < b.ordinal; });
  for (const taken_message& message : turn_.taken)
    outcome.taken.push_back(message.sequence);
  outcome.decisions = std::move(turn_.decisions);
  if (turn_.rewound) {
    // The failed turn may have told of waits and timers what this one, which
    // runs in its place, does not mean: tell all.
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
  outcome.failures_taken = std::move(turn_.failures_taken);
  outcome.custom_status = std::move(turn_.custom_status);
  outcome.next_sequence = next_sequence_;
  turn_ = {};
}

std::optional<continued_result> orchestration_engine::continuation() const {
  std::optional<continued_result> result = continuation_;
  if (!result || !result->keep_events)
    return result;
  // Bound but never awaited; or given to a turn that was run again, in which
  // nobody wanted it: that one stands in history, no longer in the inbox.
  std::vector<std::pair<std::uint64_t, history_event>> unread;
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
