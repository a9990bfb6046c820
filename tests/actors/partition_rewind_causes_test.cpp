// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/rewind_fixture.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

// Rewinds on a partition with real orchestrators that repeat failures of
// earlier turns: without crashes, with a crash after every request, and with a
// crash at every commit.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

using namespace std::chrono_literals;

/// The attempts of each activity, by its input.
struct attempts {
  std::map<std::string, unsigned> failures; ///< So many attempts fail.
  std::map<std::string, std::vector<std::string>> keys; ///< In order.
};

/// Names of the activities that have succeeded not exactly once.
std::vector<std::string> not_once(const attempts& seen) {
  std::vector<std::string> names;
  for (const auto& [name, keys] : seen.keys) {
    const auto failed = seen.failures.find(name);
    if (keys.size() != 1 + (failed == seen.failures.end() ? 0 : failed->second))
      names.push_back(name + " has " + std::to_string(keys.size())
                      + " attempts");
  }
  return names;
}

using text = std::string;

task<text> work_of(orchestration_context& ctx, text name) {
  text done = co_await ctx.call_activity<text>("Work", name);
  co_return done;
}

task<text> race_of(orchestration_context& ctx) {
  const text name = "race";
  const text report = "report";
  auto work = ctx.call_activity<text>("Work", name);
  auto deadline = ctx.create_timer(1h);
  co_await when_any(work, deadline);
  deadline.cancel();
  text done = co_await ctx.call_activity<text>("Work", report);
  done += co_await work;
  co_return done;
}

task<text> window_of(orchestration_context& ctx) {
  std::vector<pending<text>> all;
  std::vector<pending<text>> running;
  for (int i = 0; i < 5; ++i) {
    if (running.size() == 2) {
      auto first = co_await when_any(ctx, running);
      running.erase(running.begin() + static_cast<long>(first.index()));
    }
    all.push_back(ctx.call_activity<text>("Work", "w" + std::to_string(i)));
    running.push_back(all.back());
  }
  text done;
  auto values = co_await when_all(ctx, all);
  for (const text& value : values)
    done += value;
  co_return done;
}

task<text> undone_of(orchestration_context& ctx) {
  const text name = "done";
  const text undo = "undo";
  auto tried = co_await ctx.call_activity<text>("Work", name).as_outcome();
  if (!tried)
    co_await ctx.call_activity<text>("Work", undo);
  co_return tried.value();
}

task<text> mixed(orchestration_context& ctx, bool again) {
  if (again) {
    ctx.continue_as_new(false);
    co_return "";
  }
  const text name = "child";
  const text id = ctx.instance_id() + "-child";
  auto child
    = ctx.call_sub_orchestration<text>("WorkOf", name, {.instance_id = id});
  co_await when_any(child);
  text done = co_await window_of(ctx);
  done += co_await race_of(ctx);
  const int number = co_await ctx.wait_for_external_event<int>("Go");
  done += std::to_string(number);
  done += co_await undone_of(ctx);
  done += co_await child;
  co_return done;
}

/// Waits for the events "Repair" and "More" if the work fails, and for "Go" if
/// it does not.
task<text> repaired_of(orchestration_context& ctx) {
  const text name = "work";
  const text call = "call";
  auto tried = co_await ctx.call_activity<text>("Work", name).as_outcome();
  if (!tried) {
    static_cast<void>(ctx.wait_for_external_event("Repair"));
    static_cast<void>(ctx.wait_for_external_event("More"));
    co_await ctx.call_activity<text>("Work", call);
    co_return tried.value();
  }
  text go = co_await ctx.wait_for_external_event<text>("Go");
  co_return go;
}

task<text> number_of(orchestration_context& ctx) {
  const int number = co_await ctx.wait_for_external_event<int>("Go");
  co_return std::to_string(number);
}

std::shared_ptr<registry> functions_with(std::shared_ptr<attempts> seen) {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions);
  functions->add_activity("Work", [seen](activity_context& call, text name) {
    // After a crash an attempt may run again, with the same key.
    auto& keys = seen->keys[name];
    auto at = std::find(keys.begin(), keys.end(), call.idempotency_key());
    if (at == keys.end())
      at = keys.insert(at, call.idempotency_key());
    if (at - keys.begin() < static_cast<long>(seen->failures[name]))
      throw std::runtime_error(name + " fails");
    return name;
  });
  functions->add_orchestrator("WorkOf", work_of)
    .add_orchestrator("RaceOf", race_of)
    .add_orchestrator("WindowOf", window_of)
    .add_orchestrator("UndoneOf", undone_of)
    .add_orchestrator("Mixed", mixed)
    .add_orchestrator("RepairedOf", repaired_of)
    .add_orchestrator("NumberOf", number_of);
  return functions;
}

