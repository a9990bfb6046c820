// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/volatile_partition.hpp"

#include "actors/partition/instance_draft.hpp"

#include <algorithm>

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

namespace {

// Size of the nodes of the containers of the rows, estimated.
constexpr std::uint64_t row_overhead_bytes = 128;

std::uint64_t bytes_of(const open_task& task) {
  return row_overhead_bytes + task.name.size() + task.child.size()
         + (task.left ? task.left->input.size() : 0);
}

std::uint64_t bytes_of(const persistence::inbox_message& message) {
  return row_overhead_bytes + payload_bytes_of(message.event.body);
}

/// Sum over the rows of `from` with the keys of `keys`; `key_of` returns the
/// key of an element. A key without a row counts as 0.
template <class Rows, class Keys, class KeyOf>
std::uint64_t bytes_at(const Rows& from, const Keys& keys, KeyOf key_of) {
  std::uint64_t bytes = 0;
  for (const auto& one : keys)
    if (const auto found = from.find(key_of(one)); found != from.end())
      bytes += bytes_of(found->second);
  return bytes;
}

/// Returns the size of the rows that the write removes or replaces.
std::uint64_t bytes_replaced(const stored_instance& before,
                             const instance_write& write) {
  if (write.removed)
    return memory_bytes_of(before);
  std::uint64_t bytes = bytes_at(before.inbox, write.inbox_removed,
                                 [](inbox_sequence one) { return one; })
                        + bytes_at(before.inbox, write.inbox_put,
                                   [](const auto& one) { return one.first; });
  if (write.custom_status)
    bytes += before.custom_status.size();
  if (write.reset) {
    for (const auto& [sequence, task] : before.tasks)
      bytes += bytes_of(task);
    return bytes;
  }
  const auto is_closed = [&](persistence::task_sequence sequence) {
    return std::any_of(
      write.tasks_closed.begin(), write.tasks_closed.end(),
      [&](const auto& closed) { return closed.sequence == sequence; });
  };
  bytes += bytes_at(before.tasks, write.tasks_closed,
                    [](const auto& one) { return one.sequence; });
  for (const auto& [sequence, task] : write.tasks_opened)
    if (const auto found = before.tasks.find(sequence);
        found != before.tasks.end() && !is_closed(sequence))
      bytes += bytes_of(found->second);
  return bytes;
}

} // namespace

std::uint64_t memory_bytes_of(const stored_instance& stored) {
  std::uint64_t bytes = stored.custom_status.size();
  for (const auto& [sequence, message] : stored.inbox)
    bytes += bytes_of(message);
  for (const auto& [sequence, task] : stored.tasks)
    bytes += bytes_of(task);
  return bytes;
}

void set_bytes(volatile_partition& live, live_instance& instance,
               std::uint64_t bytes) {
  live.bytes += bytes;
  live.bytes -= std::exchange(instance.bytes, bytes);
}

void follow_bytes(volatile_partition& live, const durable_partition& durable,
                  const turn_writes& writes) {
  for (const instance_write& write : writes.instances) {
    live_instance* const instance = live.find(write.id);
    if (instance == nullptr)
      continue;
    const stored_instance* before = durable.find(write.id);
    std::uint64_t bytes = instance->bytes;
    if (before != nullptr)
      bytes -= bytes_replaced(*before, write);
    // The rows of a new instance begin with the default custom status.
    const bool fresh = write.record && (before == nullptr || write.removed);
    if (write.custom_status)
      bytes += write.custom_status->size();
    else if (fresh)
      bytes += stored_instance{}.custom_status.size();
    for (const auto& [sequence, message] : write.inbox_put)
      bytes += bytes_of(message);
    for (const auto& [sequence, task] : write.tasks_opened)
      bytes += bytes_of(task);
    set_bytes(live, *instance, bytes);
  }
}

void follow_timers(volatile_partition& live, const durable_partition& durable,
                   const turn_writes& writes) {
  // A closed task states no scale; the other queue does not contain it.
  const auto erase = [&](const due_task& task) {
    live.timers.tasks.erase(task);
    live.wall_timers.tasks.erase(task);
  };
  for (const instance_write& write : writes.instances) {
    if (write.removed || write.reset)
      if (const stored_instance* before = durable.find(write.id))
        for (const auto& [sequence, task] : before->tasks)
          if (has_due_time(task.kind))
            erase({due_of(task), write.id, sequence});
    for (const task_closed& task : write.tasks_closed)
      if (has_due_time(task.kind))
        erase({task.fire_at, write.id, task.sequence});
    for (const auto& [sequence, task] : write.tasks_opened) {
      if (!has_due_time(task.kind))
        continue;
      timer_queue& queue = live.timers_of(scale_of(task));
      if (due_of(task) <= queue.until)
        queue.tasks.insert({due_of(task), write.id, sequence});
      else if (scale_of(task) == time_scale::elapsed)
        live.has_later_timers = true;
    }
  }
}

} // namespace perdura::actors
