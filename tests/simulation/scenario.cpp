// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/scenario.hpp"

#include "client/examples/samples.hpp"
#include "tests/support/history_text.hpp"
#include "tests/support/test_functions.hpp"

#include <algorithm>
#include <cstdio>
#include <set>
#include <stdexcept>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

// --- The client -------------------------------------------------------------

request_id scenario_client::next_request() {
  return "request-" + std::to_string(++requests_);
}

void scenario_client::record_refusal(const std::string& what,
                                     const management_answer& answer) {
  if (answer.code != errc::ok)
    refusals.push_back(what + ": " + std::string(to_string(answer.code)));
}

deterministic_node::ticket
scenario_client::submit_start(const instance_id& id, const std::string& name,
                              const std::string& input, duration later) {
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

deterministic_node::ticket
scenario_client::submit_raise(const instance_id& id, const std::string& name,
                              const std::string& data) {
  return node.submit(raise_event{id, name, data, next_request()});
}

void scenario_client::await_answer(deterministic_node::ticket number,
                                   const char* what) {
  if (node.run_until([&] { return node.is_answered(number); }))
    record_refusal(what, *node.answer_to(number));
  else
    refusals.push_back(std::string(what) + ": never answered");
}

void scenario_client::start(const instance_id& id, const std::string& name,
                            const std::string& input, duration later) {
  await_answer(submit_start(id, name, input, later), "start");
}

void scenario_client::raise(const instance_id& id, const std::string& name,
                            const std::string& data) {
  await_answer(submit_raise(id, name, data), "raise");
}

void scenario_client::terminate(const instance_id& id, bool recursive) {
  record_refusal("terminate", node.ask(terminate_instance{
                                id, "enough", recursive, next_request()}));
}

void scenario_client::pause(const std::string& name, bool is_paused) {
  record_refusal("pause", node.ask(pause_orchestrator{"@pause/0", name,
                                                      is_paused, "enough"}));
}

void scenario_client::suspend(const instance_id& id) {
  record_refusal("suspend",
                 node.ask(suspend_instance{id, "stop", next_request()}));
}

void scenario_client::resume(const instance_id& id) {
  record_refusal("resume",
                 node.ask(resume_instance{id, "go on", next_request()}));
}

void scenario_client::rewind(const instance_id& id) {
  record_refusal("rewind",
                 node.ask(rewind_instance{id, "fixed", next_request()}));
}

void scenario_client::purge(const instance_id& id) {
  record_refusal("purge", node.ask(purge_instance{id, next_request()}));
}

void scenario_client::await_end(const instance_id& id) {
  record_refusal("wait", node.ask(wait_instance{id}));
}

// --- User code --------------------------------------------------------------

std::shared_ptr<const registry> sample_functions() {
  static const std::shared_ptr<const registry> all = [] {
    auto functions = std::make_shared<registry>();
    examples::add_samples(*functions);
    add_test_functions(*functions);
    return functions;
  }();
  return all;
}

// --- The scenarios ----------------------------------------------------------

namespace {

/// A scenario that starts one instance and waits for its end.
std::function<void(scenario_client&)>
start_and_await(std::string name, std::string input = "null") {
  return [name = std::move(name),
          input = std::move(input)](scenario_client& client) {
    client.start("only", name, input);
    client.await_end("only");
  };
}

std::vector<scenario> all_scenarios() {
  std::vector<scenario> all;
  const auto add
    = [&](std::string name, std::function<void(scenario_client&)> steps,
          bool ignores_order = false) {
        all.push_back({std::move(name), std::move(steps), ignores_order});
      };
  add("hello", start_and_await("HelloSequence"));
  add("echo", start_and_await("Echo", R"({"z":1, "a":12345678901234567890})"));
  add("fan_out", start_and_await("FanOutFanIn", "10"), true);
  add("approval_before", [](scenario_client& client) {
    const auto started = client.submit_start("only", "Approval");
    const auto raised
      = client.submit_raise("only", "approval", "{\"by\":\"me\"}");
    client.await_answer(started, "start");
    client.await_answer(raised, "raise");
    client.await_end("only");
  });
  add("approval_after", [](scenario_client& client) {
    client.start("only", "Approval");
    client.advance_time(1min);
    client.raise("only", "Approval", "true");
    client.await_end("only");
  });
  add("approval_timed_out", start_and_await("ApprovalWithTimeout", "60000"));
  add("approval_in_time", [](scenario_client& client) {
    client.start("only", "ApprovalWithTimeout", "60000");
    client.advance_time(30s);
    client.raise("only", "Approval", "true");
    client.await_end("only");
  });
  add("two_events", [](scenario_client& client) {
    client.start("only", "TwoEvents");
    client.raise("only", "B", "2");
    client.raise("only", "unwanted", "3");
    client.raise("only", "A", "1");
    client.await_end("only");
  });
  add("sleep", start_and_await("Sleep", "3600000"));
  add("monitor",
      start_and_await("Monitor",
                      R"({"interval_ms":1000,"polls":4,"ready_at":3})"));
  add("parent", start_and_await("Parent", "3"), true);
  add("retries", start_and_await("Retries", "3"));
  add("retries_exhausted", start_and_await("Retries", "9"));
  add("fails", start_and_await("Fails"));
  // Each scheduled activity runs, however its orchestration ends.
  for (const char* const how : {"complete", "fail", "continue"})
    add(std::string("leaves_at_") + how,
        start_and_await("Leave", '"' + std::string(how) + '"'));
  add("leaves_at_terminate", [](scenario_client& client) {
    client.start("only", "Leave", "\"wait\"");
    client.terminate("only");
    client.await_end("only");
  });
  add("fails_once", [](scenario_client& client) {
    client.start("only", "FailsOnce");
    client.await_end("only");
    client.rewind("only");
    client.await_end("only");
  });
  add(
    "failing_children",
    [](scenario_client& client) {
      client.start("only", "Family",
                   R"({"name":"FailsOnce","input":null,"count":2})");
      client.await_end("only");
      client.advance_time(1s); // both children fail in this time
      client.rewind("only");
      client.await_end("only");
    },
    true);
  // Helper coroutines that run side by side.
  add(
    "chains",
    [](scenario_client& client) {
      client.start("only", "Chains");
      client.raise("only", "Go", "\"go\"");
      client.advance_time(1min);
      client.raise("only", "Stop", "\"stop\"");
      client.await_end("only");
    },
    true);
  add(
    "chains_suspended_and_terminated",
    [](scenario_client& client) {
      client.start("only", "Chains");
      client.suspend("only");
      client.advance_time(1min);
      client.resume("only");
      client.advance_time(1min);
      client.terminate("only");
      client.await_end("only");
    },
    true);
  add(
    "failing_chains",
    [](scenario_client& client) {
      client.start("only", "FailingChains");
      client.await_end("only");
      client.rewind("only");
      client.await_end("only");
    },
    true);
  add("chain_loop", start_and_await("ChainLoop", "2"), true);
  add("eternal", start_and_await("Eternal", "5"));
  add("counter", [](scenario_client& client) {
    client.start("only", "Counter");
    for (const char* const number : {"1", "20", "300"}) {
      client.raise("only", "Add", number);
      client.advance_time(1s);
    }
    client.raise("only", "Stop");
    client.await_end("only");
  });
  add("counter_at_once", [](scenario_client& client) {
    std::vector<deterministic_node::ticket> open;
    open.push_back(client.submit_start("only", "Counter"));
    for (const char* const number : {"1", "20", "300"})
      open.push_back(client.submit_raise("only", "Add", number));
    for (const auto ticket : open)
      client.await_answer(ticket, "request");
    client.advance_time(1s);
    client.raise("only", "Stop");
    client.await_end("only");
  });
  add("loop", start_and_await("Loop", "5"));
  add("set_status", [](scenario_client& client) {
    client.start("only", "SetStatus");
    client.raise("only", "Go");
    client.await_end("only");
  });
  add("suspend_resume", [](scenario_client& client) {
    client.start("only", "TwoEvents");
    client.suspend("only");
    client.raise("only", "A", "1");
    client.raise("only", "B", "2");
    client.advance_time(1min);
    client.resume("only");
    client.await_end("only");
  });
  add("suspended_timer", [](scenario_client& client) {
    client.start("only", "Sleep", "1000");
    client.suspend("only");
    client.advance_time(1min);
    client.resume("only");
    client.await_end("only");
  });
  add("terminate", [](scenario_client& client) {
    client.start("only", "Approval");
    client.terminate("only");
    client.raise("only", "Approval"); // refused: the instance has ended
    client.await_end("only");
  });
  add(
    "terminate_recursive",
    [](scenario_client& client) {
      client.start("only", "Family",
                   R"({"name":"Approval","input":null,"count":3})");
      client.advance_time(1s);
      client.terminate("only", true);
      client.await_end("only");
      for (const char* const child : {"only-0", "only-1", "only-2"})
        client.await_end(child);
    },
    true);
  add("pause_and_unpause", [](scenario_client& client) {
    client.start("before", "Approval");
    client.pause("Approval", true);
    client.start("only", "Approval");
    client.raise("before", "Approval", "1");
    client.advance_time(1s);
    client.pause("Approval", false);
    client.advance_time(1s);
    client.raise("only", "Approval", "2");
    client.await_end("before");
    client.await_end("only");
  });
  add("scheduled", [](scenario_client& client) {
    client.start("only", "HelloSequence", "null", 1h);
    client.await_end("only");
  });
  add("scheduled_with_event", [](scenario_client& client) {
    client.start("only", "Approval", "null", 1h);
    client.raise("only", "Approval", "7");
    client.await_end("only");
  });
  add("purge_and_restart", [](scenario_client& client) {
    client.start("only", "HelloSequence");
    client.await_end("only");
    client.purge("only");
    client.start("only", "Echo", "1");
    client.await_end("only");
  });
  add("replace", [](scenario_client& client) {
    client.start("only", "TwoEvents");
    client.raise("only", "B", "2");
    client.terminate("only");
    client.start("only", "Sleep", "10");
    client.await_end("only");
    client.start("only", "HelloSequence");
    client.await_end("only");
  });
  add("refused", [](scenario_client& client) {
    client.start("only", "Missing");
    client.start("only", "Approval");
    client.start("only", "Approval");
    client.raise("missing", "Approval");
    client.rewind("only");
    client.purge("only");
    client.raise("only", "Approval", "1");
    client.await_end("only");
  });
  add(
    "send_event",
    [](scenario_client& client) {
      client.start("collector", "Collect", "4");
      client.start("sender-1", "Sender", R"({"to":"collector","count":4})");
      client.start("sender-2", "Sender", R"({"to":"missing","count":2})");
      client.await_end("sender-1");
      client.await_end("collector");
    },
    true);
  add(
    "many",
    [](scenario_client& client) {
      std::vector<deterministic_node::ticket> open;
      for (int i = 0; i < 6; ++i)
        open.push_back(
          client.submit_start("hello-" + std::to_string(i), "HelloSequence"));
      open.push_back(client.submit_start("sleep", "Sleep", "40"));
      open.push_back(client.submit_start("parent", "Parent", "2"));
      for (const auto ticket : open)
        client.await_answer(ticket, "start");
      for (int i = 0; i < 6; ++i)
        client.await_end("hello-" + std::to_string(i));
      client.await_end("sleep");
      client.await_end("parent");
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

// --- Running a scenario -----------------------------------------------------

std::string crash_plan::text() const {
  static const char* const names[]
    = {"before commit", "after commit", "before views' commit",
       "after views' commit"};
  if (n == 0)
    return "no crash";
  std::string out
    = std::string(names[static_cast<int>(point)]) + " " + std::to_string(n);
  if (recovery_crashes > 0)
    out
      += ", and " + std::to_string(recovery_crashes) + " times during recovery";
  return out;
}

namespace {

/// Returns whether the line is an event that begins or ends a turn. The number
/// of these events depends on the size of the batches.
bool is_turn_boundary(const std::string& line) {
  return line.starts_with("OrchestratorStarted")
         || line.starts_with("OrchestratorCompleted");
}

/// Removes the turns that received and requested nothing. A start of the
/// process may add one: the first event after it runs the code, whatever its
/// name.
void remove_empty_turns(std::vector<history_event>& history) {
  for (std::size_t i = 0; i + 1 < history.size();)
    if (std::holds_alternative<persistence::orchestrator_started>(
          history[i].body)
        && std::holds_alternative<persistence::orchestrator_completed>(
          history[i + 1].body))
      history.erase(history.begin() + static_cast<std::ptrdiff_t>(i),
                    history.begin() + static_cast<std::ptrdiff_t>(i) + 2);
    else
      ++i;
}

/// Describes an instance by lines of text that do not depend on timing.
void describe(deterministic_node& node, const instance_row& row,
              bool ignores_order, std::vector<std::string>& lines) {
  const std::string head = row.id + ": ";
  lines.push_back(head + to_text(row.record));
  lines.push_back(head + "input " + row.input + " output " + row.output
                  + " custom status " + row.custom_status);
  if (const auto stored = node.stored(row.id)) {
    for (const auto& [number, message] : stored->inbox)
      lines.push_back(head + "unread " + to_text(message.event));
  }
  std::vector<history_event> events = node.history_of(row.id);
  remove_empty_turns(events);
  std::vector<std::string> history = to_text(events);
  if (ignores_order) {
    std::erase_if(history, is_turn_boundary);
    std::sort(history.begin(), history.end());
  }
  for (const std::string& line : history)
    lines.push_back(head + line);
}

} // namespace

scenario_outcome run_scenario(const scenario& what, crash_plan plan,
                              node_options options) {
  scenario_outcome out;
  if (!options.functions)
    options.functions = sample_functions();
  bool over = false;
  bool crashed = false;
  unsigned recovery_crashes_done = 0;
  unsigned passed = 0; // points reached since the last recovery began
  unsigned life_seen = 0;
  deterministic_node* running = nullptr;
  // Called at every crash point; returns true if the node crashes there.
  options.crash = [&](crash_point point) {
    if (over)
      return false;
    const unsigned n = ++out.points[point];
    if (plan.n == 0)
      return false;
    if (!crashed)
      return crashed = point == plan.point && n == plan.n;
    if (recovery_crashes_done >= plan.recovery_crashes || running == nullptr)
      return false;
    if (running->start_count() != life_seen) {
      life_seen = running->start_count();
      passed = 0;
    }
    if (++passed <= recovery_crashes_done)
      return false;
    ++recovery_crashes_done;
    return true;
  };
  // An injected crash can happen while the constructor starts the node.
  // `running` is null until the constructor returns.
  deterministic_node node(std::move(options));
  running = &node;
  scenario_client client(node);
  what.steps(client);
  node.check_at_rest();
  over = true;
  for (const instance_row& row : node.rows())
    describe(node, row, what.ignores_order, out.lines);
  // Crashes may repeat activities, but each one runs.
  std::set<std::string> activities;
  for (const activity_run& run : node.activity_runs)
    activities.insert("ran " + run.name + " of " + run.instance + "/"
                      + run.execution + "/" + std::to_string(run.sequence));
  out.lines.insert(out.lines.end(), activities.begin(), activities.end());
  for (const auto& [key, entry] : node.recorded_answers())
    out.lines.push_back("answered " + std::to_string(key.high) + ": "
                        + std::string(to_string(entry.code)));
  for (const std::string& refusal : client.refusals)
    out.lines.push_back("refused " + refusal);
  out.violations = node.violations;
  out.starts = node.start_count();
  return out;
}

std::vector<std::string> differences(const scenario_outcome& wanted,
                                     const scenario_outcome& got) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::max(wanted.lines.size(), got.lines.size());
       ++i) {
    const std::string a = i < wanted.lines.size() ? wanted.lines[i] : "nothing";
    const std::string b = i < got.lines.size() ? got.lines[i] : "nothing";
    if (a == b)
      continue;
    out.push_back("wanted " + a + ", got " + b);
    break; // later differences usually follow from the first one
  }
  return out;
}

} // namespace perdura::tests
