#include "tests/support/history_text.hpp"
#include "tests/support/simulated_clients.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

// What the clients were told, against what is durable.

namespace perdura::tests {

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

bool remembers(const ledger_instance& instance, const request_id& request) {
  const auto& known = instance.stored->requests;
  return std::any_of(known.begin(), known.end(),
                     [&](const auto& one) { return one.id == request; });
}

} // namespace

// --- At once -----------------------------------------------------------------

/// The one law, as a client sees it: what is answered is durable.
void simulated_clients::check_answer(const operation& one,
                                     const management_answer& answer) {
  if (answer.code != errc::ok)
    return;
  const instance_id& id = instance_of(one.request);
  if (answer.status)
    check_status(*answer.status);
  const ledger_instance* now = durable(id);
  const request_id* request = request_of(one.request);
  const subject& about = subjects[one.subject];
  if (request == nullptr || about.is_purged || about.is_replaced)
    return;
  // What was so already leaves no trace.
  if (std::holds_alternative<suspend_instance>(one.request)
      || std::holds_alternative<resume_instance>(one.request)
      || (std::holds_alternative<start_instance>(one.request)
          && !answer.created))
    return;
  if (now == nullptr || !remembers(*now, *request))
    world_.complain("request " + *request + " for \"" + id
                    + "\" is acknowledged and not durable");
  if (std::holds_alternative<terminate_instance>(one.request) && now != nullptr
      && !is_finished(now->stored->record.status))
    world_.complain("\"" + id + "\" is said to be terminated, and is not");
}

/// No dirty read: what was seen is durable. I4: and only grows.
void simulated_clients::check_status(const instance_status& seen) {
  const instance_id& id = seen.row.id;
  const execution_id& execution = seen.row.record.execution;
  const ledger_partition& book = owner_of(id).book().durable(place(id));
  if (!book.executions.contains(execution)) {
    world_.complain("\"" + id
                    + "\" is shown with an execution that is not "
                      "durable");
    return;
  }
  const ledger_instance* now = durable(id);
  if (now != nullptr && now->stored->record.execution == execution
      && (seen.row.record.history_count > now->history.size()
          || !is_prefix(seen.history, now->history)))
    world_.complain("\"" + id + "\" is shown with what is not durable");
  std::vector<history_event>& longest = seen_[execution];
  if (!is_prefix(seen.history, longest)) {
    if (!is_prefix(longest, seen.history))
      world_.complain("two histories of \"" + id + "\" do not fit together");
    longest = seen.history;
  }
}

// --- At rest -----------------------------------------------------------------

void simulated_clients::check() {
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    check_subject(subjects[i]);
    if (const ledger_instance* instance = durable(subjects[i].id)) {
      check_output(subjects[i], *instance);
      check_events(i, *instance);
    }
  }
  for (const operation& one : operations)
    if (one.is_withdrawn)
      check_withdrawn(one);
  check_doors();
  for (const subject& one : subjects)
    if (const ledger_instance* instance = durable(one.id)) {
      const auto seen = seen_.find(instance->stored->record.execution);
      if (seen != seen_.end() && !is_prefix(seen->second, instance->history))
        world_.complain("what was seen of \"" + one.id + "\" has vanished");
    }
}

/// I1: where it belongs, and ended once.
void simulated_clients::check_subject(const subject& one) {
  for (const auto& node : nodes_)
    for (const partition_id id : node->own())
      if (id != place(one.id)
          && node->book().durable(id).instances.contains(one.id))
        world_.complain("\"" + one.id + "\" is on partition "
                        + std::to_string(index_of(id))
                        + ", where it does not belong");
  const ledger_instance* instance = durable(one.id);
  if (instance == nullptr) {
    if (one.is_started && !one.is_purged)
      world_.complain("\"" + one.id + "\" was started and is gone");
    return;
  }
  if (!is_finished(instance->stored->record.status))
    world_.complain("\"" + one.id + "\" (" + one.name
                    + ") has not ended: " + to_text(instance->stored->record));
}

