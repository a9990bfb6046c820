// SPDX-License-Identifier: Apache-2.0
// The part of the activity pool that reads inputs that are not in memory.
#include "actors/activities/activity_pool.hpp"
#include "actors/activities/stored_input.hpp"

#include <utility>

namespace perdura::actors {

using namespace persistence;

activity_pool::item_key activity_pool::key_of(const activity_work_item& item) {
  return {item.instance, item.execution, item.sequence};
}

/// Takes the next item from the queue; empty if no item may start.
std::optional<activity_work_item> activity_pool::pop_next() {
  auto item = queue_.pop_startable();
  if (item && item->input_is_stored)
    unread_.try_emplace(key_of(*item), unread_item{*item, {}});
  return item;
}

/// Reads the input of the run if it is not in memory. Returns false if that is
/// not possible.
bool activity_pool::read_input(worker_state& state) {
  auto input = dependencies_.read_input(state.item);
  {
    const std::lock_guard lock(mutex_);
    const auto unread = unread_.extract(key_of(state.item));
    if (!unread.empty() && unread.mapped().input)
      input = std::move(*unread.mapped().input);
  }
  if (input) {
    state.input = std::move(*input);
    return true;
  }
  // If the history is gone, so is the instance or its execution.
  if (input.code() != errc::not_found)
    dependencies_.report_unread({state.item.partition, state.item.instance,
                                 state.item.execution, state.item.sequence,
                                 input.error()});
  return false;
}

/// Reads the input of an item that is not in the queue, unless it is in memory,
/// and keeps it there. The caller holds `mutex_`.
void activity_pool::keep_input(activity_work_item& item) {
  if (!item.input_is_stored)
    item.scheduled_event = 0;
  else if (auto input = dependencies_.read_input(item))
    put_input(item, std::move(*input));
}

void activity_pool::keep_inputs(const instance_id& instance) {
  const std::lock_guard lock(mutex_);
  if (const auto parked = parked_.find(instance); parked != parked_.end())
    for (activity_work_item& item : parked->second)
      keep_input(item);
  for (auto& [number, item] : waiting_)
    if (item.instance == instance)
      keep_input(item);
  for (activity_work_item* item : queue_.stored_inputs_of(instance))
    if (auto input = dependencies_.read_input(*item))
      queue_.put_input(*item, std::move(*input));
  for (auto at = unread_.lower_bound({instance, {}, 0});
       at != unread_.end() && at->second.item.instance == instance; ++at)
    if (auto input = dependencies_.read_input(at->second.item))
      at->second.input = std::move(*input);
}

} // namespace perdura::actors
