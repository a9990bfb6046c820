#include "tests/simulation/scenario.hpp"

#include "client/examples/samples.hpp"
#include "tests/support/history_text.hpp"
#include "tests/support/test_functions.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace perdura::tests {

using namespace std::chrono_literals;

// --- The client -------------------------------------------------------------

request_id storyteller::next_request() {
  return "request-" + std::to_string(++requests_);
}

void storyteller::note(const std::string& what,
                       const management_answer& answer) {
  if (answer.code != errc::ok)
    notes.push_back(what + ": " + std::string(to_string(answer.code)));
}

deterministic_node::ticket storyteller::ask_to_start(const instance_id& id,
                                                     const std::string& name,
                                                     const std::string& input,
                                                     duration later) {
  start_instance start;
  start.id = id;
  start.name = name;
  start.input = input;
  start.request = next_request();
  char text[33];
  std::snprintf(text, sizeof text, "%032x", requests_);
  start.execution = text;
  if (later > duration{0})
    start.scheduled_at = node.clock.now() + later;
  return node.submit(std::move(start));
}

deterministic_node::ticket storyteller::ask_to_raise(const instance_id& id,
                                                     const std::string& name,
                                                     const std::string& data) {
  return node.submit(raise_event{id, name, data, next_request()});
}

void storyteller::await_answer(deterministic_node::ticket number,
                               const char* what) {
  if (node.run_until([&] { return node.is_answered(number); }))
    note(what, *node.answer_to(number));
  else
    notes.push_back(std::string(what) + ": never answered");
}

void storyteller::start(const instance_id& id, const std::string& name,
                        const std::string& input, duration later) {
  await_answer(ask_to_start(id, name, input, later), "start");
}

void storyteller::raise(const instance_id& id, const std::string& name,
                        const std::string& data) {
  await_answer(ask_to_raise(id, name, data), "raise");
}

void storyteller::terminate(const instance_id& id, bool recursive) {
  note("terminate",
       node.ask(terminate_instance{id, "enough", recursive, next_request()}));
}

void storyteller::suspend(const instance_id& id) {
  note("suspend", node.ask(suspend_instance{id, "stop", next_request()}));
}

void storyteller::resume(const instance_id& id) {
  note("resume", node.ask(resume_instance{id, "go on", next_request()}));
}

void storyteller::rewind(const instance_id& id) {
  note("rewind", node.ask(rewind_instance{id, "mended", next_request()}));
}

void storyteller::purge(const instance_id& id) {
  // It has no request ID: a repeat may find it done.
  const management_answer answer = node.ask(purge_instance{id});
  if (answer.code != errc::not_found)
    note("purge", answer);
}

void storyteller::await_end(const instance_id& id) {
  note("wait", node.ask(wait_instance{id}));
}

// --- The functions ----------------------------------------------------------

std::shared_ptr<const registry> sample_functions() {
  static const std::shared_ptr<const registry> all = [] {
    auto functions = std::make_shared<registry>();
    examples::add_samples(*functions);
    add_test_functions(*functions);
    return functions;
  }();
  return all;
}

// --- The stories ------------------------------------------------------------