/// I2: the result is the model's.
void simulated_clients::check_output(const subject& one,
                                     const ledger_instance& instance) {
  const instance_record& record = instance.stored->record;
  const std::string what = "\"" + one.id + "\" (" + one.name + ")";
  if (record.status == runtime_status::terminated && !one.is_terminated)
    world_.complain(what + " is terminated, and nobody has asked for it");
  const bool may_fail = one.fails || one.is_replaced
                        || (one.is_terminated && one.name == "Family")
                        || (one.name == "Family" && one.output.empty());
  if (record.status == runtime_status::failed && !may_fail)
    world_.complain(what + " has failed");
  if (record.status != runtime_status::completed)
    return;
  const auto& last = instance.history.at(record.output_event);
  const auto* ended = std::get_if<execution_completed>(&last.body);
  const std::string output = ended == nullptr ? "nothing" : ended->result;
  if (!one.output.empty() && output != one.output)
    world_.complain(what + " has ended with " + output + ", wanted "
                    + one.output);
  if (one.name != "Collect")
    return;
  nlohmann::json given = nlohmann::json::array();
  for (const history_event& event : instance.history)
    if (const auto* raised = std::get_if<event_raised>(&event.body))
      given.push_back(nlohmann::json::parse(raised->input));
  if (nlohmann::json::parse(output) != given)
    world_.complain(what + " has returned " + output + ", it was given "
                    + given.dump());
}

/// I3: each acknowledged event is there once, taken or unread, in order.
void simulated_clients::check_events(std::size_t number,
                                     const ledger_instance& instance) {
  const subject& one = subjects[number];
  if (one.events.empty() || one.is_purged || one.is_replaced)
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
    if (event == nullptr || made.subject != number)
      continue;
    const std::size_t times = places[event->data].size();
    const std::string what
      = "event " + event->data + " for \"" + one.id + "\" (" + one.name + ")";
    if (times > 1)
      world_.complain(what + " is there " + std::to_string(times) + " times");
    if (!made.is_answered || made.answer.code != errc::ok) {
      if (times > 0)
        world_.complain(what + " was refused and is there");
      continue;
    }
    if (event->name == "Add")
      sum += std::stol(event->data);
    if (times == 0 && instance.stored->record.generation == 0)
      world_.complain(what + " was acknowledged and is lost");
    if (times == 1)
      sure.push_back(&made);
  }
  for (const operation* a : sure)
    for (const operation* b : sure) {
      const auto& x = std::get<raise_event>(a->request);
      const auto& y = std::get<raise_event>(b->request);
      if (a->answered < b->made && equal_names(x.name, y.name)
          && places[x.data].front() > places[y.data].front())
        world_.complain("events " + x.data + " and " + y.data
                        + " have changed places in \"" + one.id + "\"");
    }
  const instance_record& record = instance.stored->record;
  if (one.name != "AddKeep" || record.status != runtime_status::completed)
    return;
  const auto& ended = std::get<execution_completed>(
    instance.history.at(record.output_event).body);
  if (std::stol(ended.result) + unread != sum)
    world_.complain("\"" + one.id + "\" has added up " + ended.result + " with "
                    + std::to_string(unread) + " unread, wanted "
                    + std::to_string(sum));
}

/// I9: every door shows the same, and all of it.
void simulated_clients::check_doors() {
  for (const operation& one : operations) {
    if (!one.door)
      continue;
    const instance_id& id = instance_of(one.request);
    const ledger_instance* instance = durable(id);
    const bool is_there = instance != nullptr;
    const bool is_shown = one.is_answered && one.answer.status != nullptr;
    if (is_there != is_shown)
      world_.complain("\"" + id + "\" is " + (is_there ? "" : "not ")
                      + "there, and node " + std::to_string(*one.door)
                      + " says something else");
    else if (is_there && one.answer.status->history != instance->history)
      world_.complain("node " + std::to_string(*one.door)
                      + " does not show all of \"" + id + "\"");
  }
}

/// Who takes a request back before it was sent may be sure that it was not.
void simulated_clients::check_withdrawn(const operation& one) {
  const request_id* request = request_of(one.request);
  const ledger_instance* instance = durable(instance_of(one.request));
  if (request != nullptr && instance != nullptr
      && remembers(*instance, *request))
    world_.complain("request " + *request
                    + " was taken back before it was sent, and was done");
}

} // namespace perdura::tests