struct causes_fixture : rewind_fixture {
  causes_fixture() {
    functions = [this](std::shared_ptr<step_control>) {
      seen = std::make_shared<attempts>();
      return functions_with(seen);
    };
  }

  /// Runs the orchestrator until it completes; returns the number of rewinds.
  int rewind_until_completed(const std::string& output) {
    for (int rewinds = 0; rewinds < 10; ++rewinds) {
      BOOST_REQUIRE((ask(wait_instance{"i"}) == errc::ok));
      if (node->stored("i")->record.status == runtime_status::completed) {
        expect_completed("i", output);
        for (const std::string& name : not_once(*seen))
          BOOST_ERROR(name);
        node->check_at_rest();
        return rewinds;
      }
      BOOST_TEST((rewind("i") == errc::ok));
    }
    BOOST_ERROR("does not complete");
    return 10;
  }

  std::shared_ptr<attempts> seen;
};

/// Where a run of Mixed crashes: when `point` is reached for the n-th time.
struct mixed_crash {
  crash_point point = crash_point::before_commit;
  unsigned n = 0; ///< 0 means no crash.
  unsigned points_seen = 0;
};

/// Runs Mixed with failures until it completes, and returns what is wrong.
std::vector<std::string> run_mixed(mixed_crash& plan, node_options options) {
  auto seen = std::make_shared<attempts>();
  seen->failures = {{"child", 2}, {"w1", 1}, {"race", 1}, {"done", 2}};
  options.functions = functions_with(seen);
  options.crash = [&](crash_point point) {
    return point == plan.point && ++plan.points_seen == plan.n;
  };
  deterministic_node node(std::move(options));
  unsigned requests = 0;
  const auto request = [&] { return "r" + std::to_string(++requests); };
  start_instance start;
  start.id = "i";
  start.name = "Mixed";
  start.input = "true";
  start.request = request();
  node.ask(start);
  node.ask(raise_event{"i", "Go", "\"no number\"", request()});
  node.ask(raise_event{"i", "Go", "7", request()});
  std::vector<std::string> wrong;
  for (int rewinds = 0; rewinds < 12; ++rewinds) {
    node.ask(wait_instance{"i"});
    node.advance_time(1s);
    const auto status = node.stored("i")->record.status;
    if (status == runtime_status::completed)
      break;
    if (status == runtime_status::failed)
      node.ask(rewind_instance{"i", "fixed", request()});
    else
      wrong.push_back(to_string(status));
  }
  get_status question;
  question.id = "i";
  const std::string output = node.ask(question).status->row.output;
  if (output != "\"w0w1w2w3w4reportrace7donechild\"")
    wrong.push_back("the output is " + output);
  for (const std::string& name : not_once(*seen))
    wrong.push_back(name);
  node.check_at_rest();
  wrong.insert(wrong.end(), node.violations.begin(), node.violations.end());
  return wrong;
}

void check_mixed_crashes(const std::function<node_options()>& make) {
  for (const crash_point point :
       {crash_point::before_commit, crash_point::after_commit}) {
    mixed_crash whole{point};
    for (const std::string& sentence : run_mixed(whole, make()))
      BOOST_ERROR("without a crash: " + sentence);
    BOOST_TEST(whole.points_seen > 20U);
    for (unsigned n = 1; n <= whole.points_seen; ++n) {
      mixed_crash plan{point, n};
      const auto wrong = run_mixed(plan, make());
      BOOST_TEST(wrong.empty(),
                 "crash " << n << " at point " << static_cast<int>(point)
                          << ": " << (wrong.empty() ? "" : wrong.front()));
    }
  }
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_rewind_causes, causes_fixture)

BOOST_AUTO_TEST_CASE(failure_in_a_window_runs_again) {
  run_twice([&] {
    seen->failures = {{"w1", 1}};
    start("i", "WindowOf");
    BOOST_TEST(rewind_until_completed("\"w0w1w2w3w4\"") == 1);
  });
}

BOOST_AUTO_TEST_CASE(work_of_a_race_runs_again) {
  run_twice([&] {
    seen->failures = {{"race", 2}};
    start("i", "RaceOf");
    BOOST_TEST(rewind_until_completed("\"reportrace\"") == 2);
  });
}

