// SPDX-License-Identifier: Apache-2.0
// The part of partition_processor that deals with the activities of instances.
#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>
#include <utility>

namespace perdura::actors {

using namespace persistence;

/// A paused partition runs nothing: the next start derives the activity again.
void partition_processor::run_activity(activity_work_item item) {
  if (!durable().config.paused)
    host_.run_activity(std::move(item));
}

/// An execution that continues as new may leave activities behind that have not
/// begun. Their inputs are removed with its history.
void partition_processor::keep_inputs(turn& next) {
  for (const instance_write& write : next.writes.instances) {
    if (!write.reset)
      continue;
    // Those that the host does not have yet: of this turn, and of earlier turns
    // that are not durable.
    const auto keep = [&write](std::vector<effect>& effects) {
      for (effect& one : effects)
        if (auto* activity = std::get_if<activity_effect>(&one);
            activity != nullptr && activity->item.instance == write.id)
          activity->item.scheduled_event = 0; // keeps its input in memory
    };
    keep(next.effects);
    const stored_instance* before = durable().find(write.id);
    if (before == nullptr
        || std::none_of(before->tasks.begin(), before->tasks.end(),
                        [](const auto& task) {
                          return task.second.kind == task_kind::activity;
                        }))
      continue;
    for (auto& [position, effects] : held_)
      keep(effects);
    host_.keep_inputs(write.id);
  }
}

/// Returns the scheduled activities that the turn leaves behind, if its outcome
/// continues as new. They are in held effects while the turn that scheduled
/// them is not durable, and in the history afterwards. If they cannot be read,
/// the outcome becomes that of a held turn.
scheduled_activities
partition_processor::read_activities_to_leave(turn_outcome& outcome) {
  scheduled_activities found;
  if (!std::holds_alternative<continued_result>(outcome.result))
    return found;
  const auto left = activities_to_leave(find(outcome.instance));
  if (left.empty())
    return found;
  for (const auto& [position, effects] : held_)
    for (const effect& one : effects)
      if (const auto* activity = std::get_if<activity_effect>(&one);
          activity != nullptr && activity->item.instance == outcome.instance) {
        const activity_work_item& item = activity->item;
        found[item.sequence]
          = {item.sequence, item.name,     item.input,
             item.attempt,  item.time_out, item.start_time_out};
      }
  for (const auto& [sequence, index] : left) {
    if (found.contains(sequence))
      continue;
    auto event
      = reader_.history(durable().config.id, outcome.instance, index, 1);
    if (!event) {
      outcome.result = held_result{note_damage(
        outcome.instance, partition_damage::extent::part, event.error())};
      return {};
    }
    if (!event->empty())
      if (auto* scheduled = std::get_if<task_scheduled>(&event->front().body))
        found[sequence] = std::move(*scheduled);
  }
  return found;
}

} // namespace perdura::actors
