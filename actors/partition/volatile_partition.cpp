// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/volatile_partition.hpp"

namespace perdura::actors {

using namespace persistence;

loaded_instance find(const durable_partition& durable, volatile_partition& live,
                     const instance_id& id) {
  live_instance* found = live.find(id);
  return {found == nullptr ? nullptr : durable.find(id), found};
}

void make_runnable(volatile_partition& live, live_instance& instance) {
  if (instance.queued)
    return;
  instance.queued = true;
  live.runnable.push_back(*instance.id);
}

void follow_timers(volatile_partition& live, const durable_partition& durable,
                   const turn_writes& writes) {
  for (const instance_write& write : writes.instances) {
    if (write.removed || write.reset)
      if (const stored_instance* before = durable.find(write.id))
        for (const auto& [sequence, task] : before->tasks)
          if (has_due_time(task.kind))
            live.timers.erase({task.fire_at, write.id, sequence});
    for (const task_closed& task : write.tasks_closed)
      if (has_due_time(task.kind))
        live.timers.erase({task.fire_at, write.id, task.sequence});
    for (const auto& [sequence, task] : write.tasks_opened)
      if (has_due_time(task.kind) && task.fire_at <= live.timers_until)
        live.timers.insert({task.fire_at, write.id, sequence});
  }
}

} // namespace perdura::actors