// The deadline was cancelled in a turn that is void after the rewind. It is
// open again while the work is repeated, and is due at its old time.
BOOST_AUTO_TEST_CASE(cancelled_deadline_is_open_again) {
  run_twice([&] {
    const timestamp begun = node->clock.now();
    seen->failures = {{"race", 1}};
    start("i", "RaceOf");
    expect_failed("i");
    node->holds_activity = [](const activity_work_item&) { return true; };
    BOOST_TEST((rewind("i") == errc::ok));
    node->run_until_idle();
    const auto stored = node->stored("i");
    const auto deadline = stored->tasks.find(2);
    BOOST_REQUIRE((deadline != stored->tasks.end()));
    BOOST_TEST((deadline->second.kind == task_kind::timer));
    BOOST_TEST((deadline->second.fire_at >= begun + 1h));
    BOOST_TEST((deadline->second.fire_at < begun + 1h + 1s));
    node->advance_time(2h); // the deadline passes while the work is repeated
    BOOST_TEST(!node->stored("i")->tasks.contains(2));
    node->holds_activity = nullptr;
    node->run_until_idle();
    expect_completed("i", "\"reportrace\"");
    for (const std::string& name : not_once(*seen))
      BOOST_ERROR(name);
  });
}

BOOST_AUTO_TEST_CASE(undone_work_runs_again) {
  run_twice([&] {
    seen->failures = {{"done", 2}, {"undo", 1}};
    start("i", "UndoneOf");
    BOOST_TEST(rewind_until_completed("\"done\"") == 3);
  });
}

// A new event completes the wait that the malformed one had completed.
BOOST_AUTO_TEST_CASE(malformed_event_can_be_replaced) {
  run_twice([&] {
    start("i", "NumberOf");
    BOOST_TEST(
      (ask(raise_event{"i", "Go", "\"x\"", next_request_id()}) == errc::ok));
    expect_failed("i");
    BOOST_TEST((rewind("i") == errc::ok));
    node->run_until_idle();
    BOOST_TEST((node->stored("i")->record.status == runtime_status::running));
    BOOST_TEST(node->stored("i")->tasks.contains(wait_sequence_first));
    BOOST_TEST(
      (ask(raise_event{"i", "go", "7", next_request_id()}) == errc::ok));
    expect_completed("i", "\"7\"");
  });
}

// The waits of a void turn are closed; the one of the new run has the sequence
// of the first.
BOOST_AUTO_TEST_CASE(waits_of_void_turns_are_replaced) {
  run_twice([&] {
    seen->failures = {{"work", 1}};
    start("i", "RepairedOf");
    expect_failed("i");
    BOOST_TEST(node->stored("i")->tasks.at(wait_sequence_first).name
               == "Repair");
    BOOST_TEST((rewind("i") == errc::ok));
    node->run_until_idle();
    BOOST_TEST(node->stored("i")->tasks.at(wait_sequence_first).name == "Go");
    BOOST_TEST(node->stored("i")->tasks.size() == 1U);
    BOOST_TEST(
      (ask(raise_event{"i", "Repair", "1", next_request_id()}) == errc::ok));
    BOOST_TEST((node->stored("i")->record.status == runtime_status::running));
    BOOST_TEST(
      (ask(raise_event{"i", "Go", "\"go\"", next_request_id()}) == errc::ok));
    expect_completed("i", "\"go\"");
  });
}

// A failed turn abandons no task: a later rewind may need it. The first code
// starts w0 and fails; the second starts nothing and fails; the last one waits
// for w0.
BOOST_AUTO_TEST_CASE(task_abandoned_by_a_failed_turn_is_taken_later) {
  static int release = 0;
  const auto released = [](orchestration_context& ctx) -> task<text> {
    const text name = "w0";
    if (release == 0)
      static_cast<void>(ctx.call_activity<text>("Work", name));
    if (release < 2)
      throw std::runtime_error("release " + std::to_string(release));
    text done = co_await ctx.call_activity<text>("Work", name);
    co_return done;
  };
  run_twice([&] {
    release = 0;
    auto made = functions_with(seen);
    made->add_orchestrator("Released", released);
    node->set_functions(made);
    node->crash_and_recover();
    node->holds_activity = [](const activity_work_item&) { return true; };
    start("i", "Released");
    expect_failed("i");
    release = 1;
    BOOST_TEST((rewind("i") == errc::ok));
    expect_failed("i");
    release = 2;
    BOOST_TEST((rewind("i") == errc::ok));
    node->holds_activity = nullptr;
    expect_completed("i", "\"w0\"");
    BOOST_TEST(seen->keys["w0"].size() == 1U);
  });
}

BOOST_AUTO_TEST_CASE(everything_with_a_crash_at_every_commit) {
  check_mixed_crashes([] { return node_options{}; });
}

BOOST_AUTO_TEST_CASE(everything_with_single_messages_and_replays) {
  check_mixed_crashes([] {
    node_options options;
    options.one_message_per_batch = true;
    options.commits_per_flush = 1;
    options.adjust
      = [](partition_config& config) { config.idle_instances_max = 0; };
    return options;
  });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
