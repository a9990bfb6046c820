// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/rewind_fixture.hpp"

#include <algorithm>

// Rewind of failed instances on a partition with real orchestrators. Activities
// that succeeded never run again; those that failed do. Each scenario runs
// twice: without crashes, and with a crash after every request.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

using namespace std::chrono_literals;

task<std::string> catches(orchestration_context& ctx) {
  std::string done;
  const std::string a = "a";
  const auto first
    = co_await ctx.call_activity<std::string>("Step", a).as_outcome();
  done += first ? "a" : "caught";
  const std::string b = "b";
  done += co_await ctx.call_activity<std::string>("Step", b);
  const std::string c = "c";
  done += co_await ctx.call_activity<std::string>("Step", c);
  co_return done;
}

task<std::string> retries(orchestration_context& ctx) {
  const std::string name = "a";
  const activity_options options{.retry
                                 = {.attempts_max = 3, .interval_first = 1s}};
  std::string done
    = co_await ctx.call_activity<std::string>("Step", name, options);
  co_return done;
}

task<std::string> with_timer(orchestration_context& ctx) {
  const auto timer = ctx.create_timer(1h);
  const std::string name = "a";
  std::string done = co_await ctx.call_activity<std::string>("Step", name);
  co_await timer;
  co_return done;
}

/// Starts ten activities and awaits them in order. Fails when it awaits the
/// first activity that has failed.
task<std::string> fan_out(orchestration_context& ctx) {
  std::vector<pending<std::string>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(ctx.call_activity<std::string>("Step", std::to_string(i)));
  std::string done;
  for (const auto& one : all)
    done += co_await one;
  co_return done;
}

task<std::string> approvals(orchestration_context& ctx) {
  std::string done;
  for (const char* const who : {"Ann", "Bob", "Cid"}) {
    const std::string name = who;
    co_await ctx.call_activity("Step", name);
    done += co_await ctx.wait_for_external_event<std::string>(name);
  }
  const std::string database = "database";
  co_await ctx.call_activity("Step", database);
  co_return done;
}

// Three releases of one orchestrator: with a bug, with the bug fixed, and with
// other decisions.
task<std::string> buggy(orchestration_context& ctx) {
  const std::string a = "a";
  std::string done = co_await ctx.call_activity<std::string>("Step", a);
  throw std::logic_error("a bug");
}

task<std::string> fixed(orchestration_context& ctx) {
  const std::string a = "a";
  std::string done = co_await ctx.call_activity<std::string>("Step", a);
  const std::string b = "b";
  done += co_await ctx.call_activity<std::string>("Step", b);
  co_return done;
}

task<std::string> changed(orchestration_context& ctx) {
  const std::string x = "x";
  std::string done = co_await ctx.call_activity<std::string>("Other", x);
  co_return done;
}

std::shared_ptr<registry>
make_functions(std::shared_ptr<step_control> control,
               task<std::string> (*release)(orchestration_context&) = buggy) {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions, std::move(control));
  functions->add_orchestrator("Catches", catches)
    .add_orchestrator("Retries", retries)
    .add_orchestrator("WithTimer", with_timer)
    .add_orchestrator("FanOut", fan_out)
    .add_orchestrator("Approvals", approvals)
    .add_orchestrator("Release", release);
  return functions;
}

/// The fixture with the functions above.
struct sample_fixture : rewind_fixture {
  sample_fixture() {
    functions = [](std::shared_ptr<step_control> shared) {
      return make_functions(std::move(shared));
    };
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_rewind, sample_fixture)

// The failure of step a was caught before step c failed. After the rewind only
// step c runs again, although step a would succeed now.
BOOST_AUTO_TEST_CASE(caught_failure_stays_caught) {
  run_twice([&] {
    control->failures = {{"a", -1}, {"c", 1}};
    start("i", "Catches");
    expect_failed("i");
    control->failures["a"] = 0; // step a would succeed now
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", "\"caughtbc\"");
    BOOST_TEST(control->calls["a"] == 1);
    BOOST_TEST(control->calls["b"] == 1);
    BOOST_TEST(control->calls["c"] == 2);
  });
}

