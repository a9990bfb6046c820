// SPDX-License-Identifier: Apache-2.0
#include "client/load/event_load.hpp"

namespace perdura::client {

using std::chrono::steady_clock;

// Slot i uses two connections: 2i starts the instance and waits for its end,
// 2i + 1 raises the event.
event_load::event_load(const std::vector<load_endpoint>& endpoints,
                       std::size_t instances_at_once, std::string prefix)
  : endpoints_(endpoints),
    prefix_(std::move(prefix)),
    load_(endpoints, 2 * instances_at_once),
    slots_(instances_at_once) {}

/// Sends the request that starts the next instance of a slot.
void event_load::start_instance(std::size_t index) {
  slot& current = slots_[index];
  current = {.id = prefix_ + std::to_string(++number_), .pending_responses = 1};
  const std::size_t on = 2 * index;
  load_.send(on,
             request_text(endpoints_[load_.endpoint_of(on)], "POST",
                          webhook + "/orchestrators/Approval/" + current.id));
}

/// Sends the request that waits for the end of the instance, and then the
/// event. The latency is measured from just before the event is sent.
void event_load::raise_event(std::size_t index) {
  slot& current = slots_[index];
  const std::size_t waiter = 2 * index;
  const std::size_t raiser = waiter + 1;
  current.is_started = true;
  current.pending_responses = 2;
  const std::string path = webhook + "/instances/" + current.id;
  load_.send(waiter, request_text(endpoints_[load_.endpoint_of(waiter)], "GET",
                                  path + "?waitSeconds=30"));
  current.raised_at = steady_clock::now();
  load_.send(raiser, request_text(endpoints_[load_.endpoint_of(raiser)], "POST",
                                  path + "/raiseEvent/Approval", "true"));
}

/// Records the time from the event to the response of the waiting request.
void event_load::record_latency(const slot& source,
                                const load_response& response) {
  ++outcome_.responses;
  outcome_.times.values_us.push_back(static_cast<std::uint32_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(response.received_at
                                                          - source.raised_at)
      .count()));
}

/// Handles the response to one of the three requests of an instance. After the
/// response to the start, sends the other two requests. After the responses to
/// both, or after a failed start, starts the next instance of the slot.
void event_load::handle_response(const load_response& response) {
  const std::size_t index = response.connection / 2;
  slot& current = slots_[index];
  const bool is_wait_response
    = current.is_started && response.connection % 2 == 0;
  current.failed
    = current.failed || response.status != (is_wait_response ? 200 : 202);
  if (is_wait_response)
    record_latency(current, response);
  if (!current.is_started && !current.failed) {
    raise_event(index);
    return;
  }
  if (--current.pending_responses > 0)
    return;
  outcome_.failures += current.failed ? 1 : 0;
  if (response.received_at < end_at_)
    start_instance(index);
}

load_outcome event_load::run(std::chrono::milliseconds time) {
  const auto from = steady_clock::now();
  end_at_ = from + time;
  outcome_ = {};
  for (std::size_t i = 0; i < slots_.size(); ++i)
    start_instance(i);
  const auto on_response
    = [this](const load_response& response) { handle_response(response); };
  while (load_.pending() > 0
         && load_.wait(std::chrono::seconds(1), on_response))
    continue;
  outcome_.failures += load_.pending();
  outcome_.seconds
    = std::chrono::duration<double>(steady_clock::now() - from).count();
  return std::move(outcome_);
}

} // namespace perdura::client
