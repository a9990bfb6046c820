// SPDX-License-Identifier: Apache-2.0
#include "tests/support/simulated_clients.hpp"

#include "cluster/placement/partition_map.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

// Requests and retries. The checks are in simulated_clients_checks.cpp.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

namespace {

/// The events of clients have payloads from this number on; the orchestrator
/// Sender sends smaller numbers.
constexpr int first_payload = 1000;

/// An orchestrator with its input, its expected output, the names of the events
/// that it waits for, and whether it fails until it is rewound. An empty output
/// means that the output depends on events or that there is none.
struct kind {
  const char* name;
  const char* input;
  const char* output;
  std::vector<std::string> events = {};
  bool fails = false;
};

const std::vector<kind>& kinds() {
  static const std::vector<kind> all{
    {"HelloSequence", "null",
     R"(["Hello Tokyo!","Hello Seattle!","Hello London!"])"},
    {"FanOutFanIn", "6", "55"},
    {"Echo", R"({"z":1, "a":12345678901234567890})",
     R"({"z":1, "a":12345678901234567890})"},
    {"Give", "[1,2]", "[1,2]"},
    {"Parent", "2",
     R"([["Hello Tokyo!","Hello Seattle!","Hello London!"],["Hello Tokyo!","Hello Seattle!","Hello London!"]])"},
    {"Family", R"({"name":"Give","input":7,"count":4})", "[7,7,7,7]"},
    {"Family", R"({"name":"Sleep","input":300,"count":3})",
     R"(["slept","slept","slept"])"},
    {"Family",
     R"({"name":"FailsOnce","input":null,"count":2})",
     R"([["Hello Tokyo!","recovered"],["Hello Tokyo!","recovered"]])",
     {},
     true},
    {"Family", R"({"name":"Approval","input":null,"count":3})", ""},
    {"Sleep", "700", "\"slept\""},
    {"Retries", "2", "\"ok\""},
    {"Monitor", R"({"interval_ms":200,"polls":4,"ready_at":3})",
     R"({"polls":3,"ready":true})"},
    {"Fails", "null", "", {}, true},
    {"FailsOnce", "null", R"(["Hello Tokyo!","recovered"])", {}, true},
    {"Rethrows", "false", R"(["first","recovered","last"])", {}, true},
    {"Rethrows",
     "true",
     R"(["first",["Hello Tokyo!","recovered"],"last"])",
     {},
     true},
    {"Tree", "3", "3"},
    {"Eternal", "3", "\"done\""},
    {"Loop", "3", "\"looped\""},
    {"Collect", "3", "", {"E", "e"}},
    {"Waits", "null", "", {"Go"}},
    {"TwoEvents", "null", "", {"A", "B"}},
    {"ApprovalWithTimeout", "900", "", {"Approval"}},
    {"AddKeep", "0", "", {"Add", "Add", "Add", "Stop"}},
    {"AddKeep", "0", "", {"Add", "Add", "Add", "Stop"}},
  };
  return all;
}

/// Errors after which a client repeats the request.
bool is_retryable(errc code) {
  return code == errc::unavailable || code == errc::unknown_outcome
         || code == errc::shutting_down || code == errc::overloaded;
}

} // namespace

request_id simulated_clients::next_request() {
  return "request-" + std::to_string(++requests_);
}

partition_id simulated_clients::partition_for(const instance_id& id) const {
  return cluster::partition_of(
    id, static_cast<std::uint32_t>(owners_.owners.size()));
}

simulated_node& simulated_clients::owner_of(const instance_id& id) const {
  return *nodes_.at(owners_.owners.at(index_of(partition_for(id))));
}

const model_instance* simulated_clients::durable(const instance_id& id) const {
  const auto& known = owner_of(id).model().durable(partition_for(id)).instances;
  const auto found = known.find(id);
  return found == known.end() ? nullptr : &found->second;
}

// --- Choice of requests ------------------------------------------------------

/// Picks a random instance whose start was acknowledged. If `with_events` is
/// true, the instance also waits for events of clients.
std::optional<std::size_t> simulated_clients::pick_started(bool with_events) {
  for (int tries = 0; tries < 20 && !tracked.empty(); ++tries) {
    const std::size_t number = simulator_.below(tracked.size());
    if (tracked[number].is_started
        && (!with_events || !tracked[number].events.empty()))
      return number;
  }
  return std::nullopt;
}