// Three attempts have failed; after the rewind, three more are allowed.
BOOST_AUTO_TEST_CASE(exhausted_retry_policy_gets_new_attempts) {
  run_twice([&] {
    control->failures = {{"a", 5}};
    start("i", "Retries");
    expect_failed("i");
    BOOST_TEST(control->calls["a"] == 3);
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", "\"a\"");
    BOOST_TEST(control->calls["a"] == 6);
  });
}

// Six attempts fail; after the second rewind the seventh succeeds.
BOOST_AUTO_TEST_CASE(new_attempts_can_be_exhausted_too) {
  run_twice([&] {
    control->failures = {{"a", 6}};
    start("i", "Retries");
    expect_failed("i");
    BOOST_TEST((rewind("i") == errc::ok));
    expect_failed("i");
    BOOST_TEST(control->calls["a"] == 6);
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", "\"a\"");
    BOOST_TEST(control->calls["a"] == 7);
  });
}

// Setup: the instance fails while a timer of one hour runs, and is rewound
// after ten minutes.
BOOST_AUTO_TEST_CASE(pending_timer_keeps_its_fire_time) {
  run_twice([&] {
    control->failures = {{"a", 1}};
    const timestamp begun = node->clock.now();
    start("i", "WithTimer");
    expect_failed("i");
    node->advance_time(10min);
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", "\"a\"");
    BOOST_TEST((node->clock.now() >= begun + 1h));
    BOOST_TEST((node->clock.now() < begun + 61min));
  });
}

// Setup: the instance fails while a timer of one hour runs, and is rewound
// after two hours.
BOOST_AUTO_TEST_CASE(overdue_timer_fires_at_once) {
  run_twice([&] {
    control->failures = {{"a", 1}};
    start("i", "WithTimer");
    expect_failed("i");
    node->advance_time(2h);
    const timestamp rewound_at = node->clock.now();
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", "\"a\"");
    BOOST_TEST((node->clock.now() < rewound_at + 1s));
  });
}

// Activities 2 and 5 of a fan-out fail. If `late` is false, activities
// 7, 8 and 9 end after the instance has failed; if `late` is true, they still
// run when the instance is rewound. Activity 8 fails too. Only activities 2, 5
// and 8 run again.
BOOST_AUTO_TEST_CASE(activities_that_succeeded_do_not_run_again) {

  for (const bool late : {false, true})
    run_twice([&] {
      control->failures = {{"2", 1}, {"5", 1}, {"8", 1}};
      const auto running = [](const activity_work_item& item) {
        return item.sequence >= 8 && item.sequence <= 10; // steps "7" to "9"
      };
      node->holds_activity = running;
      start("i", "FanOut");
      expect_failed("i");
      if (!late)
        node->holds_activity = nullptr;
      // All activities except the held ones finish now. Step "5" fails.
      node->run_until_idle();
      BOOST_TEST((rewind("i") == errc::ok));
      node->run_until_idle();
      node->holds_activity = nullptr;
      if (late) {
        // Step "8" fails after the rewind.
        expect_failed("i");
        BOOST_TEST((rewind("i") == errc::ok));
      }
      expect_completed("i", "\"0123456789\"");
      for (int i = 0; i < 10; ++i) {
        const bool failed = i == 2 || i == 5 || i == 8;
        BOOST_TEST(control->calls[std::to_string(i)] == (failed ? 2 : 1), i);
      }
    });
}

// A rewind of the parent rewinds its failed child and grandchild.
BOOST_AUTO_TEST_CASE(failed_grandchild_is_rewound_with_its_parents) {
  run_twice([&] {
    control->failures = {{"b", 1}};
    start("i", "Family", R"({"name":"Family","count":1,
      "input":{"name":"Steps","input":["a","b"],"count":1}})");
    expect_failed("i");
    expect_failed("i-0");
    expect_failed("i-0-0");
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", R"([[["a","b"]]])");
    expect_completed("i-0-0", R"(["a","b"])");
    BOOST_TEST(control->calls["a"] == 1);
    BOOST_TEST(control->calls["b"] == 2);
    node->check_at_rest();
  });
}

