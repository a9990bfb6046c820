// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/logging.hpp"
#include "persistence/views/rows.hpp"
#include "persistence/views/views_query.hpp"

#include <algorithm>
#include <set>

namespace perdura::persistence {

namespace {

/// Reads with `read`. Returns no value if the row is damaged.
template <class Read>
auto read_if_sound(Read read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const storage_exception& e) {
    if (e.reason().code != errc::storage_damaged)
      throw;
    return std::nullopt;
  }
}

/// False if a row of the counts is damaged: its key may be the damaged part, so
/// that a count seems to be absent.
bool counts_are_sound(const row_reader& rows) {
  const auto cursor = rows.walk(table::counts);
  for (bool more = cursor->seek({}); more; more = cursor->next())
    if (!is_sound(*cursor, table::counts))
      return false;
  return true;
}

/// `may_be_absent` is called if there is no such count; it then is 0, unless
/// the result is false.
template <class MayBeAbsent>
std::uint64_t count_of(const row_reader& rows, partition_id partition,
                       runtime_status status, MayBeAbsent&& may_be_absent) {
  const std::string key = count_key(partition, status);
  const auto stored = read_if_sound(
    [&] { return get_row<std::uint64_t>(rows, table::counts, key); });
  if (stored && (*stored || may_be_absent()))
    return stored->value_or(0);
  std::uint64_t count = 0;
  for_each_row(rows, table::by_status, key, [&](auto, auto) { ++count; });
  return count;
}

} // namespace

std::uint64_t stored_count(const row_reader& rows, partition_id partition,
                           runtime_status status) {
  return count_of(rows, partition, status,
                  [&] { return counts_are_sound(rows); });
}

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
  const bool are_sound = counts_are_sound(rows);
  for (const partition_id partition : partitions) {
    for (std::size_t status = 0; status < counts.size(); ++status)
      counts[status]
        += count_of(rows, partition, static_cast<runtime_status>(status),
                    [&] { return are_sound; });
    pending.for_each_newest(
      partition, [](const instance_write&) { return true; },
      [&](const instance_write& write) {
        const auto stored = read_if_sound([&] {
          return get_row<instance_record>(
            rows, table::instances,
            instance_key(partition, write.id, row_kind::record));
        });
        if (!stored)
          return; // The instance keeps its stored status in the counts.
        if (*stored)
          --counts.at(number_of_status(**stored));
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

/// A row of `table::due`.
struct due_row {
  due_key_parts key;
  time_scale scale = time_scale::elapsed;
};

/// Reads a row of `table::due`. A damaged row is logged, and the result is
/// empty.
std::optional<due_row> sound_due_row(const row_cursor& cursor) {
  try {
    const auto value
      = decode_row<std::uint64_t>(table::due, cursor.key(), cursor.value());
    auto parts = parse_due_key(cursor.key());
    if (!parts)
      throw_damaged(table::due, cursor.key(), "its key is too short");
    // Before format 3, the value of a scheduled start was that of a timer.
    const bool by_wall = value == static_cast<std::uint64_t>(time_scale::wall)
                         || parts->sequence == start_sequence;
    return due_row{std::move(*parts),
                   by_wall ? time_scale::wall : time_scale::elapsed};
  } catch (const storage_exception& e) {
    if (e.reason().code != errc::storage_damaged)
      throw;
    log(log_channel::persistence, log_level::error, e.reason().message);
    return std::nullopt;
  }
}

} // namespace

due_range find_due(const row_reader& rows, const pending_layers& pending,
                   partition_id partition, time_scale scale, timestamp after,
                   timestamp until) {
  due_range found;
  if (after >= until)
    return found;
  const auto cursor = rows.walk(table::due);
  const std::string prefix = partition_key(partition);
  // `after` is exclusive, so the walk begins one microsecond later.
  for (bool more = cursor->seek(prefix + time_key(after + duration(1)));
       more && cursor->key().starts_with(prefix); more = cursor->next()) {
    auto row = sound_due_row(*cursor);
    if (!row)
      continue;
    if (row->key.fire_at > until) {
      found.has_later = true;
      break;
    }
    if (row->scale != scale)
      continue;
    const auto writes = pending.writes_of(partition, row->key.id);
    if (std::none_of(writes.begin(), writes.end(), [&](const auto* write) {
          return replaces_task(*write, row->key.sequence);
        }))
      found.tasks.push_back(
        {row->key.fire_at, std::move(row->key.id), row->key.sequence});
  }
  // The tasks that turns in memory have opened and no later one has ended.
  pending.for_each_newest(
    partition, [](const instance_write&) { return true; },
    [&](const instance_write& newest) {
      const auto writes = pending.writes_of(partition, newest.id);
      for (auto write = writes.begin(); write != writes.end(); ++write)
        for (const auto& [sequence, task] : (*write)->tasks_opened) {
          if (!has_due_time(task.kind) || due_of(task) <= after)
            continue;
          found.has_later = found.has_later || due_of(task) > until;
          if (due_of(task) <= until && scale_of(task) == scale
              && std::none_of(write + 1, writes.end(),
                              [&, n = sequence](const auto* later) {
                                return replaces_task(*later, n);
                              }))
            found.tasks.push_back({due_of(task), newest.id, sequence});
        }
    });
  if (!pending.layers().empty())
    std::sort(found.tasks.begin(), found.tasks.end());
  return found;
}

} // namespace perdura::persistence
