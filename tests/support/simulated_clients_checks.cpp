// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/text.hpp"
#include "tests/support/history_text.hpp"
#include "tests/support/simulated_clients.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

// Compares the answers that clients received with the durable state.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

bool is_prefix(const std::vector<history_event>& shorter,
               const std::vector<history_event>& longer) {
  return shorter.size() <= longer.size()
         && std::equal(shorter.begin(), shorter.end(), longer.begin());
}

const request_id* request_of(const management_request& request) {
  return std::visit(
    [](const auto& x) -> const request_id* {
      if constexpr (requires { x.request; })
        return &x.request;
      else
        return nullptr;
    },
    request);
}

} // namespace

/// Whether the answer to the request is recorded durably.
bool simulated_clients::remembers(const instance_id& id,
                                  const request_id& request) const {
  return owner_of(id)
    .model()
    .durable(partition_for(id))
    .requests.contains(request_key_of(id, request));
}

// --- When an answer arrives --------------------------------------------------

/// Checks the durability rule for a client: an acknowledged request is
/// durable, and a repeat of it gets the same answer.
void simulated_clients::check_answer(const operation& one,
                                     const management_answer& answer) {
  if (answer.code != errc::ok)
    return;
  const instance_id& id = instance_of(one.request);
  if (answer.status)
    check_status(*answer.status);
  const model_instance* now = durable(id);
  const request_id* request = request_of(one.request);
  const tracked_instance& instance = tracked[one.instance];
  if (request == nullptr)
    return;
  if (!remembers(id, *request))
    simulator_.report_violation("request " + *request + " for \"" + id
                                + "\" is acknowledged and not durable");
  if (one.is_answered && one.answer.code == errc::ok
      && (answer.execution != one.answer.execution
          || answer.created != one.answer.created))
    simulator_.report_violation("request " + *request + " for \"" + id
                                + "\" has two different answers");
  if (instance.purge_requested || instance.restart_requested)
    return;
  if (std::holds_alternative<terminate_instance>(one.request) && now != nullptr
      && !is_finished(now->stored->record.status))
    simulator_.report_violation(
      "\"" + id + "\" is not terminated although terminate was acknowledged");
}

/// A status shows only durable data, and two histories of one execution never
/// contradict each other: one is a prefix of the other.
void simulated_clients::check_status(const instance_status& seen) {
  const instance_id& id = seen.row.id;
  const execution_id& execution = seen.row.record.execution;
  const model_partition& model
    = owner_of(id).model().durable(partition_for(id));
  if (!model.executions.contains(execution)) {
    simulator_.report_violation("\"" + id
                                + "\" is shown with an execution that is not "
                                  "durable");
    return;
  }
  const model_instance* now = durable(id);
  if (now != nullptr && now->stored->record.execution == execution
      && (seen.row.record.history_count > now->history.size()
          || !is_prefix(seen.history, now->history)))
    simulator_.report_violation("\"" + id
                                + "\" is shown with data that is not durable");
  std::vector<history_event>& longest = histories_seen_[execution];
  if (!is_prefix(seen.history, longest)) {
    if (!is_prefix(longest, seen.history))
      simulator_.report_violation("two histories of \"" + id
                                  + "\" contradict each other");
    longest = seen.history;
  }
}

// --- After all work has ended ------------------------------------------------

void simulated_clients::check() {
  for (std::size_t i = 0; i < tracked.size(); ++i) {
    check_instance(tracked[i]);
    if (const model_instance* instance = durable(tracked[i].id)) {
      check_output(tracked[i], *instance);
      check_events(i, *instance);
    }
  }
  for (const operation& one : operations)
    if (one.is_withdrawn)
      check_withdrawn(one);
  check_starts_by_event();
  check_processes();
  for (const tracked_instance& one : tracked)
    if (const model_instance* instance = durable(one.id)) {
      const auto seen
        = histories_seen_.find(instance->stored->record.execution);
      if (seen != histories_seen_.end()
          && !is_prefix(seen->second, instance->history))
        simulator_.report_violation(
          "history that a client has read is missing from \"" + one.id + "\"");
    }
}

/// An instance is stored only in its own partition, exists if its start was
/// acknowledged, and has ended.
void simulated_clients::check_instance(const tracked_instance& one) {
  for (const auto& node : nodes_)
    for (const partition_id id : node->owned_partitions())
      if (id != partition_for(one.id)
          && node->model().durable(id).instances.contains(one.id))
        simulator_.report_violation("\"" + one.id + "\" is on partition "
                                    + std::to_string(index_of(id))
                                    + ", where it does not belong");
  const model_instance* instance = durable(one.id);
  if (instance == nullptr) {
    if (one.is_started && !one.purge_requested)
      simulator_.report_violation("\"" + one.id
                                  + "\" was started and does not exist");
    return;
  }
  if (!is_finished(instance->stored->record.status))
    simulator_.report_violation("\"" + one.id + "\" (" + one.name
                                + ") has not ended: "
                                + to_text(instance->stored->record));
}

