// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"
#include "persistence/records/keys.hpp"

#include <algorithm>
#include <iterator>

// The part of partition_processor that recovers a partition: it loads the
// durable state and derives the work in progress from it, without calling
// steps, so that no decision is made a second time. Then it handles due timers
// and dispatches due turns, as at the end of any batch. Most of the activities
// that were open, and of the turns that were due, follow later, in windows,
// while the partition serves.

namespace perdura::actors {

using namespace persistence;

namespace {

// After a start, so many open activities are read in one batch, and so many of
// the turns that were due run at the same time. The read of a history event
// takes some 10 us.
constexpr std::size_t recovered_window = 64;

/// Recreates the work item of an attempt from the event that scheduled the
/// attempt.
activity_work_item to_work_item(partition_id partition, const instance_id& id,
                                const instance_record& record,
                                task_sequence sequence,
                                const task_scheduled& scheduled,
                                const open_task& task) {
  activity_work_item item;
  item.partition = partition;
  item.instance = id;
  item.execution = record.execution;
  item.sequence = sequence;
  item.name = scheduled.name;
  item.input = scheduled.input;
  item.attempt = task.attempt;
  item.scheduled_event = task.scheduled_event;
  item.time_out = scheduled.time_out;
  item.start_time_out = scheduled.start_time_out;
  return item;
}

} // namespace

result<void> partition_processor::recover() {
  auto snapshot = reader_.load(durable().config.id);
  if (!snapshot)
    return snapshot.error();
  store_.restore(*snapshot);
  evidence_ = {durable().meta.sequence == 0, durable().meta.anchor};
  clock_.begin(durable().meta.anchor);
  live_.marks_accepted = durable().marks;
  restore_quarantine(snapshot->damage);

  const timestamp at = read_clocks();
  restore_outbox();
  for (const time_scale scale : {time_scale::elapsed, time_scale::wall}) {
    timer_queue& queue = live_.timers_of(scale);
    queue.until = horizon_of(scale, at);
    auto due
      = reader_.due(durable().config.id, scale, timestamp::min(), queue.until);
    if (!due)
      return due.error();
    queue.tasks.insert(due->tasks.begin(), due->tasks.end());
    if (scale == time_scale::elapsed)
      live_.has_later_timers = due->has_later;
  }
  // The messages that were not acknowledged are sent, perhaps for a second
  // time, when the turn that raises the epoch is durable.
  turn raised;
  raised.writes.epoch = durable().meta.epoch + 1;
  for (const auto& [to, box] : durable().outbox)
    if (to != quarantine_partition && !box.empty())
      raised.effects.push_back(outbox_effect{to, box.last});
  // In a partition that an older program has served, the answers that it has
  // recorded with the instances take effect for some time from now on.
  if (!durable().meta.requests_since)
    raised.writes.requests.emplace().since
      = durable().meta.sequence == 0 ? elapsed_time::min() : live_.now;
  journal_turn(raised, at);
  recovered_.until = last_position_;
  if (!durable().config.paused)
    for (auto& [id, sequence] : snapshot->activities)
      recovered_.activities[std::move(id)].push_back(sequence);

  stop_set_aside(at);
  restore_rule_search();
  recovered_.turns.assign(snapshot->turns_due.begin(),
                          snapshot->turns_due.end());
  begin_recovered_turns();
  retry_quarantined(at);
  if (is_agreeing())
    host_.agrees(true);
  process_due(at);
  dispatch(at);
  report_enqueued_turns();
  return {};
}

// --- Turns that were due at the start ----------------------------------------

/// True if a turn of the instance is about to run or runs. A turn that has been
/// reported as stuck does not count: others need not wait for it.
bool partition_processor::is_running(const instance_id& id) const {
  const auto found = live_.instances.find(id);
  return found != live_.instances.end()
         && (found->second.queued
             || (found->second.turn_out && !found->second.stuck_reported));
}

/// Makes instances runnable that had a turn due at the start. Only a limited
/// number of these turns run at the same time, because each has a history in
/// memory.
void partition_processor::begin_recovered_turns() {
  if (recovered_.turns.empty())
    return;
  std::erase_if(recovered_.turns_out,
                [this](const instance_id& id) { return !is_running(id); });
  // Instances that cannot run are read, too, and count.
  for (std::size_t reads = 0;
       reads < recovered_window && !recovered_.turns.empty()
       && recovered_.turns_out.size() < recovered_window;
       ++reads) {
    const instance_id id = std::move(recovered_.turns.front());
    recovered_.turns.pop_front();
    const auto loaded = load(id);
    if (!loaded) {
      if (damaged_work* work = note_damaged_work(id))
        work->turn_due = true;
    } else if (*loaded && loaded->durable != nullptr && !loaded->live->busy()
               && loaded->live->position <= durable_position_
               && is_paused(durable().meta.rules,
                            loaded->durable->record.name)) {
      // The turn waits until the orchestrator runs again.
      remove_from_memory(instance_id(id), *loaded->live);
    } else if (*loaded) {
      make_runnable(live_, *loaded->live);
      recovered_.turns_out.push_back(id);
    }
  }
}

// --- Activities that were open at the start ----------------------------------

/// Gives activities without a result to the host, perhaps for a second time:
/// those of a limited number of instances, so that requests wait for few reads
/// only.
void partition_processor::submit_recovered() {
  if (recovered_.until > durable_position_)
    return;
  for (std::size_t reads = 0;
       reads < recovered_window && !recovered_.activities.empty();) {
    auto first = recovered_.activities.begin();
    auto& [id, sequences] = *first;
    const std::size_t count
      = std::min(recovered_window - reads, sequences.size());
    submit_recovered(id,
                     {sequences.begin(),
                      sequences.begin() + static_cast<std::ptrdiff_t>(count)});
    reads += count;
    // A submission opens and closes no task, so the entry is still there.
    if (count == sequences.size())
      recovered_.activities.erase(first);
    else
      sequences.erase(sequences.begin(),
                      sequences.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

/// Submits these activities. If the program lacks one, or has one that an
/// earlier program lacked, the reason for which the instance is held changes.
void partition_processor::submit_recovered(
  const instance_id& id, const std::vector<task_sequence>& sequences) {
  const partition_id own = durable().config.id;
  // Activities that cannot be read are tried again later.
  const auto keep = [&](task_sequence sequence, partition_damage::extent what,
                        const error& reason) {
    note_damage(id, what, reason);
    if (damaged_work* work = note_damaged_work(id))
      work->activities.insert(sequence);
  };
  const stored_instance* rows = durable().find(id);
  std::optional<stored_instance> read;
  if (rows == nullptr) {
    auto stored = reader_.read(own, id);
    if (!stored) {
      for (const task_sequence sequence : sequences)
        keep(sequence, partition_damage::extent::rows, stored.error());
      return;
    }
    read = std::move(*stored);
    rows = read ? &*read : nullptr;
  }
  if (rows == nullptr)
    return;
  bool is_sound = true;
  std::vector<effect> due;
  for (const task_sequence sequence : sequences) {
    const auto task = rows->tasks.find(sequence);
    if (task == rows->tasks.end() || has_stored_result(*rows, sequence))
      continue;
    if (const auto& left = task->second.left) {
      due.emplace_back(activity_effect{to_work_item(
        own, id, rows->record, left->sequence,
        {left->sequence, task->second.name, left->input, task->second.attempt,
         left->time_out, left->start_time_out},
        task->second)});
      std::get<activity_effect>(due.back()).item.execution = left->execution;
      due.emplace_back(cancel_effect{id, left->execution});
      continue;
    }
    const auto event
      = reader_.history(own, id, task->second.scheduled_event, 1);
    if (!event) {
      keep(sequence, partition_damage::extent::part, event.error());
      is_sound = false;
      continue;
    }
    if (event->empty())
      continue;
    if (const auto* scheduled
        = std::get_if<task_scheduled>(&event->front().body))
      due.emplace_back(activity_effect{to_work_item(
        own, id, rows->record, sequence, *scheduled, task->second)});
  }
  if (is_finished(rows->record.status)
      && rows->record.status != runtime_status::failed && !due.empty())
    due.emplace_back(cancel_effect{id, rows->record.execution});
  const auto& has = durable().config.has_activity;
  const bool checks
    = has
      && (!rows->record.held.empty()
          || std::any_of(due.begin(), due.end(), [&](const effect& one) {
               const auto* activity = std::get_if<activity_effect>(&one);
               return activity != nullptr && !has(activity->item.name);
             }));
  // No activity runs before the turn of the new epoch is durable.
  hold_effects(recovered_.until, std::move(due));
  if (is_sound && !damage_.empty() && !damage_.work.contains(id))
    damage_.note_sound(id, partition_damage::extent::part);
  if (checks && load(id))
    emit(step_check_activities(durable(), live_, id, wall_), id, wall_);
}

/// Adds activities that are to be submitted, each once.
void partition_processor::add_recovered(
  const instance_id& id, const std::set<task_sequence>& sequences) {
  std::vector<task_sequence>& all = recovered_.activities[id];
  all.insert(all.end(), sequences.begin(), sequences.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
}

/// Called before a turn is applied. Forgets the activities that the turn
/// closes, removes or schedules itself. Those that an execution leaves behind
/// have other numbers from then on.
void partition_processor::follow_recovered(const turn_writes& writes) {
  for (const instance_write& write : writes.instances) {
    const auto found = recovered_.activities.find(write.id);
    if (found == recovered_.activities.end())
      continue;
    std::vector<task_sequence>& waiting = found->second;
    const auto waits = [&waiting](task_sequence sequence) {
      return std::find(waiting.begin(), waiting.end(), sequence)
             != waiting.end();
    };
    std::vector<task_sequence> still;
    if (write.reset) {
      const execution_id& ended = durable().find(write.id)->record.execution;
      for (const auto& [sequence, task] : write.tasks_opened)
        if (task.left
            && (waits(sequence)
                || (task.left->execution == ended
                    && waits(task.left->sequence))))
          still.push_back(sequence);
    } else if (!write.removed) {
      const auto is_changed = [&](task_sequence sequence) {
        const auto has_it = [&](const auto& list, auto number_of) {
          return std::any_of(list.begin(), list.end(), [&](const auto& one) {
            return number_of(one) == sequence;
          });
        };
        return has_it(write.tasks_opened,
                      [](const auto& one) { return one.first; })
               || has_it(write.tasks_closed,
                         [](const auto& one) { return one.sequence; });
      };
      std::copy_if(waiting.begin(), waiting.end(), std::back_inserter(still),
                   [&](task_sequence one) { return !is_changed(one); });
    }
    if (still.empty())
      recovered_.activities.erase(found);
    else
      waiting = std::move(still);
  }
}

} // namespace perdura::actors