namespace {

/// Starts one instance and waits for its end.
std::function<void(storyteller&)> simply(std::string name,
                                         std::string input = "null") {
  return [name = std::move(name), input = std::move(input)](storyteller& s) {
    s.start("only", name, input);
    s.await_end("only");
  };
}

std::vector<scenario> all_scenarios() {
  std::vector<scenario> all;
  const auto add = [&](std::string name, std::function<void(storyteller&)> tell,
                       bool as_sets = false) {
    all.push_back({std::move(name), std::move(tell), as_sets});
  };
  add("hello", simply("HelloSequence"));
  add("echo", simply("Echo", R"({"z":1, "a":12345678901234567890})"));
  add("fan_out", simply("FanOutFanIn", "10"), true);
  add("approval_before", [](storyteller& s) {
    const auto started = s.ask_to_start("only", "Approval");
    const auto raised = s.ask_to_raise("only", "approval", "{\"by\":\"me\"}");
    s.await_answer(started, "start");
    s.await_answer(raised, "raise");
    s.await_end("only");
  });
  add("approval_after", [](storyteller& s) {
    s.start("only", "Approval");
    s.pass(1min);
    s.raise("only", "Approval", "true");
    s.await_end("only");
  });
  add("approval_timed_out", simply("ApprovalWithTimeout", "60000"));
  add("approval_in_time", [](storyteller& s) {
    s.start("only", "ApprovalWithTimeout", "60000");
    s.pass(30s);
    s.raise("only", "Approval", "true");
    s.await_end("only");
  });
  add("two_events", [](storyteller& s) {
    s.start("only", "TwoEvents");
    s.raise("only", "B", "2");
    s.raise("only", "unwanted", "3");
    s.raise("only", "A", "1");
    s.await_end("only");
  });
  add("sleep", simply("Sleep", "3600000"));
  add("monitor",
      simply("Monitor", R"({"interval_ms":1000,"polls":4,"ready_at":3})"));
  add("parent", simply("Parent", "3"), true);
  add("retries", simply("Retries", "3"));
  add("retries_exhausted", simply("Retries", "9"));
  add("fails", simply("Fails"));
  add("fails_once", [](storyteller& s) {
    s.start("only", "FailsOnce");
    s.await_end("only");
    s.rewind("only");
    s.await_end("only");
  });
  add(
    "failing_children",
    [](storyteller& s) {
      s.start("only", "Family",
              R"({"name":"FailsOnce","input":null,"count":2})");
      s.await_end("only");
      s.pass(1s); // so that both have failed
      s.rewind("only");
      s.await_end("only");
    },
    true);
  add("eternal", simply("Eternal", "5"));
  add("counter", [](storyteller& s) {
    s.start("only", "Counter");
    for (const char* const number : {"1", "20", "300"}) {
      s.raise("only", "Add", number);
      s.pass(1s);
    }
    s.raise("only", "Stop");
    s.await_end("only");
  });
  add("counter_at_once", [](storyteller& s) {
    std::vector<deterministic_node::ticket> open;
    open.push_back(s.ask_to_start("only", "Counter"));
    for (const char* const number : {"1", "20", "300"})
      open.push_back(s.ask_to_raise("only", "Add", number));
    for (const auto ticket : open)
      s.await_answer(ticket, "request");
    s.pass(1s);
    s.raise("only", "Stop");
    s.await_end("only");
  });
  add("loop", simply("Loop", "5"));
  add("set_status", [](storyteller& s) {
    s.start("only", "SetStatus");
    s.raise("only", "Go");
    s.await_end("only");
  });
  add("suspend_resume", [](storyteller& s) {
    s.start("only", "TwoEvents");
    s.suspend("only");
    s.raise("only", "A", "1");
    s.raise("only", "B", "2");
    s.pass(1min);
    s.resume("only");
    s.await_end("only");
  });
  add("suspended_timer", [](storyteller& s) {
    s.start("only", "Sleep", "1000");
    s.suspend("only");
    s.pass(1min);
    s.resume("only");
    s.await_end("only");
  });
  add("terminate", [](storyteller& s) {
    s.start("only", "Approval");
    s.terminate("only");
    s.raise("only", "Approval"); // refused
    s.await_end("only");
  });
  add(
    "terminate_recursive",
    [](storyteller& s) {
      s.start("only", "Family",
              R"({"name":"Approval","input":null,"count":3})");
      s.pass(1s);
      s.terminate("only", true);
      s.await_end("only");
      for (const char* const child : {"only-0", "only-1", "only-2"})
        s.await_end(child);
    },
    true);
  add("scheduled", [](storyteller& s) {
    s.start("only", "HelloSequence", "null", 1h);
    s.await_end("only");
  });
  add("scheduled_with_event", [](storyteller& s) {
    s.start("only", "Approval", "null", 1h);
    s.raise("only", "Approval", "7");
    s.await_end("only");
  });
  add("purge_and_restart", [](storyteller& s) {
    s.start("only", "HelloSequence");
    s.await_end("only");
    s.purge("only");
    s.start("only", "Echo", "1");
    s.await_end("only");
  });
  add("replace", [](storyteller& s) {
    s.start("only", "TwoEvents");
    s.raise("only", "B", "2");
    s.terminate("only");
    s.start("only", "Sleep", "10");
    s.await_end("only");
    s.start("only", "HelloSequence");
    s.await_end("only");
  });
  add("refused", [](storyteller& s) {
    s.start("only", "Nobody");
    s.start("only", "Approval");
    s.start("only", "Approval");
    s.raise("nobody", "Approval");
    s.rewind("only");
    s.purge("only");
    s.raise("only", "Approval", "1");
    s.await_end("only");
  });
  add(
    "send_event",
    [](storyteller& s) {
      s.start("collector", "Collect", "4");
      s.start("sender-1", "Sender", R"({"to":"collector","count":4})");
      s.start("sender-2", "Sender", R"({"to":"nobody","count":2})");
      s.await_end("sender-1");
      s.await_end("collector");
    },
    true);
  add(
    "many",
    [](storyteller& s) {
      std::vector<deterministic_node::ticket> open;
      for (int i = 0; i < 6; ++i)
        open.push_back(
          s.ask_to_start("hello-" + std::to_string(i), "HelloSequence"));
      open.push_back(s.ask_to_start("sleep", "Sleep", "40"));
      open.push_back(s.ask_to_start("parent", "Parent", "2"));
      for (const auto ticket : open)
        s.await_answer(ticket, "start");
      for (int i = 0; i < 6; ++i)
        s.await_end("hello-" + std::to_string(i));
      s.await_end("sleep");
      s.await_end("parent");
    },
    true);
  return all;
}

} // namespace

