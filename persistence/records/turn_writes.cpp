#include "persistence/records/turn_writes.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <unordered_set>

namespace perdura::persistence {

namespace {

/// Erases from `items` what `next` takes or puts again.
template <class Items, class Taken, class Key>
void erase_superseded(Items& items, const Taken& taken, Key key_of_taken,
                      const Items& put) {
  if (items.empty() || (taken.empty() && put.empty()))
    return;
  std::vector<std::uint64_t> gone;
  gone.reserve(taken.size() + put.size());
  for (const auto& x : taken)
    gone.push_back(key_of_taken(x));
  for (const auto& x : put)
    gone.push_back(x.first);
  std::sort(gone.begin(), gone.end());
  std::erase_if(items, [&](const auto& x) {
    return std::binary_search(gone.begin(), gone.end(),
                              static_cast<std::uint64_t>(x.first));
  });
}

template <class T>
void append(std::vector<T>& to, std::vector<T>&& from) {
  if (to.empty())
    to = std::move(from);
  else
    to.insert(to.end(), std::make_move_iterator(from.begin()),
              std::make_move_iterator(from.end()));
}

/// Events of `next` replace those at their places and follow the others.
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

void remember(std::vector<request_record>& kept,
              const std::vector<request_record>& more) {
  if (more.empty())
    return;
  std::unordered_set<std::string_view> ids;
  // From the back: the last of equal IDs counts.
  std::vector<const request_record*> fresh;
  for (auto i = more.rbegin(); i != more.rend() && fresh.size() < requests_kept;
       ++i)
    if (ids.insert(i->id).second)
      fresh.push_back(&*i);
  std::erase_if(kept,
                [&](const request_record& x) { return ids.contains(x.id); });
  const std::size_t room = requests_kept - fresh.size();
  if (kept.size() > room)
    kept.erase(kept.begin(),
               kept.begin() + static_cast<std::ptrdiff_t>(kept.size() - room));
  for (auto i = fresh.rbegin(); i != fresh.rend(); ++i)
    kept.push_back(**i);
}

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
  for (inbox_sequence taken : write.inbox_taken)
    state->inbox.erase(taken);
  for (const auto& [sequence, message] : write.inbox_put)
    state->inbox.insert_or_assign(sequence, message);
  remember(state->requests, write.requests);
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
  copy.inbox_taken = from.inbox_taken;
  copy.inbox_put = from.inbox_put;
  copy.requests = from.requests;
  return copy;
}

void merge(instance_write& first, instance_write&& next) {
  // Whatever was put into an instance that does not exist is void, and so is
  // what came before a removal.
  if (next.removed || (first.removed && !first.record)) {
    const bool removed = true;
    first = std::move(next);
    first.removed = removed;
    return;
  }
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
    append(first.tasks_closed, std::move(next.tasks_closed));
    append(first.tasks_opened, std::move(next.tasks_opened));
  }
  if (next.record)
    first.record = std::move(next.record);
  if (next.custom_status)
    first.custom_status = std::move(next.custom_status);
  erase_superseded(
    first.inbox_put, next.inbox_taken, [](inbox_sequence x) { return x; },
    next.inbox_put);
  append(first.inbox_taken, std::move(next.inbox_taken));
  append(first.inbox_put, std::move(next.inbox_put));
  if (first.requests.empty())
    first.requests = std::move(next.requests);
  else
    remember(first.requests, next.requests);
}

} // namespace perdura::persistence
