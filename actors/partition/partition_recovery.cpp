// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>

// The part of partition_processor that recovers a partition: it loads the
// durable state and derives the work in progress from it, without calling
// steps, so that no decision is made a second time. Then it handles due timers
// and dispatches due turns, as at the end of any batch.

namespace perdura::actors {

using namespace persistence;

namespace {

/// Returns true if the task's result is in the inbox.
bool has_result_of(const stored_instance& stored, task_sequence sequence) {
  return std::any_of(stored.inbox.begin(), stored.inbox.end(),
                     [&](const auto& row) {
                       return task_of(row.second.event.body) == sequence;
                     });
}

/// Recreates the work item of an attempt from the event that scheduled the
/// attempt.
activity_work_item to_work_item(partition_id partition, const instance_id& id,
                                const instance_record& record,
                                task_sequence sequence,
                                const task_scheduled& scheduled,
                                std::uint32_t attempt) {
  activity_work_item item;
  item.partition = partition;
  item.instance = id;
  item.execution = record.execution;
  item.sequence = sequence;
  item.name = scheduled.name;
  item.input = scheduled.input;
  item.attempt = attempt;
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
  live_.marks_accepted = durable().marks;
  auto work = derive_open_work(*snapshot);
  if (!work)
    return work.error();

  // The effects are held until the turn that raises the epoch is durable.
  const timestamp at = now();
  live_.timers_until = at + durable().config.timer_horizon;
  auto due
    = reader_.due(durable().config.id, timestamp::min(), live_.timers_until);
  if (!due)
    return due.error();
  live_.timers.insert(due->begin(), due->end());
  turn raised;
  raised.writes.epoch = durable().meta.epoch + 1;
  raised.effects = std::move(*work);
  journal_turn(raised, at);

  for (const instance_id& id : snapshot->turns_due)
    if (const loaded_instance loaded = load(id, at))
      make_runnable(live_, *loaded.live);
  process_due(at);
  dispatch(at);
  report_enqueued_turns();
  return {};
}

/// Returns the effects that the partition must perform, perhaps for a second
/// time: the activities without a result, and the outbox messages that were not
/// acknowledged.
result<std::vector<effect>>
partition_processor::derive_open_work(const partition_snapshot& snapshot) {
  std::vector<effect> effects;
  for (const auto& [to, messages] : durable().outbox)
    for (const auto& [sequence, message] : messages)
      effects.push_back(outbox_effect{message});
  for (std::size_t i = 0; i < snapshot.activities.size();) {
    const instance_id& id = snapshot.activities[i].first;
    auto stored = reader_.read(durable().config.id, id);
    if (!stored)
      return stored.error();
    for (; i < snapshot.activities.size() && snapshot.activities[i].first == id;
         ++i) {
      const task_sequence sequence = snapshot.activities[i].second;
      if (!*stored || has_result_of(**stored, sequence))
        continue;
      auto task = (*stored)->tasks.find(sequence);
      if (task == (*stored)->tasks.end())
        continue;
      auto event = reader_.history(durable().config.id, id,
                                   task->second.scheduled_event, 1);
      if (!event)
        return event.error();
      if (event->empty())
        continue;
      if (const auto* scheduled
          = std::get_if<task_scheduled>(&event->front().body))
        effects.push_back(activity_effect{
          to_work_item(durable().config.id, id, (*stored)->record, sequence,
                       *scheduled, task->second.attempt)});
    }
  }
  return effects;
}

} // namespace perdura::actors
