// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/rows.hpp"
#include "persistence/views/views_query.hpp"

#include <algorithm>
#include <set>

namespace perdura::persistence {

// The stored counts do not include the turns in memory. For each instance that
// such a turn has changed, its stored status is subtracted and its newest one
// added. This is also correct for an instance that a running flush has written
// already, because counts and records change in one transaction.
status_counts count_instances(const row_reader& rows,
                              const pending_layers& pending,
                              const std::vector<partition_id>& partitions) {
  const auto number_of_status = [](const instance_record& record) {
    return static_cast<std::size_t>(record.status);
  };
  status_counts counts{};
  for (const partition_id partition : partitions) {
    for (std::size_t status = 0; status < counts.size(); ++status)
      counts[status]
        += get_row<std::uint64_t>(
             rows, table::counts,
             count_key(partition, static_cast<runtime_status>(status)))
             .value_or(0);
    pending.for_each_newest(
      partition, [](const instance_write&) { return true; },
      [&](const instance_write& write) {
        const auto stored = get_row<instance_record>(
          rows, table::instances,
          instance_key(partition, write.id, row_kind::record));
        if (stored)
          --counts.at(number_of_status(*stored));
        if (write.record)
          ++counts.at(number_of_status(*write.record));
      });
  }
  return counts;
}

namespace {

/// True if the write ends the task or opens it anew, so that an older state of
/// the task is void.
bool replaces_task(const instance_write& write, task_sequence sequence) {
  const auto is_same
    = [&](const auto& opened) { return opened.first == sequence; };
  return write.removed || write.reset
         || std::any_of(write.tasks_closed.begin(), write.tasks_closed.end(),
                        [&](const task_closed& closed) {
                          return closed.sequence == sequence;
                        })
         || std::any_of(write.tasks_opened.begin(), write.tasks_opened.end(),
                        is_same);
}

} // namespace

std::vector<due_task> find_due(const row_reader& rows,
                               const pending_layers& pending,
                               partition_id partition, timestamp after,
                               timestamp until) {
  std::vector<due_task> tasks;
  if (after >= until)
    return tasks;
  const auto cursor = rows.walk(table::due);
  const std::string prefix = partition_key(partition);
  // `after` is exclusive, so the walk begins one microsecond later.
  for (bool more = cursor->seek(prefix + time_key(after + duration(1)));
       more && cursor->key().starts_with(prefix); more = cursor->next()) {
    auto key_parts = parse_due_key(cursor->key());
    if (!key_parts)
      throw_damaged(table::due, cursor->key(), "its key is too short");
    if (key_parts->fire_at > until)
      break;
    const auto writes = pending.writes_of(partition, key_parts->id);
    if (std::none_of(writes.begin(), writes.end(), [&](const auto* write) {
          return replaces_task(*write, key_parts->sequence);
        }))
      tasks.push_back(
        {key_parts->fire_at, std::move(key_parts->id), key_parts->sequence});
  }
  // The tasks that turns in memory have opened and no later one has ended.
  pending.for_each_newest(
    partition, [](const instance_write&) { return true; },
    [&](const instance_write& newest) {
      const auto writes = pending.writes_of(partition, newest.id);
      for (auto write = writes.begin(); write != writes.end(); ++write)
        for (const auto& [sequence, task] : (*write)->tasks_opened) {
          const bool is_in_range = has_due_time(task.kind)
                                   && task.fire_at > after
                                   && task.fire_at <= until;
          if (is_in_range
              && std::none_of(write + 1, writes.end(),
                              [&, n = sequence](const auto* later) {
                                return replaces_task(*later, n);
                              }))
            tasks.push_back({task.fire_at, newest.id, sequence});
        }
    });
  if (!pending.layers().empty())
    std::sort(tasks.begin(), tasks.end());
  return tasks;
}

} // namespace perdura::persistence
