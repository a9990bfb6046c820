// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"

#include <algorithm>
#include <utility>

// The part of partition_processor that looks up, records and deletes the
// answers to requests that have a request ID, and loads the instance that a
// request means.

namespace perdura::actors {

using namespace persistence;

/// Loads the instance of a request into memory, if there is one.
/// @error errc::forbidden  The request means an earlier instance with the ID.
result<void>
partition_processor::load_meant(const management_request& request) {
  const instance_id& id = instance_of(request);
  // The search for an instance that cannot exist would cost a start 4 µs.
  const auto* start = std::get_if<start_instance>(&request);
  if (start != nullptr && start->id_is_new)
    return {};
  if (const auto loaded = load(id); !loaded)
    return loaded.error();
  if (means_other_instance(request, find(id)))
    return other_instance_error(id);
  return {};
}

/// Handles the start_or_raise requests again whose instance has ended without
/// their events: the first of them starts a new instance.
void partition_processor::handle_unraised(timestamp at) {
  for (arrived_message& message : std::exchange(live_.unraised, {})) {
    start_or_raise request = std::move(*message.start);
    auto& raised = std::get<event_raised>(message.event.body);
    request.event = std::move(raised.name);
    request.data = std::move(raised.input);
    // More than one reply: the request was repeated meanwhile.
    for (const reply_to& from : message.replies) {
      inbound again = management_inbound{from, request};
      handle_guarded(again, at);
    }
  }
}

/// Answers a request whose key is recorded, or cannot be looked up. Returns
/// false if the request is a new one.
bool partition_processor::answer_repeat(const management_request& request,
                                        const request_identity& identity,
                                        reply_to from) {
  const auto known = find_answer(identity.key);
  if (known && !*known)
    return false;
  const loaded_instance loaded = find(instance_of(request));
  journal_position until = loaded ? loaded.live->position : 0;
  turn out;
  if (!known) {
    out = refuse(from, known.code(), known.error().message);
  } else {
    // The answer may be that of a turn which is not durable yet. Its instance
    // may have left memory.
    if (durable().requests_recent.contains(identity.key))
      until = last_position_;
    out
      = actors::step_repeat(durable(), live_, request, identity, **known, from);
  }
  hold_effects(until, std::move(out.effects));
  return true;
}

/// Returns the recorded answer if it takes effect: first those of turns that
/// may not be durable, then those that the journal contains. An answer that
/// has expired does not count.
result<std::optional<request_row>>
partition_processor::find_answer(const hash128& key) const {
  const auto if_valid = [this](const request_row& row) {
    return row.at + request_key_time > live_.now ? std::optional(row)
                                                 : std::nullopt;
  };
  const auto& recent = durable().requests_recent;
  if (const auto found = recent.find(key); found != recent.end())
    return if_valid(found->second);
  std::vector<request_window> windows;
  for (const request_count& each : durable().request_windows)
    if (request_window_end(each.window) > live_.now)
      windows.push_back(each.window);
  if (windows.empty())
    return std::optional<request_row>();
  auto found = reader_.read_request(durable().config.id, windows, key);
  if (!found || !*found)
    return found;
  return if_valid(**found);
}

/// The time at which the oldest window can be deleted; empty if there is none.
std::optional<elapsed_time> partition_processor::next_request_expiry() const {
  const request_windows& windows = durable().request_windows;
  if (windows.empty())
    return std::nullopt;
  return request_window_end(windows.front().window);
}

/// Completes the recorded answers of a turn, and adds the deletion of windows
/// whose time has passed. The number of a window never decreases, also if the
/// elapsed time has gone back with a restart of the machine.
void partition_processor::complete_requests(turn_writes& writes) const {
  const auto expiry = next_request_expiry();
  const bool expires = expiry && *expiry <= live_.now;
  if (!writes.requests && !expires)
    return;
  if (!writes.requests)
    writes.requests.emplace();
  request_changes& changes = *writes.requests;
  const request_windows& windows = durable().request_windows;
  if (expires)
    for (const request_count& each : windows)
      if (request_window_end(each.window) <= live_.now)
        changes.removed_before = each.window + 1;
  if (changes.rows.empty())
    return;
  changes.count.window = request_window_of(live_.now);
  if (!windows.empty() && windows.back().window >= changes.count.window)
    changes.count = windows.back();
  for (request_write& each : changes.rows) {
    each.row.at = live_.now;
    ++changes.count.keys;
    changes.count.bytes += request_row_bytes(each.row);
  }
}

/// Releases the recorded answers that are durable: the journal has them.
void partition_processor::release_answers() {
  while (!answers_recent_.empty()
         && answers_recent_.front().first <= durable_position_) {
    store_.release_request(answers_recent_.front().second);
    answers_recent_.pop_front();
  }
}

} // namespace perdura::actors
