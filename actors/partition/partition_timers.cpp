// SPDX-License-Identifier: Apache-2.0
// The timers and time limits of a partition.
#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <algorithm>
#include <chrono>

namespace perdura::actors {

using namespace persistence;

// The longest age of an anchor while timers are open.
constexpr duration anchor_interval = std::chrono::minutes(1);

// The most timers of one scale that fire in one batch. Requests are handled
// between two batches.
constexpr std::size_t timers_fired_max = 256;

// No timer fires while so many messages wait for the turns that they cause. A
// message waits for at most `turn_wait_max`.
constexpr std::size_t timers_in_flight_max = 1'024;

duration time_until(const wake_time& wake, const persistence::clock& clock) {
  return std::min(saturated_difference(wake.at, clock.since_boot()),
                  saturated_difference(wake.wall_at, clock.now()));
}

/// Returns true if a start or a message that arrived at `since` or earlier
/// still waits for a turn of the instance.
bool partition_processor::has_waited_since(elapsed_time since,
                                           const instance_id& id) const {
  const auto found = live_.instances.find(id);
  if (found == live_.instances.end())
    return false;
  const live_instance& instance = found->second;
  return (instance.starting && instance.starting->since <= since)
         || std::any_of(instance.arrived.begin(), instance.arrived.end(),
                        [&](const arrived_message& message) {
                          return message.since <= since;
                        });
}

/// Journals the acknowledgements that are in memory only. `journal_turn` adds
/// them to each turn.
void partition_processor::journal_acknowledgements(timestamp at) {
  acknowledge_at_.reset();
  if (live_.acknowledged.empty())
    return;
  turn alone;
  journal_turn(alone, at);
}

void partition_processor::end() {
  const timestamp at = read_clocks();
  for (const auto& [since, id] : std::exchange(live_.turn_waits, {}))
    persist_pending(id, at);
  journal_acknowledgements(at);
}

void partition_processor::process_due(timestamp at) {
  // Skip entries whose turn has already run.
  while (!live_.turn_waits.empty()) {
    const auto& [since, id] = live_.turn_waits.front();
    const bool waits = has_waited_since(since, id);
    if (waits && since + durable().config.turn_wait_max > live_.now)
      break;
    const instance_id due = std::move(live_.turn_waits.front().second);
    live_.turn_waits.pop_front();
    if (waits)
      persist_pending(due, at);
  }
  // After a step of the wall clock, its horizon must be extended before timers
  // fire: the turns below may open timers that are due within the new one.
  extend_timer_horizons(at);
  fire_timers(time_scale::elapsed, timestamp(live_.now.time_since_epoch()), at);
  fire_timers(time_scale::wall, at, at);
  // If no other turn has journaled the acknowledgements before
  // `acknowledge_at_`, they are journaled in a turn of their own.
  if (acknowledge_at_ && *acknowledge_at_ <= live_.now)
    journal_acknowledgements(at);
  // If no other turn has deleted the recorded answers whose time has passed, a
  // turn of its own does.
  if (const auto expiry = next_request_expiry();
      expiry && *expiry <= live_.now) {
    turn alone;
    journal_turn(alone, at);
  }
  if (probe_.at && *probe_.at <= live_.now)
    probe_outbox();
  if (damage_.retry_at && *damage_.retry_at <= live_.now)
    retry_damaged(at);
  if (!live_.full_outboxes.empty())
    wake_outbox_waits();
  if (rule_search_.next_at && *rule_search_.next_at <= live_.now)
    continue_rule_search(at);
  report_stuck_turns();
  report_gaps();
}

/// True if so many messages wait for turns that due timers wait, too. After a
/// long stop, many timers are due at once.
bool partition_processor::delays_timers() const {
  return live_.turn_waits.size() >= timers_in_flight_max;
}

/// Handles timers of the scale that are due at `due`, a limited number in one
/// batch. The next batch follows at once (`wake_at`).
void partition_processor::fire_timers(time_scale scale, timestamp due,
                                      timestamp at) {
  timer_queue& queue = live_.timers_of(scale);
  for (std::size_t fired = 0;
       fired < timers_fired_max && !delays_timers() && !queue.tasks.empty()
       && queue.tasks.begin()->fire_at <= due;
       ++fired) {
    const due_task task = *queue.tasks.begin();
    queue.tasks.erase(queue.tasks.begin());
    // The timer of a damaged instance fires after the repair.
    if (!load(task.instance)) {
      if (damaged_work* work = note_damaged_work(task.instance))
        work->timers.insert({scale, task});
      continue;
    }
    emit(step_timer_due(durable(), live_, task, at), task.instance, at);
  }
}

void partition_processor::report_stuck_turns() {
  while (!turns_out_.empty()
         && turns_out_.front().since + durable().config.turn_stuck_time
              <= live_.now) {
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

/// The time up to which the timers of the scale are kept in memory. `now` is
/// the time of the wall clock.
timestamp partition_processor::horizon_of(time_scale scale,
                                          timestamp now) const {
  return (scale == time_scale::wall ? now
                                    : timestamp(live_.now.time_since_epoch()))
         + durable().config.timer_horizon;
}

void partition_processor::extend_timer_horizons(timestamp at) {
  const duration horizon = durable().config.timer_horizon;
  for (const time_scale scale : {time_scale::elapsed, time_scale::wall}) {
    timer_queue& queue = live_.timers_of(scale);
    const timestamp until = horizon_of(scale, at);
    if (until - queue.until >= horizon / 2) {
      extend_timer_horizon(scale, until);
    } else if (queue.until - until > horizon) {
      // The wall clock was set back. The timers between the two horizons are
      // loaded again when their time comes.
      queue.until = until;
      queue.tasks.erase(queue.tasks.lower_bound({until + duration(1), {}, 0}),
                        queue.tasks.end());
    }
  }
}

void partition_processor::extend_timer_horizon(time_scale scale,
                                               timestamp until) {
  // From here on, new timers up to the new `until` are added to the queue
  // (follow_timers). Timers of earlier turns are loaded from the journal once
  // those turns are durable.
  timer_queue& queue = live_.timers_of(scale);
  refills_.push_back({last_position_, scale, queue.until, until});
  queue.until = until;
  if (scale == time_scale::elapsed)
    live_.has_later_timers = false; // load_timers finds out
  while (!refills_.empty() && refills_.front().until <= durable_position_)
    load_timers();
}

void partition_processor::load_timers() {
  const timer_refill range = refills_.front();
  refills_.pop_front();
  auto found
    = reader_.due(durable().config.id, range.scale, range.after, range.last);
  if (!found) {
    host_.log(log_level::error, found.error().message);
    return;
  }
  timer_queue& queue = live_.timers_of(range.scale);
  for (const due_task& task : found->tasks)
    if (task.fire_at <= queue.until) // less after a step of the wall clock
      queue.tasks.insert(task);
  if (range.scale == time_scale::elapsed)
    live_.has_later_timers = live_.has_later_timers || found->has_later;
}

/// Returns true if the next turn must have an anchor of the elapsed time: the
/// first turn on this boot of the machine, and one turn a minute while timers
/// are open or answers to requests are recorded.
bool partition_processor::needs_anchor() const {
  const std::optional<time_anchor>& last = durable().meta.anchor;
  if (!last || !has_anchored_)
    return true;
  return live_.now - last->elapsed >= anchor_interval
         && (!live_.timers.tasks.empty() || live_.has_later_timers
             || !durable().request_windows.empty());
}

wake_time partition_processor::wake_at() const {
  // The partition wakes up, at the latest, when half of the timer horizon has
  // passed; it then loads further timers, of both scales.
  elapsed_time at(live_.timers.until.time_since_epoch()
                  - durable().config.timer_horizon / 2);
  const auto sooner = [&](elapsed_time other) { at = std::min(at, other); };
  // Timers that are delayed fire when the message that has waited longest does
  // not wait any more.
  const bool delayed = delays_timers();
  if (!live_.timers.tasks.empty() && !delayed)
    sooner(
      elapsed_time(live_.timers.tasks.begin()->fire_at.time_since_epoch()));
  if (acknowledge_at_)
    sooner(*acknowledge_at_);
  if (probe_.at)
    sooner(*probe_.at);
  if (const auto expiry = next_request_expiry())
    sooner(*expiry);
  if (damage_.retry_at)
    sooner(*damage_.retry_at);
  if (outbox_waits_at_)
    sooner(*outbox_waits_at_);
  if (!recovered_.activities.empty() && recovered_.until <= durable_position_)
    sooner(live_.now);
  if (!recovered_.turns.empty()
      && std::none_of(recovered_.turns_out.begin(), recovered_.turns_out.end(),
                      [this](const instance_id& id) { return is_running(id); }))
    sooner(live_.now);
  for (const auto& [from, gap] : gaps_)
    if (!gap.is_reported)
      sooner(gap.since + gap_report_probes * durable().config.probe_interval);
  if (rule_search_.next_at)
    sooner(*rule_search_.next_at);
  if (!turns_out_.empty())
    sooner(turns_out_.front().since + durable().config.turn_stuck_time);
  if (!idle_.empty())
    sooner(idle_.front().since + durable().config.idle_instance_time_max);
  wake_time wake;
  if (!live_.wall_timers.tasks.empty() && !delayed)
    wake.wall_at = live_.wall_timers.tasks.begin()->fire_at;
  if (!live_.turn_waits.empty()) {
    const elapsed_time turn_due
      = live_.turn_waits.front().first + durable().config.turn_wait_max;
    wake.may_be_late = turn_due < at;
    sooner(turn_due);
  }
  wake.at = clock_.to_boot_time(at);
  return wake;
}

} // namespace perdura::actors