void simulated_clients::submit_random_operation() {
  const std::uint64_t what = simulator_.below(100);
  if (what < 36) {
    start_new_instance();
    return;
  }
  if (what < 40) {
    start_by_event();
    return;
  }
  if (what < 43) {
    submit_query();
    return;
  }
  const auto index = pick_started(what < 68);
  if (!index)
    return;
  const instance_id id = tracked[*index].id;
  if (what < 68) {
    raise(*index);
  } else if (what < 72) {
    tracked[*index].terminate_requested = true;
    submit(
      terminate_instance{id, "enough", simulator_.once_in(2), next_request()},
      *index);
  } else if (what < 77) {
    submit(suspend_instance{id, "stop", next_request()}, *index);
    simulator_.after(simulator_.between(20ms, 900ms), [this, id, index] {
      submit(resume_instance{id, "go on", next_request()}, *index);
    });
  } else if (what < 81) {
    submit(rewind_instance{id, "fixed", next_request()}, *index);
  } else if (what < 84) {
    tracked[*index].purge_requested = true;
    submit(purge_instance{id, next_request()}, *index);
  } else if (what < 92) {
    submit(get_status{id, true, true}, *index);
  } else if (what < 98) {
    submit(wait_instance{id, simulator_.once_in(4) ? wait_for::started
                                                   : wait_for::finished},
           *index);
  } else {
    restart_instance();
  }
}

void simulated_clients::start_new_instance() {
  const kind& chosen = kinds()[simulator_.below(kinds().size())];
  tracked_instance one;
  one.id = "s" + std::to_string(tracked.size() + 1);
  one.name = chosen.name;
  one.input = chosen.input;
  one.output = chosen.output;
  one.events = chosen.events;
  one.fails = chosen.fails;
  // Half of the Collect instances receive all events from a Sender instance.
  // One in 16 of these Collect instances receives 300 events, which is more
  // than an outbox sends at once after a reconnect.
  if (one.name == "Collect" && simulator_.once_in(2)) {
    const int count = simulator_.once_in(16) ? 300 : 3;
    one.events.clear();
    one.is_fed_by_sender = true;
    one.input = std::to_string(count);
    one.output = "[0";
    for (int i = 1; i < count; ++i)
      one.output += "," + std::to_string(i);
    one.output += "]";
  }
  start_instance start;
  start.id = one.id;
  start.name = one.name;
  start.input = one.input;
  start.request = next_request();
  start.get_or_start = simulator_.once_in(4);
  if (simulator_.once_in(8))
    start.scheduled_at
      = owner_of(one.id).wall() + simulator_.between(10ms, 900ms);
  tracked.push_back(std::move(one));
  const std::size_t index = tracked.size() - 1;
  submit(std::move(start), index);
  // Half of the trees are terminated while they grow.
  if (tracked[index].name == "Tree" && simulator_.once_in(2))
    simulator_.after(simulator_.between(20ms, 400ms), [this, index] {
      tracked[index].terminate_requested = true;
      submit(
        terminate_instance{tracked[index].id, "enough", true, next_request()},
        index);
    });
}

/// Sends up to four events to an instance at about the same time. The first one
/// that arrives starts it, as does one that arrives after it has ended.
void simulated_clients::start_by_event() {
  tracked_instance one;
  one.id = "s" + std::to_string(tracked.size() + 1);
  one.name = "Collect";
  one.input = "3";
  one.events = {"E"};
  one.restart_requested = true;
  start_or_raise request;
  request.id = one.id;
  request.name = one.name;
  request.input = one.input;
  request.event = "E";
  tracked.push_back(std::move(one));
  const std::size_t index = tracked.size() - 1;
  for (std::uint64_t left = 1 + simulator_.below(4); left > 0; --left) {
    request.data = std::to_string(first_payload + payloads_++);
    request.request = next_request();
    simulator_.after(simulator_.between(0us, 60ms),
                     [this, request, index] { submit(request, index); });
  }
}

/// Sends another start for the ID of a known instance. After the instance has
/// ended, the start creates a new execution. Before that, it is refused or
/// returns the existing instance (get_or_start).
void simulated_clients::restart_instance() {
  const auto index = pick_started(false);
  if (!index || tracked[*index].is_fed_by_sender)
    return;
  tracked_instance& one = tracked[*index];
  one.restart_requested = true;
  start_instance start;
  start.id = one.id;
  start.name = one.name;
  start.input = one.input;
  start.request = next_request();
  start.get_or_start = simulator_.once_in(2);
  submit(std::move(start), *index);
}

