// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/steps.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

std::optional<orchestration_work_item> next_turn(const instance_id& id,
                                                 loaded_instance loaded,
                                                 timestamp now,
                                                 elapsed_time elapsed) {
  if (loaded.live->turn_out || loaded.live->held_in_process)
    return std::nullopt;
  // A turn is due if the instance starts, if `turn_due` is set in its record
  // and no coroutine is in memory, or if the code can consume a message.
  bool due
    = loaded.live->starting || loaded.live->start_due || loaded.live->event_due;
  if (!loaded.live->starting) {
    if (!loaded.durable)
      return std::nullopt;
    const instance_record& record = loaded.durable->record;
    if (is_finished(record.status)
        || record.status == runtime_status::suspended)
      return std::nullopt;
    due = due || (record.turn_due && !loaded.live->warm);
  }

  // A cold run gets the whole inbox, a warm one only the messages that it has
  // not received.
  const inbox_sequence seen = loaded.live->warm ? loaded.live->delivered : 0;
  std::vector<delivery> deliveries;
  // The wall clock may have been set back since the last turn.
  timestamp turn_now = std::max(
    now, loaded.live->starting ? loaded.live->starting->accepted_at
                               : loaded.durable->record.last_updated_at);
  const auto offer = [&](inbox_sequence sequence, const history_event& event) {
    if (sequence <= seen)
      return;
    if (const auto* fired = std::get_if<timer_fired>(&event.body))
      turn_now = std::max(turn_now, fired->fire_at);
    due = due
          || (loaded.durable && !loaded.live->starting
              && loaded.durable->record.status != runtime_status::pending
              && is_deliverable(*loaded.durable, event));
    deliveries.push_back({sequence, event});
  };
  if (loaded.durable && !loaded.live->starting)
    for (auto it = loaded.durable->inbox.upper_bound(seen);
         it != loaded.durable->inbox.end(); ++it)
      offer(it->first, it->second.event);
  for (const arrived_message& message : loaded.live->arrived)
    offer(message.sequence, message.event);
  if (!due)
    return std::nullopt;

  orchestration_work_item item;
  item.instance = id;
  item.number = ++loaded.live->number;
  item.now = turn_now;
  item.elapsed = elapsed;
  item.cold = !loaded.live->warm;
  if (loaded.live->starting) {
    item.history = {loaded.live->starting->started};
    item.execution
      = std::get<execution_started>(loaded.live->starting->started.body)
          .execution;
  } else {
    item.execution = loaded.durable->record.execution;
    if (item.cold)
      item.history = std::move(loaded.live->first_history);
  }
  loaded.live->first_history.clear();
  std::sort(deliveries.begin(), deliveries.end(),
            [](const delivery& a, const delivery& b) {
              return a.sequence < b.sequence;
            });
  if (!deliveries.empty())
    loaded.live->delivered = deliveries.back().sequence;
  item.deliveries = std::move(deliveries);
  for (arrived_message& message : loaded.live->arrived)
    message.in_turn = true;
  // From here on the turn is running: no other turn of the instance starts
  // until its outcome has arrived or is void.
  loaded.live->turn_out = true;
  loaded.live->event_due = false;
  loaded.live->stuck_reported = false;
  loaded.live->turn_now = turn_now;
  loaded.live->turn_elapsed = elapsed;
  loaded.live->warm = true;
  return item;
}

} // namespace perdura::actors
