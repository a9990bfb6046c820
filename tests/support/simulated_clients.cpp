#include "tests/support/simulated_clients.hpp"

#include "cluster/placement/partition_map.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

// What they ask, and how they repeat it. What they check stands in
// simulated_clients_checks.cpp.

namespace perdura::tests {

using namespace std::chrono_literals;

namespace {

constexpr int first_payload = 1000; ///< Below: those of Sender.

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

bool may_be_repeated(errc code) {
  return code == errc::unavailable || code == errc::unknown_outcome
         || code == errc::shutting_down || code == errc::overloaded;
}

} // namespace

request_id simulated_clients::next_request() {
  return "request-" + std::to_string(++requests_);
}

partition_id simulated_clients::place(const instance_id& id) const {
  return cluster::partition_of(
    id, static_cast<std::uint32_t>(owners_.owners.size()));
}

simulated_node& simulated_clients::owner_of(const instance_id& id) const {
  return *nodes_.at(owners_.owners.at(index_of(place(id))));
}

const ledger_instance* simulated_clients::durable(const instance_id& id) const {
  const auto& known = owner_of(id).book().durable(place(id)).instances;
  const auto found = known.find(id);
  return found == known.end() ? nullptr : &found->second;
}

// --- What they ask -----------------------------------------------------------

std::optional<std::size_t> simulated_clients::any_started(bool with_events) {
  for (int tries = 0; tries < 20 && !subjects.empty(); ++tries) {
    const std::size_t number = world_.below(subjects.size());
    if (subjects[number].is_started
        && (!with_events || !subjects[number].events.empty()))
      return number;
  }
  return std::nullopt;
}

void simulated_clients::act() {
  const std::uint64_t what = world_.below(100);
  if (what < 40) {
    start_one();
    return;
  }
  if (what < 43) {
    ask_question();
    return;
  }
  const auto about = any_started(what < 68);
  if (!about)
    return;
  const instance_id id = subjects[*about].id;
  if (what < 68) {
    raise(*about);
  } else if (what < 72) {
    subjects[*about].is_terminated = true;
    submit(terminate_instance{id, "enough", world_.once_in(2), next_request()},
           *about);
  } else if (what < 77) {
    submit(suspend_instance{id, "stop", next_request()}, *about);
    world_.after(world_.between(20ms, 900ms), [this, id, about] {
      submit(resume_instance{id, "go on", next_request()}, *about);
    });
  } else if (what < 81) {
    submit(rewind_instance{id, "mended", next_request()}, *about);
  } else if (what < 84) {
    subjects[*about].is_purged = true;
    submit(purge_instance{id}, *about);
  } else if (what < 92) {
    submit(get_status{id, true, true}, *about);
  } else if (what < 98) {
    submit(wait_instance{id, world_.once_in(4) ? wait_for::started
                                               : wait_for::finished},
           *about);
  } else {
    start_again();
  }
}

void simulated_clients::start_one() {
  const kind& chosen = kinds()[world_.below(kinds().size())];
  subject one;
  one.id = "s" + std::to_string(subjects.size() + 1);
  one.name = chosen.name;
  one.input = chosen.input;
  one.output = chosen.output;
  one.events = chosen.events;
  one.fails = chosen.fails;
  // Some collectors are for another orchestration's events alone, and some of
  // those have more of them on their way than are sent again at once.
  if (one.name == "Collect" && world_.once_in(2)) {
    const int count = world_.once_in(16) ? 300 : 3;
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
  start.get_or_start = world_.once_in(4);
  if (world_.once_in(8))
    start.scheduled_at = owner_of(one.id).wall() + world_.between(10ms, 900ms);
  subjects.push_back(std::move(one));
  submit(std::move(start), subjects.size() - 1);
}

/// The same ID once more: refused while it lives, a new execution after.
void simulated_clients::start_again() {
  const auto about = any_started(false);
  if (!about || subjects[*about].is_fed_by_sender)
    return;
  subject& one = subjects[*about];
  one.is_replaced = true;
  start_instance start;
  start.id = one.id;
  start.name = one.name;
  start.input = one.input;
  start.request = next_request();
  start.get_or_start = world_.once_in(2);
  submit(std::move(start), *about);
}

void simulated_clients::raise(std::size_t about) {
  const subject& one = subjects[about];
  const std::string& name = one.events[world_.below(one.events.size())];
  submit(raise_event{one.id, name, std::to_string(first_payload + payloads_++),
                     next_request()},
         about);
}

void simulated_clients::ask_question() {
  const auto from = static_cast<unsigned>(world_.below(doors_.size()));
  const auto to = static_cast<unsigned>(world_.below(nodes_.size()));
  if (from == to || !doors_[from]->is_alive())
    return;
  const std::uint64_t ticket = ++last_ticket_;
  questions_[ticket] = {from, to};
  cluster::question asked = cluster::count_question{};
  if (world_.once_in(3))
    asked = instance_query{};
  else if (world_.once_in(2))
    asked = cluster::report_question{};
  doors_[from]->ask(to, asked, ticket);
}

// --- How they ask ------------------------------------------------------------

void simulated_clients::submit(management_request request, std::size_t about,
                               std::optional<unsigned> door) {
  operation one;
  one.door = door;
  one.request = std::move(request);
  one.subject = about;
  one.made = world_.now();
  one.is_patient
    = !std::holds_alternative<wait_instance>(one.request) && world_.once_in(6);
  const bool is_change = !std::holds_alternative<wait_instance>(one.request)
                         && !std::holds_alternative<get_status>(one.request);
  const instance_id id = instance_of(one.request);
  operations.push_back(std::move(one));
  ++open_;
  send(operations.size() - 1);
  // Who asks for something likes to look whether it is done.
  if (is_change && world_.once_in(4))
    world_.after(world_.between(100us, 8ms), [this, id, about] {
      submit(get_status{id, true, true}, about);
    });
}

void simulated_clients::send(std::size_t number) {
  operation& one = operations[number];
  const unsigned at
    = one.door.value_or(static_cast<unsigned>(world_.below(doors_.size())));
  if (!doors_[at]->is_alive()) { // the connection is refused
    try_again(number, 20ms, 150ms);
    return;
  }
  const std::uint64_t ticket = ++last_ticket_;
  attempt& how = attempts_[ticket];
  how.operation = number;
  how.door = at;
  if (one.is_patient)
    how.claim = std::make_shared<cluster::request_claim>();
  one.under_way.insert(ticket);
  ++one.attempts;
  world_.trace("ask", ticket, instance_of(one.request));
  // As a gateway does: a repetition has another one, and does not need it.
  if (auto* start = std::get_if<start_instance>(&one.request))
    start->execution = "execution-" + std::to_string(ticket);
  doors_[at]->submit(ticket, one.request, how.claim);
  const bool waits = std::holds_alternative<wait_instance>(one.request);
  if (!waits || world_.once_in(3))
    world_.after(world_.between(waits ? 100ms : 1500ms, 4s),
                 [this, ticket] { time_out(ticket); });
}

void simulated_clients::try_again(std::size_t number, moment least,
                                  moment most) {
  world_.after(world_.between(least, most), [this, number] {
    if (!operations[number].is_over && operations[number].under_way.empty())
      send(number);
  });
}

void simulated_clients::finish(std::size_t number) {
  operation& one = operations[number];
  if (one.is_over)
    return;
  one.is_over = true;
  --open_;
}

/// A wait is given up; everything else is asked once more, elsewhere, while
/// the first one may be under way still.
void simulated_clients::time_out(std::uint64_t ticket) {
  const auto found = attempts_.find(ticket);
  if (found == attempts_.end())
    return;
  const attempt late = found->second;
  operation& one = operations[late.operation];
  if (one.is_over)
    return;
  if (std::holds_alternative<wait_instance>(one.request)) {
    world_.count("client: wait cancelled");
    attempts_.erase(found);
    one.under_way.erase(ticket);
    doors_[late.door]->cancel(ticket, instance_of(one.request));
    finish(late.operation);
    return;
  }
  if (late.claim && late.claim->withdraw()) {
    world_.count("client: claim withdrawn");
    attempts_.erase(found);
    one.under_way.erase(ticket);
    if (one.attempts == 1 && world_.once_in(2)) {
      one.is_withdrawn = true; // as if it had never been
      finish(late.operation);
      return;
    }
  }
  world_.count("client: repeated after a time-out");
  send(late.operation);
}

void simulated_clients::answered(std::uint64_t ticket,
                                 management_answer answer) {
  world_.trace("answer", ticket, to_string(answer.code));
  const auto found = attempts_.find(ticket);
  if (found == attempts_.end()) {
    if (ticket > last_ticket_)
      world_.complain("a request is answered that was never made");
    return;
  }
  const std::size_t number = found->second.operation;
  attempts_.erase(found);
  operation& one = operations[number];
  one.under_way.erase(ticket);
  check_answer(one, answer);
  if (one.is_over)
    return;
  if (may_be_repeated(answer.code)) {
    world_.count(answer.code == errc::unknown_outcome
                   ? "client: unknown outcome"
                   : "client: unavailable");
    try_again(number, 10ms, 300ms);
    return;
  }
  one.is_answered = true;
  one.answered = world_.now();
  one.answer = std::move(answer);
  finish(number);
  subject& about = subjects[one.subject];
  const auto* start = std::get_if<start_instance>(&one.request);
  if (start == nullptr || one.answer.code != errc::ok || about.is_started)
    return;
  about.is_started = true;
  if (!about.is_fed_by_sender)
    return;
  subject sender;
  sender.id = about.id + "-sender";
  sender.name = "Sender";
  sender.input = R"({"to":")" + about.id + R"(","count":)" + about.input + "}";
  sender.output = "\"sent\"";
  start_instance more;
  more.id = sender.id;
  more.name = sender.name;
  more.input = sender.input;
  more.request = next_request();
  subjects.push_back(std::move(sender));
  submit(std::move(more), subjects.size() - 1);
}

void simulated_clients::question_answered(
  std::uint64_t ticket, result<cluster::question_answer> answer) {
  const auto found = questions_.find(ticket);
  if (found == questions_.end()) {
    world_.complain("a question is answered twice");
    return;
  }
  const unsigned to = found->second.second;
  questions_.erase(found);
  if (!answer) {
    world_.count("client: question failed");
    return;
  }
  world_.count("client: question answered");
  if (const auto* page = std::get_if<instance_page>(&*answer))
    for (const instance_row& row : page->rows)
      if (owners_.owners.at(index_of(place(row.id))) != to)
        world_.complain("\"" + row.id
                        + "\" is listed by a node that does not "
                          "own it");
}

void simulated_clients::process_died(unsigned number) {
  std::vector<std::size_t> again;
  std::erase_if(attempts_, [&](const auto& entry) {
    if (entry.second.door != number)
      return false;
    operation& one = operations[entry.second.operation];
    one.under_way.erase(entry.first);
    if (!one.is_over)
      again.push_back(entry.second.operation);
    return true;
  });
  std::erase_if(questions_, [&](const auto& entry) {
    return entry.second.first == number;
  });
  for (const std::size_t one : again)
    try_again(one, 10ms, 200ms);
}

std::string simulated_clients::first_open() const {
  for (const operation& one : operations)
    if (!one.is_over)
      return "request " + std::to_string(one.request.index()) + " for \""
             + instance_of(one.request) + "\" (" + subjects[one.subject].name
             + ")";
  return "none";
}

} // namespace perdura::tests