/// Raises an event with a payload that no other event has.
void simulated_clients::raise(std::size_t index) {
  const tracked_instance& one = tracked[index];
  const std::string& name = one.events[simulator_.below(one.events.size())];
  submit(raise_event{one.id, name, std::to_string(first_payload + payloads_++),
                     next_request()},
         index);
}

/// Sends a query to a random node through another random process.
void simulated_clients::submit_query() {
  const auto from = static_cast<unsigned>(simulator_.below(processes_.size()));
  const auto to = static_cast<unsigned>(simulator_.below(nodes_.size()));
  if (from == to || !processes_[from]->is_running())
    return;
  const std::uint64_t ticket = ++last_ticket_;
  queries_[ticket] = {from, to};
  cluster::node_query query = cluster::count_query{};
  if (simulator_.once_in(3))
    query = instance_query{};
  else if (simulator_.once_in(2))
    query = cluster::report_query{};
  processes_[from]->ask(to, query, ticket);
}

// --- Sending and retries -----------------------------------------------------

void simulated_clients::submit(management_request request, std::size_t index,
                               std::optional<unsigned> process) {
  operation one;
  one.process = process;
  one.request = std::move(request);
  one.instance = index;
  one.made = simulator_.now();
  one.is_deferrable = !std::holds_alternative<wait_instance>(one.request)
                      && simulator_.once_in(6);
  const bool is_change = !std::holds_alternative<wait_instance>(one.request)
                         && !std::holds_alternative<get_status>(one.request);
  const instance_id id = instance_of(one.request);
  operations.push_back(std::move(one));
  ++open_;
  send(operations.size() - 1);
  // After some changes the client reads the status, to see the effect.
  if (is_change && simulator_.once_in(4))
    simulator_.after(simulator_.between(100us, 8ms), [this, id, index] {
      submit(get_status{id, true, true}, index);
    });
}

/// Sends one attempt of an operation. Most attempts have a time limit.
void simulated_clients::send(std::size_t number) {
  operation& one = operations[number];
  const unsigned at = one.process.value_or(
    static_cast<unsigned>(simulator_.below(processes_.size())));
  if (!processes_[at]->is_running()) { // connection refused
    schedule_retry(number, 20ms, 150ms);
    return;
  }
  const std::uint64_t ticket = ++last_ticket_;
  attempt& made = attempts_[ticket];
  made.operation = number;
  made.process = at;
  if (one.is_deferrable)
    made.token = std::make_shared<cluster::send_or_cancel_token>();
  one.open_tickets.insert(ticket);
  ++one.attempts;
  simulator_.trace("ask", ticket, instance_of(one.request));
  // As a gateway does, the client proposes a new execution ID for every
  // attempt. A repeated start keeps the execution of the first attempt.
  if (auto* start = std::get_if<start_instance>(&one.request))
    start->execution = "execution-" + std::to_string(ticket);
  if (auto* start = std::get_if<start_or_raise>(&one.request))
    start->execution = "execution-" + std::to_string(ticket);
  processes_[at]->submit(ticket, one.request, made.token);
  const bool waits = std::holds_alternative<wait_instance>(one.request);
  if (!waits || simulator_.once_in(3))
    simulator_.after(simulator_.between(waits ? 100ms : 1500ms, 4s),
                     [this, ticket] { handle_time_out(ticket); });
}

/// Sends the operation again later, unless it is closed or another attempt is
/// open.
void simulated_clients::schedule_retry(std::size_t number, steady_time least,
                                       steady_time most) {
  simulator_.after(simulator_.between(least, most), [this, number] {
    if (!operations[number].is_closed
        && operations[number].open_tickets.empty())
      send(number);
  });
}

void simulated_clients::close_operation(std::size_t number) {
  operation& one = operations[number];
  if (one.is_closed)
    return;
  one.is_closed = true;
  --open_;
}

/// An attempt has not been answered in time. A wait is cancelled. A request
/// that was withdrawn before it was sent may be given up. Any other request is
/// sent again, while the first attempt may still be in progress.
void simulated_clients::handle_time_out(std::uint64_t ticket) {
  const auto found = attempts_.find(ticket);
  if (found == attempts_.end())
    return;
  const attempt late = found->second;
  operation& one = operations[late.operation];
  if (one.is_closed)
    return;
  if (std::holds_alternative<wait_instance>(one.request)) {
    simulator_.count("client: wait cancelled");
    attempts_.erase(found);
    one.open_tickets.erase(ticket);
    processes_[late.process]->cancel(ticket, instance_of(one.request));
    close_operation(late.operation);
    return;
  }
  if (late.token && late.token->withdraw()) {
    simulator_.count("client: request withdrawn");
    attempts_.erase(found);
    one.open_tickets.erase(ticket);
    if (one.attempts == 1 && simulator_.once_in(2)) {
      one.is_withdrawn = true; // the client gives up
      close_operation(late.operation);
      return;
    }
  }
  simulator_.count("client: repeated after a time-out");
  send(late.operation);
}

