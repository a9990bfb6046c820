// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/turn_writes.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <unordered_set>

namespace perdura::persistence {

namespace {

/// Erases from `items` the entries that the next write removes (`removed`) or
/// writes again (`put`).
template <class Items, class Removed, class Key>
void erase_superseded(Items& items, const Removed& removed, Key key_of_removed,
                      const Items& put) {
  if (items.empty() || (removed.empty() && put.empty()))
    return;
  // Most writes change few rows: comparing each pair then costs less than
  // sorting the keys.
  if (removed.size() + put.size() <= 8) {
    std::erase_if(items, [&](const auto& x) {
      return std::any_of(
               removed.begin(), removed.end(),
               [&](const auto& y) { return key_of_removed(y) == x.first; })
             || std::any_of(put.begin(), put.end(),
                            [&](const auto& y) { return y.first == x.first; });
    });
    return;
  }
  std::vector<std::uint64_t> superseded;
  superseded.reserve(removed.size() + put.size());
  for (const auto& x : removed)
    superseded.push_back(key_of_removed(x));
  for (const auto& x : put)
    superseded.push_back(x.first);
  std::sort(superseded.begin(), superseded.end());
  std::erase_if(items, [&](const auto& x) {
    return std::binary_search(superseded.begin(), superseded.end(),
                              static_cast<std::uint64_t>(x.first));
  });
}

/// Moves all elements of `from` to the end of `to`.
template <class T>
void append(std::vector<T>& to, std::vector<T>&& from) {
  if (to.empty())
    to = std::move(from);
  else
    to.insert(to.end(), std::make_move_iterator(from.begin()),
              std::make_move_iterator(from.end()));
}

/// Appends the events of `next` to those of `first`. If both contain an event
/// with the same index, the event of `next` replaces the one of `first`.
void merge_history(instance_write& first, instance_write& next) {
  if (next.history.empty())
    return;
  if (first.history.empty()) {
    first.history_first = next.history_first;
    first.history = std::move(next.history);
    return;
  }
  const std::size_t end = first.history_first + first.history.size();
  if (next.history_first < first.history_first || next.history_first > end)
    throw std::logic_error("the history of instance \"" + first.id
                           + "\" has a gap at event " + std::to_string(end));
  std::size_t place = next.history_first - first.history_first;
  for (history_event& event : next.history) {
    if (place < first.history.size())
      first.history[place] = std::move(event);
    else
      first.history.push_back(std::move(event));
    ++place;
  }
}

} // namespace

void append_requests(std::vector<request_record>& kept,
                     const std::vector<request_record>& more) {
  if (more.empty())
    return;
  std::unordered_set<std::string_view> ids;
  // The loop begins at the back, so that of several records with the same ID
  // the last one is kept.
  std::vector<const request_record*> fresh;
  for (auto i = more.rbegin();
       i != more.rend() && fresh.size() < requests_kept_max; ++i)
    if (ids.insert(i->id).second)
      fresh.push_back(&*i);
  std::erase_if(kept,
                [&](const request_record& x) { return ids.contains(x.id); });
  const std::size_t free_places = requests_kept_max - fresh.size();
  if (kept.size() > free_places)
    kept.erase(kept.begin(),
               kept.begin()
                 + static_cast<std::ptrdiff_t>(kept.size() - free_places));
  for (auto i = fresh.rbegin(); i != fresh.rend(); ++i)
    kept.push_back(**i);
}

// The order of the changes is documented at instance_write.
void apply(std::optional<stored_instance>& state, const instance_write& write) {
  if (write.removed)
    state.reset();
  if (write.record) {
    if (!state)
      state.emplace();
    state->record = *write.record;
  }
  if (!state)
    return;
  if (write.reset)
    state->tasks.clear();
  if (write.custom_status)
    state->custom_status = *write.custom_status;
  for (const task_closed& closed : write.tasks_closed)
    state->tasks.erase(closed.sequence);
  for (const auto& [sequence, task] : write.tasks_opened)
    state->tasks.insert_or_assign(sequence, task);
  for (inbox_sequence sequence : write.inbox_removed)
    state->inbox.erase(sequence);
  for (const auto& [sequence, message] : write.inbox_put)
    state->inbox.insert_or_assign(sequence, message);
  append_requests(state->requests, write.requests);
}

void overlay_history(std::vector<history_event>& events, event_index first,
                     std::size_t count_max, const instance_write& write) {
  if (write.removed || write.reset)
    events.clear();
  std::uint64_t next_event = write.history_first;
  for (const history_event& event : write.history) {
    const std::uint64_t at = next_event++;
    if (at < first)
      continue;
    const std::uint64_t index = at - first;
    if (index >= count_max || index > events.size())
      return;
    if (index < events.size())
      events[index] = event;
    else
      events.push_back(event);
  }
}

instance_write without_history(const instance_write& from) {
  instance_write copy;
  copy.id = from.id;
  copy.removed = from.removed;
  copy.reset = from.reset;
  copy.record = from.record;
  copy.custom_status = from.custom_status;
  copy.tasks_closed = from.tasks_closed;
  copy.tasks_opened = from.tasks_opened;
  copy.inbox_removed = from.inbox_removed;
  copy.inbox_put = from.inbox_put;
  copy.requests = from.requests;
  return copy;
}

void merge(instance_write& first, instance_write&& next) {
  // If `next` removes the instance, `first` has no effect any more. If `first`
  // removed the instance without a new record, the removal was its only
  // effect. In both cases the result is `next` with `removed` set.
  if (next.removed || (first.removed && !first.record)) {
    const bool removed = true;
    first = std::move(next);
    first.removed = removed;
    return;
  }
  // A reset deletes the history and the tasks of `first`, but not its inbox
  // messages, custom status and requests, which are merged below.
  if (next.reset) {
    first.reset = true;
    first.history_first = next.history_first;
    first.history = std::move(next.history);
    first.tasks_closed = std::move(next.tasks_closed);
    first.tasks_opened = std::move(next.tasks_opened);
  } else {
    merge_history(first, next);
    erase_superseded(
      first.tasks_opened, next.tasks_closed,
      [](const task_closed& x) { return x.sequence; }, next.tasks_opened);
    // A closed task stays listed even if `first` has opened it: if a flush was
    // interrupted by a crash, the rows may already contain the task.
    append(first.tasks_closed, std::move(next.tasks_closed));
    append(first.tasks_opened, std::move(next.tasks_opened));
  }
  if (next.record)
    first.record = std::move(next.record);
  if (next.custom_status)
    first.custom_status = std::move(next.custom_status);
  erase_superseded(
    first.inbox_put, next.inbox_removed, [](inbox_sequence x) { return x; },
    next.inbox_put);
  append(first.inbox_removed, std::move(next.inbox_removed));
  append(first.inbox_put, std::move(next.inbox_put));
  if (first.requests.empty())
    first.requests = std::move(next.requests);
  else
    append_requests(first.requests, next.requests);
}

} // namespace perdura::persistence