// The child was rewound by a client and has completed. When the parent is
// rewound, it receives the outcome of the child.
BOOST_AUTO_TEST_CASE(child_rewound_alone_completes_the_rewound_parent) {
  run_twice([&] {
    control->failures = {{"b", 1}};
    start("i", "Family", R"({"name":"Steps","input":["a","b"],"count":1})");
    expect_failed("i");
    BOOST_TEST((rewind("i-0") == errc::ok));
    expect_completed("i-0", R"(["a","b"])");
    node->run_until_idle();
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", R"([["a","b"]])");
    BOOST_TEST(control->calls["b"] == 2);
    node->check_at_rest();
  });
}

// The step of the child fails twice, so two rewinds of the parent are
// necessary.
BOOST_AUTO_TEST_CASE(child_failing_again_fails_its_parent_again) {
  run_twice([&] {
    control->failures = {{"b", 2}};
    start("i", "Family", R"({"name":"Steps","input":["a","b"],"count":1})");
    expect_failed("i");
    BOOST_TEST((rewind("i") == errc::ok));
    expect_failed("i");
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", R"([["a","b"]])");
    BOOST_TEST(control->calls["a"] == 1);
    BOOST_TEST(control->calls["b"] == 3);
  });
}

// A child that was purged cannot be rewound.
BOOST_AUTO_TEST_CASE(purged_child_fails_its_parent_again) {
  run_twice([&] {
    control->failures = {{"a", 1}};
    start("i", "Family", R"({"name":"Steps","input":["a"],"count":1})");
    expect_failed("i");
    BOOST_TEST((ask(purge_instance{"i-0"}) == errc::ok));
    BOOST_TEST((rewind("i") == errc::ok));
    expect_failed("i");
    node->check_at_rest();
  });
}

// The first release throws. The fixed release continues after the rewind
// without repeating the activity.
BOOST_AUTO_TEST_CASE(new_code_completes_a_rewound_instance) {
  run_twice([&] {
    start("i", "Release");
    expect_failed("i");
    node->set_functions(make_functions(control, fixed));
    node->crash_and_recover();
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", "\"ab\"");
    BOOST_TEST(control->calls["a"] == 1);
  });
}

// Setup: a release with other decisions is deployed before the rewind. The
// instance is held, with a reason, and continues when matching code is
// deployed.
BOOST_AUTO_TEST_CASE(mismatching_code_holds_the_instance) {
  run_twice([&] {
    start("i", "Release");
    expect_failed("i");
    node->set_functions(make_functions(control, changed));
    node->crash_and_recover();
    BOOST_TEST((rewind("i") == errc::ok));
    node->advance_time(1min);
    auto stuck = node->partition(node->partition_of("i")).stuck();
    if (stuck.empty()) {
      // The instance was evicted; its stored record contains the reason.
      const auto stored = node->stored("i");
      BOOST_REQUIRE(stored);
      BOOST_TEST(stored->record.held.find("Other") != std::string::npos,
                 stored->record.held);
    } else {
      BOOST_TEST(stuck.front().second.find("Other") != std::string::npos,
                 stuck.front().second);
    }
    BOOST_TEST((node->stored("i")->record.status == runtime_status::running));
    // With matching code the instance continues without a request.
    node->set_functions(make_functions(control, fixed));
    node->crash_and_recover();
    expect_completed("i", "\"ab\"");
    BOOST_TEST(node->stored("i")->record.held.empty());
    BOOST_TEST(control->calls["a"] == 1);
  });
}

// The instance is held because the code does not match its history.
BOOST_AUTO_TEST_CASE(held_instance_can_be_terminated) {
  run_twice([&] {
    start("i", "Release");
    expect_failed("i");
    node->set_functions(make_functions(control, changed));
    node->crash_and_recover();
    BOOST_TEST((rewind("i") == errc::ok));
    node->run_until_idle();
    BOOST_TEST((ask(terminate_instance{"i", "away", false, next_request_id()})
                == errc::ok));
    expect_status("i", runtime_status::terminated);
  });
}