/// An instance has the expected status and output.
void simulated_clients::check_output(const tracked_instance& one,
                                     const model_instance& instance) {
  const instance_record& record = instance.stored->record;
  const std::string what = "\"" + one.id + "\" (" + one.name + ")";
  if (record.status == runtime_status::terminated && !one.terminate_requested)
    simulator_.report_violation(what + " is terminated without a request");
  const bool may_fail = one.fails || one.restart_requested
                        || (one.terminate_requested && one.name == "Family")
                        || (one.name == "Family" && one.output.empty());
  if (record.status == runtime_status::failed && !may_fail)
    simulator_.report_violation(what + " has failed");
  if (record.status != runtime_status::completed)
    return;
  const auto& last = instance.history.at(record.output_event);
  const auto* ended = std::get_if<execution_completed>(&last.body);
  const std::string output = ended == nullptr ? "nothing" : ended->result;
  if (!one.output.empty() && output != one.output)
    simulator_.report_violation(what + " has ended with " + output + ", wanted "
                                + one.output);
  if (one.name != "Collect")
    return;
  nlohmann::json given = nlohmann::json::array();
  for (const history_event& event : instance.history)
    if (const auto* raised = std::get_if<event_raised>(&event.body))
      given.push_back(nlohmann::json::parse(raised->input));
  if (nlohmann::json::parse(output) != given)
    simulator_.report_violation(what + " has returned " + output
                                + ", but received " + given.dump());
}

/// Each acknowledged event is stored exactly once, in the history or unread in
/// the inbox, and events of one name keep their order.
void simulated_clients::check_events(std::size_t number,
                                     const model_instance& instance) {
  const tracked_instance& one = tracked[number];
  if (one.events.empty() || one.purge_requested || one.restart_requested)
    return;
  std::map<std::string, std::vector<std::size_t>> places;
  std::size_t place = 0;
  for (const history_event& event : instance.history)
    if (const auto* raised = std::get_if<event_raised>(&event.body))
      places[raised->input].push_back(place++);
  long unread = 0;
  for (const auto& [sequence, message] : instance.stored->inbox)
    if (const auto* raised = std::get_if<event_raised>(&message.event.body)) {
      places[raised->input].push_back(place++);
      if (raised->name == "Add")
        unread += std::stol(raised->input);
    }
  std::vector<const operation*> sure;
  long sum = 0;
  for (const operation& made : operations) {
    const auto* event = std::get_if<raise_event>(&made.request);
    if (event == nullptr || made.instance != number)
      continue;
    const std::size_t times = places[event->data].size();
    const std::string what
      = "event " + event->data + " for \"" + one.id + "\" (" + one.name + ")";
    if (times > 1)
      simulator_.report_violation(what + " is stored " + std::to_string(times)
                                  + " times");
    if (!made.is_answered || made.answer.code != errc::ok) {
      if (times > 0)
        simulator_.report_violation(what + " was refused and is stored");
      continue;
    }
    if (event->name == "Add")
      sum += std::stol(event->data);
    if (times == 0 && instance.stored->record.generation == 0)
      simulator_.report_violation(what + " was acknowledged and is lost");
    if (times == 1)
      sure.push_back(&made);
  }
  for (const operation* a : sure)
    for (const operation* b : sure) {
      const auto& x = std::get<raise_event>(a->request);
      const auto& y = std::get<raise_event>(b->request);
      if (a->answered < b->made && equal_ignoring_case(x.name, y.name)
          && places[x.data].front() > places[y.data].front())
        simulator_.report_violation("events " + x.data + " and " + y.data
                                    + " are in the wrong order in \"" + one.id
                                    + "\"");
    }
  const instance_record& record = instance.stored->record;
  if (one.name != "AddKeep" || record.status != runtime_status::completed)
    return;
  const auto& ended = std::get<execution_completed>(
    instance.history.at(record.output_event).body);
  if (std::stol(ended.result) + unread != sum)
    simulator_.report_violation("\"" + one.id + "\" has the sum " + ended.result
                                + " with " + std::to_string(unread)
                                + " unread, wanted " + std::to_string(sum));
}

/// The event of an acknowledged start_or_raise is accepted exactly once, that
/// of a refused one never, and each execution has one request that started it.
void simulated_clients::check_starts_by_event() {
  std::set<execution_id> started;
  for (const operation& one : operations) {
    const auto* request = std::get_if<start_or_raise>(&one.request);
    if (request == nullptr)
      continue;
    const auto& accepted = owner_of(request->id)
                             .model()
                             .durable(partition_for(request->id))
                             .events_accepted;
    const auto found = accepted.find({request->id, request->data});
    const unsigned times = found == accepted.end() ? 0 : found->second;
    const bool is_ok = one.is_answered && one.answer.code == errc::ok;
    if (times != (is_ok ? 1U : 0U))
      simulator_.report_violation(
        "event " + request->data + " of the start_or_raise of \"" + request->id
        + "\" was " + (is_ok ? "acknowledged" : "refused") + " and is accepted "
        + std::to_string(times) + " times");
    if (is_ok && one.answer.created
        && !started.insert(one.answer.execution).second)
      simulator_.report_violation("two requests have started execution "
                                  + one.answer.execution);
  }
}

/// Every process returns the same status with the whole history.
void simulated_clients::check_processes() {
  for (const operation& one : operations) {
    if (!one.process)
      continue;
    const instance_id& id = instance_of(one.request);
    const model_instance* instance = durable(id);
    const bool is_there = instance != nullptr;
    const bool is_shown = one.is_answered && one.answer.status != nullptr;
    if (is_there != is_shown)
      simulator_.report_violation(
        "\"" + id + "\" is " + (is_there ? "" : "not ") + "stored, and node "
        + std::to_string(*one.process) + " reports the opposite");
    else if (is_there && one.answer.status->history != instance->history)
      simulator_.report_violation("node " + std::to_string(*one.process)
                                  + " does not return the whole history of \""
                                  + id + "\"");
  }
}

/// A request that was withdrawn before it was sent has had no effect.
void simulated_clients::check_withdrawn(const operation& one) {
  const request_id* request = request_of(one.request);
  if (request != nullptr && remembers(instance_of(one.request), *request))
    simulator_.report_violation(
      "request " + *request
      + " was withdrawn before it was sent, and was executed");
}

} // namespace perdura::tests