const std::vector<scenario>& scenarios() {
  static const std::vector<scenario> all = all_scenarios();
  return all;
}

const scenario& find_scenario(const std::string& name) {
  for (const scenario& one : scenarios())
    if (one.name == name)
      return one;
  throw std::invalid_argument("no scenario " + name);
}

// --- The telling ------------------------------------------------------------

std::string crash_plan::text() const {
  static const char* const names[]
    = {"before commit", "after commit", "before views' commit",
       "after views' commit"};
  if (n == 0)
    return "no crash";
  std::string out
    = std::string(names[static_cast<int>(point)]) + " " + std::to_string(n);
  if (again > 0)
    out += ", and " + std::to_string(again) + " times while coming back";
  return out;
}

namespace {

bool is_frame(const std::string& line) {
  return line.starts_with("OrchestratorStarted")
         || line.starts_with("OrchestratorCompleted");
}

void describe(deterministic_node& node, const instance_row& row, bool as_sets,
              std::vector<std::string>& lines) {
  const std::string head = row.id + ": ";
  lines.push_back(head + to_text(row.record));
  lines.push_back(head + "input " + row.input + " output " + row.output
                  + " custom status " + row.custom_status);
  if (const auto stored = node.stored(row.id)) {
    for (const auto& [number, message] : stored->inbox)
      lines.push_back(head + "unread " + to_text(message.event));
    std::vector<std::string> requests;
    for (const request_record& request : stored->requests)
      requests.push_back(head + "answered " + request.id);
    std::sort(requests.begin(), requests.end());
    lines.insert(lines.end(), requests.begin(), requests.end());
  }
  std::vector<std::string> history = to_text(node.history_of(row.id));
  if (as_sets) {
    std::erase_if(history, is_frame);
    std::sort(history.begin(), history.end());
  }
  for (const std::string& line : history)
    lines.push_back(head + line);
}

} // namespace

ending play(const scenario& what, crash_plan plan, node_options how) {
  ending out;
  if (!how.functions)
    how.functions = sample_functions();
  bool over = false;
  bool crashed = false;
  unsigned comings_back = 0;
  unsigned passed = 0; // since the node began to come back
  unsigned life_seen = 0;
  deterministic_node* running = nullptr;
  how.crash = [&](crash_point point) {
    if (over)
      return false;
    const unsigned n = ++out.points[point];
    if (plan.n == 0)
      return false;
    if (!crashed)
      return crashed = point == plan.point && n == plan.n;
    if (comings_back >= plan.again || running == nullptr)
      return false;
    if (running->life() != life_seen) {
      life_seen = running->life();
      passed = 0;
    }
    if (++passed <= comings_back)
      return false;
    ++comings_back;
    return true;
  };
  // The first life's own beginning may crash too: `running` is null then.
  deterministic_node node(std::move(how));
  running = &node;
  storyteller teller(node);
  what.tell(teller);
  node.check_at_rest();
  over = true;
  for (const instance_row& row : node.rows())
    describe(node, row, what.as_sets, out.lines);
  for (const std::string& note : teller.notes)
    out.lines.push_back("noted " + note);
  out.complaints = node.complaints;
  out.lives = node.life();
  return out;
}

std::vector<std::string> differences(const ending& wanted, const ending& got) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::max(wanted.lines.size(), got.lines.size());
       ++i) {
    const std::string a = i < wanted.lines.size() ? wanted.lines[i] : "nothing";
    const std::string b = i < got.lines.size() ? got.lines[i] : "nothing";
    if (a == b)
      continue;
    out.push_back("wanted " + a + ", got " + b);
    break; // the rest follows from the first
  }
  return out;
}

} // namespace perdura::tests