// Three approvals were consumed before the last step failed. A rewind repeats
// only that step.
BOOST_AUTO_TEST_CASE(consumed_events_need_not_be_raised_again) {
  run_twice([&] {
    control->failures = {{"database", -1}};
    start("i", "Approvals");
    for (const char* const who : {"Ann", "Bob", "Cid"})
      BOOST_TEST((ask(raise_event{"i", who, "\"yes \"", next_request_id()})
                  == errc::ok));
    expect_failed("i");
    control->failures["database"] = 0; // the configuration is fixed
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", "\"yes yes yes \"");
    for (const char* const who : {"Ann", "Bob", "Cid"})
      BOOST_TEST(control->calls[who] == 1);
    BOOST_TEST(control->calls["database"] == 2);
  });
}

// Step b fails twice and step d once; each failure is rewound.
BOOST_AUTO_TEST_CASE(instance_can_be_rewound_repeatedly) {
  run_twice([&] {
    control->failures = {{"b", 2}, {"d", 1}};
    start("i", "Steps", R"(["a","b","c","d","e"])");
    expect_failed("i");
    BOOST_TEST((rewind("i") == errc::ok));
    expect_failed("i"); // step b
    BOOST_TEST((rewind("i") == errc::ok));
    expect_failed("i"); // step d
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", R"(["a","b","c","d","e"])");
    BOOST_TEST(control->calls["a"] == 1);
    BOOST_TEST(control->calls["b"] == 3);
    BOOST_TEST(control->calls["c"] == 1);
    BOOST_TEST(control->calls["d"] == 2);
    BOOST_TEST(control->calls["e"] == 1);
  });
}

// The history before the rewind is a prefix of the history after it.
BOOST_AUTO_TEST_CASE(rewind_removes_no_history) {
  run_twice([&] {
    control->failures = {{"b", 1}};
    start("i", "Steps", R"(["a","b"])");
    expect_failed("i");
    const auto before = to_text(node->history_of("i"));
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", R"(["a","b"])");
    const auto after = to_text(node->history_of("i"));
    BOOST_REQUIRE(after.size() > before.size());
    BOOST_TEST(std::equal(before.begin(), before.end(), after.begin()));
  });
}

// A repeat with the same request ID changes nothing, before and after
// completion.
BOOST_AUTO_TEST_CASE(repeated_rewind_request_counts_once) {
  run_twice([&] {
    control->failures = {{"a", 1}};
    start("i", "Steps", R"(["a"])");
    expect_failed("i");
    const rewind_instance once{"i", "fixed", "once"};
    BOOST_TEST((ask(once) == errc::ok));
    BOOST_TEST((ask(once) == errc::ok));
    expect_completed("i", R"(["a"])");
    BOOST_TEST((ask(once) == errc::ok));
    BOOST_TEST(control->calls["a"] == 2);
  });
}

// Unknown, running, suspended, terminated and completed instances are refused.
BOOST_AUTO_TEST_CASE(only_failed_instances_can_be_rewound) {
  run_twice([&] {
    BOOST_TEST((rewind("missing") == errc::not_found));
    start("waiting", "Waits");
    BOOST_TEST((rewind("waiting") == errc::not_failed));
    BOOST_TEST(
      (ask(suspend_instance{"waiting", "", next_request_id()}) == errc::ok));
    BOOST_TEST((rewind("waiting") == errc::not_failed));
    BOOST_TEST((ask(terminate_instance{"waiting", "", false, next_request_id()})
                == errc::ok));
    BOOST_TEST((rewind("waiting") == errc::not_failed));
    start("ended", "Steps", "[]");
    expect_completed("ended", "[]");
    BOOST_TEST((rewind("ended") == errc::not_failed));
  });
}

// Setup: the outcome of the failing turn and the rewind request are in one
// batch, in this order.
BOOST_AUTO_TEST_CASE(rewind_after_the_failure_in_a_batch_is_accepted) {
  run_twice([&] {
    control->failures = {{"a", 1}};
    start("i", "Steps", R"(["a"])");
    node->run_activity();
    node->process_mailboxes();
    // The outcome of the turn arrives before the rewind request.
    BOOST_REQUIRE(node->run_turn());
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", R"(["a"])");
  });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