void simulated_clients::answered(std::uint64_t ticket,
                                 management_answer answer) {
  simulator_.trace("answer", ticket, to_string(answer.code));
  const auto found = attempts_.find(ticket);
  if (found == attempts_.end()) {
    if (ticket > last_ticket_)
      simulator_.report_violation("an answer has the ticket of no request");
    return;
  }
  const std::size_t number = found->second.operation;
  attempts_.erase(found);
  operation& one = operations[number];
  one.open_tickets.erase(ticket);
  check_answer(one, answer);
  if (one.is_answered && one.answer.code == errc::ok && answer.code != errc::ok
      && !is_retryable(answer.code)
      && !std::holds_alternative<wait_instance>(one.request)
      && !std::holds_alternative<get_status>(one.request))
    simulator_.report_violation("a repeat of an acknowledged request to \""
                                + instance_of(one.request) + "\" is refused: "
                                + std::string(to_string(answer.code)));
  if (one.is_closed)
    return;
  if (is_retryable(answer.code)) {
    simulator_.count(answer.code == errc::unknown_outcome
                       ? "client: unknown outcome"
                       : "client: unavailable");
    schedule_retry(number, 10ms, 300ms);
    return;
  }
  one.is_answered = true;
  one.answered = simulator_.now();
  one.answer = std::move(answer);
  close_operation(number);
  tracked_instance& instance = tracked[one.instance];
  if (std::holds_alternative<start_or_raise>(one.request)) {
    if (one.answer.code == errc::ok)
      simulator_.count(one.answer.created ? "client: started by an event"
                                          : "client: event without a start");
    instance.is_started |= one.answer.code == errc::ok;
    return;
  }
  const auto* start = std::get_if<start_instance>(&one.request);
  if (start == nullptr || one.answer.code != errc::ok || instance.is_started)
    return;
  instance.is_started = true;
  if (!instance.is_fed_by_sender)
    return;
  tracked_instance sender;
  sender.id = instance.id + "-sender";
  sender.name = "Sender";
  sender.input
    = R"({"to":")" + instance.id + R"(","count":)" + instance.input + "}";
  sender.output = "\"sent\"";
  start_instance more;
  more.id = sender.id;
  more.name = sender.name;
  more.input = sender.input;
  more.request = next_request();
  tracked.push_back(std::move(sender));
  submit(std::move(more), tracked.size() - 1);
}

void simulated_clients::query_answered(
  std::uint64_t ticket, result<cluster::node_query_answer> answer) {
  const auto found = queries_.find(ticket);
  if (found == queries_.end()) {
    simulator_.report_violation("a query is answered twice");
    return;
  }
  const unsigned to = found->second.second;
  queries_.erase(found);
  if (!answer) {
    simulator_.count("client: query failed");
    return;
  }
  simulator_.count("client: query answered");
  if (const auto* page = std::get_if<instance_page>(&*answer))
    for (const instance_row& row : page->rows)
      if (owners_.owners.at(index_of(partition_for(row.id))) != to)
        simulator_.report_violation("\"" + row.id
                                    + "\" is listed by a node that does not "
                                      "own it");
}

/// Attempts that went through the process get no answer and are repeated.
void simulated_clients::process_crashed(unsigned number) {
  std::vector<std::size_t> again;
  std::erase_if(attempts_, [&](const auto& entry) {
    if (entry.second.process != number)
      return false;
    operation& one = operations[entry.second.operation];
    one.open_tickets.erase(entry.first);
    if (!one.is_closed)
      again.push_back(entry.second.operation);
    return true;
  });
  std::erase_if(
    queries_, [&](const auto& entry) { return entry.second.first == number; });
  for (const std::size_t one : again)
    schedule_retry(one, 10ms, 200ms);
}

std::string simulated_clients::first_open() const {
  for (const operation& one : operations)
    if (!one.is_closed)
      return "request " + std::to_string(one.request.index()) + " for \""
             + instance_of(one.request) + "\" (" + tracked[one.instance].name
             + ")";
  return "none";
}

} // namespace perdura::tests
