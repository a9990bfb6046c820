#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>

// The cold path: what is durable is loaded; what was under way is derived from
// it again. No step is called, nothing is decided anew.

namespace perdura::actors {

namespace {

bool has_result_of(const stored_instance& stored, task_sequence sequence) {
  return std::any_of(stored.inbox.begin(), stored.inbox.end(),
                     [&](const auto& row) {
                       return task_of(row.second.event.body) == sequence;
                     });
}

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
  auto snapshot = journal_.load(state_.config.id);
  if (!snapshot)
    return snapshot.error();
  restore(*snapshot);
  auto work = open_work(*snapshot);
  if (!work)
    return work.error();

  // The epoch is raised and durable before the first effect leaves.
  const timestamp at = now();
  state_.timers_until = at + state_.config.timer_horizon;
  auto due
    = journal_.due(state_.config.id, timestamp::min(), state_.timers_until);
  if (!due)
    return due.error();
  state_.timers.insert(due->begin(), due->end());
  ++state_.meta.epoch;
  turn raised;
  raised.effects = std::move(*work);
  journal_turn(raised, at);

  for (const instance_id& id : snapshot->turns_due)
    if (live_instance* live = load(id, at))
      make_runnable(state_, id, *live);
  look_at_time(at);
  dispatch(at);
  tell_gathered();
  return {};
}

void partition_processor::restore(partition_snapshot snapshot) {
  state_.meta = snapshot.meta;
  for (outbox_message& message : snapshot.outbox)
    state_.outbox[message.to].emplace(message.sequence, message);
  for (const outbox_mark& head : snapshot.outbox_marks)
    state_.outbox_heads[head.to] = head.sequence;
  for (const dedup_mark& mark : snapshot.marks) {
    state_.marks[mark.from] = mark.sequence;
    state_.marks_taken[mark.from] = mark.sequence;
  }
}

/// Effects that were held or not yet acknowledged: activities without a
/// result, outbox messages.
result<std::vector<effect>>
partition_processor::open_work(const partition_snapshot& snapshot) {
  std::vector<effect> effects;
  for (const auto& [to, messages] : state_.outbox)
    for (const auto& [sequence, message] : messages)
      effects.push_back(outbox_effect{message});
  for (std::size_t i = 0; i < snapshot.activities.size();) {
    const instance_id& id = snapshot.activities[i].first;
    auto stored = journal_.read(state_.config.id, id);
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
      auto event = journal_.history(state_.config.id, id,
                                    task->second.scheduled_event, 1);
      if (!event)
        return event.error();
      if (event->empty())
        continue;
      if (const auto* scheduled
          = std::get_if<task_scheduled>(&event->front().body))
        effects.push_back(activity_effect{
          to_work_item(state_.config.id, id, (*stored)->record, sequence,
                       *scheduled, task->second.attempt)});
    }
  }
  return effects;
}

} // namespace perdura::actors
