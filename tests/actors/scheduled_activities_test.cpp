// SPDX-License-Identifier: Apache-2.0
// Each scheduled activity runs at least once, however its orchestration ends
// and whenever the process ends (finding R3); it learns that no code uses its
// result (finding R14).
#include "tests/actors/partition_fixture.hpp"

#include <set>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

constexpr int activity_count = 5;

/// Schedules activities and awaits none of them, then ends in the way that its
/// input names.
task<std::string> leave(orchestration_context& ctx, std::string how) {
  std::vector<pending<json>> left;
  if (how == "stay") {
    co_await ctx.wait_for_external_event<json>("Go");
    co_return "stayed";
  }
  for (int i = 0; i < activity_count; ++i)
    left.push_back(ctx.call_activity<json>("Give", json(i)));
  if (how == "throw")
    throw std::runtime_error("on purpose");
  if (how == "continue" || how == "twice") {
    ctx.continue_as_new<std::string>(how == "twice" ? "continue" : "stay");
    co_return "";
  }
  if (how == "wait")
    co_await ctx.wait_for_external_event<int>("Go");
  if (how == "race")
    co_await when_any(left.front(), left.back());
  co_return "done";
}

struct scheduled_fixture : partition_fixture {
  scheduled_fixture() : partition_fixture(options()) {
    is_paused = false;
    auto functions = std::make_shared<registry>();
    add_test_functions(*functions);
    functions->add_orchestrator("Abandons", leave);
    node.set_functions(functions);
    node.crash_and_recover();
  }

  static node_options options() {
    node_options made;
    made.adjust = [](partition_config& config) { config.paused = is_paused; };
    return made;
  }

  static inline bool is_paused = false;

  /// Starts the orchestration and runs everything except its activities.
  void start(const instance_id& id, const std::string& how) {
    node.holds_activity = [](const auto&) { return true; };
    node.ask(start_request(id, "Abandons", '"' + how + '"'));
    node.run_until_idle();
    BOOST_TEST_REQUIRE(node.activities.size() == activity_count);
  }

  void run_activities() {
    node.holds_activity = nullptr;
    node.run_until_idle();
  }

  /// The sequences of the activities of the instance that have run.
  std::set<task_sequence> ran(const instance_id& id) const {
    std::set<task_sequence> all;
    for (const activity_run& run : node.activity_runs)
      if (run.instance == id)
        all.insert(run.sequence);
    return all;
  }

  errc terminate(const instance_id& id) {
    terminate_instance request;
    request.id = id;
    request.reason = "enough";
    return node.ask(std::move(request)).code;
  }

  management_answer purge(const instance_id& id, bool force = false) {
    return node.ask(purge_instance{id, {}, force});
  }

  /// The process ends while no activity has begun; the next one runs them all.
  void expect_all_run_after_a_crash(const instance_id& id,
                                    runtime_status status) {
    BOOST_TEST((status_of(id) == status));
    node.crash_and_recover();
    run_activities();
    BOOST_TEST(ran(id).size() == activity_count);
    BOOST_TEST((status_of(id) == status));
    // The end of each is durable: a further process has nothing to run.
    const std::size_t runs = node.activity_runs.size();
    node.crash_and_recover();
    run_activities();
    if (status != runtime_status::failed)
      BOOST_TEST(node.stored(id)->tasks.empty());
    BOOST_TEST(node.activity_runs.size() == runs);
    BOOST_TEST((purge(id).code == errc::ok));
    node.check_at_rest();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(scheduled_activities, scheduled_fixture)

BOOST_AUTO_TEST_CASE(completed_orchestration_leaves_activities_that_run) {
  start("i", "complete");
  expect_all_run_after_a_crash("i", runtime_status::completed);
}

BOOST_AUTO_TEST_CASE(failed_orchestration_leaves_activities_that_run) {
  start("i", "throw");
  expect_all_run_after_a_crash("i", runtime_status::failed);
}

BOOST_AUTO_TEST_CASE(terminated_orchestration_leaves_activities_that_run) {
  start("i", "wait");
  BOOST_TEST((terminate("i") == errc::ok));
  expect_all_run_after_a_crash("i", runtime_status::terminated);
}

BOOST_AUTO_TEST_CASE(terminated_suspended_orchestration_leaves_them_too) {
  start("i", "wait");
  suspend_instance request;
  request.id = "i";
  BOOST_TEST((node.ask(std::move(request)).code == errc::ok));
  BOOST_TEST((terminate("i") == errc::ok));
  expect_all_run_after_a_crash("i", runtime_status::terminated);
}

// Code that ends the process is terminated while nothing runs; its activities
// would end the next process.
BOOST_AUTO_TEST_CASE(terminate_on_a_paused_node_drops_the_activities) {
  start("i", "wait");
  is_paused = true;
  node.crash_and_recover();
  BOOST_TEST((terminate("i") == errc::ok));
  BOOST_TEST(node.stored("i")->tasks.empty());
  is_paused = false;
  node.crash_and_recover();
  run_activities();
  BOOST_TEST(ran("i").empty());
  BOOST_TEST((purge("i").code == errc::ok));
}

// A result that has arrived before the end needs no further run.
BOOST_AUTO_TEST_CASE(activities_with_a_result_do_not_run_again) {
  start("i", "race");
  node.holds_activity
    = [](const activity_work_item& item) { return item.sequence != 1; };
  node.run_until_idle();
  BOOST_TEST((status_of("i") == runtime_status::completed));
  expect_all_run_after_a_crash("i", runtime_status::completed);
  BOOST_TEST(node.activity_runs.size() == activity_count);
}

// The results of a suspended instance wait in its inbox.
BOOST_AUTO_TEST_CASE(results_in_the_inbox_of_a_terminated_instance_count) {
  start("i", "wait");
  suspend_instance request;
  request.id = "i";
  node.ask(std::move(request));
  run_activities();
  BOOST_TEST((terminate("i") == errc::ok));
  BOOST_TEST(node.stored("i")->tasks.empty());
  BOOST_TEST((purge("i").code == errc::ok));
  node.run_until_idle();
  node.check_at_rest();
}

BOOST_AUTO_TEST_CASE(ended_instance_with_open_activities_is_purged_by_force) {
  for (const char* how : {"complete", "throw"}) {
    node.activities.clear();
    start(how, how);
    const management_answer refused = purge(how);
    BOOST_TEST((refused.code == errc::not_finished));
    BOOST_TEST(refused.message.find("5 of its activities have not ended")
                 != std::string::npos,
               refused.message);
    BOOST_TEST(
      (node.ask(start_request(how, "Give")).code == errc::already_exists));
    BOOST_TEST((purge(how, true).code == errc::ok));
    BOOST_TEST(!node.stored(how));
    BOOST_TEST(node.activities.empty()); // none begins
    BOOST_TEST((node.ask(start_request(how, "Loop", "0")).code == errc::ok));
  }
}

BOOST_AUTO_TEST_CASE(ended_executions_cancel_their_activities) {
  start("completed", "complete");
  BOOST_TEST(node.cancelled.size() == 1U);
  node.activities.clear();
  start("failed", "throw"); // a rewind can use the results
  BOOST_TEST(node.cancelled.size() == 1U);
  node.activities.clear();
  start("terminated", "wait");
  BOOST_TEST(node.cancelled.size() == 1U);
  BOOST_TEST((terminate("terminated") == errc::ok));
  BOOST_TEST_REQUIRE(node.cancelled.size() == 2U);
  BOOST_TEST(node.cancelled.back() == "terminated");
  BOOST_TEST((purge("failed", true).code == errc::ok));
  BOOST_TEST_REQUIRE(node.cancelled.size() == 3U);
  BOOST_TEST(node.cancelled.back() == "failed");
}

// An orchestration without an open activity costs no request.
BOOST_AUTO_TEST_CASE(awaited_activities_are_not_cancelled) {
  node.ask(start_request("i", "Steps", R"(["a", "b"])"));
  node.run_until_idle();
  BOOST_TEST((status_of("i") == runtime_status::completed));
  BOOST_TEST(node.cancelled.empty());
}

// The history with the inputs is gone; the next execution numbers its own
// activities from 1 again.
BOOST_AUTO_TEST_CASE(continued_orchestration_leaves_activities_that_run) {
  for (const bool crashes_at_once : {true, false}) {
    const instance_id id = crashes_at_once ? "crashed" : "kept";
    node.activities.clear();
    start(id, "continue");
    BOOST_TEST((status_of(id) == runtime_status::running));
    if (crashes_at_once)
      node.crash_and_recover();
    run_activities();
    BOOST_TEST(ran(id).size() == activity_count);
    BOOST_TEST((status_of(id) == runtime_status::running));
    const std::size_t runs = node.activity_runs.size();
    node.crash_and_recover();
    run_activities();
    BOOST_TEST(node.activity_runs.size() == runs);
    node.ask(raise_event{id, "Go", "1", {}});
    node.run_until_idle();
    BOOST_TEST(output_of(id) == "\"stayed\"");
    BOOST_TEST(node.stored(id)->tasks.empty());
  }
  node.check_at_rest();
}

// Activities of two earlier executions have the same numbers.
BOOST_AUTO_TEST_CASE(activities_of_several_executions_run_after_the_end) {
  node.holds_activity = [](const auto&) { return true; };
  node.ask(start_request("i", "Abandons", "\"twice\""));
  node.run_until_idle();
  BOOST_TEST(node.stored("i")->tasks.size() == 2 * activity_count + 1U);
  node.crash_and_recover();
  node.ask(raise_event{"i", "Go", "1", {}});
  node.run_until_idle();
  BOOST_TEST((status_of("i") == runtime_status::completed));
  BOOST_TEST((purge("i").code == errc::not_finished));
  node.crash_and_recover();
  run_activities();
  std::set<std::pair<execution_id, task_sequence>> all;
  for (const activity_run& run : node.activity_runs)
    all.emplace(run.execution, run.sequence);
  BOOST_TEST(all.size() == 2 * activity_count);
  BOOST_TEST(node.activity_runs.size() == 2 * activity_count);
  BOOST_TEST(node.stored("i")->tasks.empty());
  BOOST_TEST((purge("i").code == errc::ok));
  node.check_at_rest();
}

// An activity with a result is not left behind.
BOOST_AUTO_TEST_CASE(awaited_activity_is_not_left_behind) {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions);
  functions->add_orchestrator(
    "Rounds", [](orchestration_context& ctx, int round) -> task<int> {
      const int next = co_await ctx.call_activity<int>("Give", round + 1);
      if (next < 5)
        ctx.continue_as_new(next);
      co_return next;
    });
  node.set_functions(functions);
  node.crash_and_recover();
  node.ask(start_request("i", "Rounds", "0"));
  node.run_until_idle();
  BOOST_TEST(output_of("i") == "5");
  BOOST_TEST(node.cancelled.empty());
  BOOST_TEST(node.activity_runs.size() == 5U);
}

// Also those of earlier executions never begin.
BOOST_AUTO_TEST_CASE(purge_by_force_drops_what_executions_have_left) {
  node.holds_activity = [](const auto&) { return true; };
  node.ask(start_request("i", "Abandons", "\"twice\""));
  node.run_until_idle();
  node.ask(raise_event{"i", "Go", "1", {}});
  node.run_until_idle();
  BOOST_TEST(node.activities.size() == 2 * activity_count);
  BOOST_TEST((purge("i", true).code == errc::ok));
  BOOST_TEST(node.activities.empty());
}

// After a start, activities are submitted in windows. An instance that ends
// before has no activity submitted twice, and one that is purged by force none.
BOOST_AUTO_TEST_CASE(activities_that_wait_for_their_window_run_once) {
  constexpr int many = 40;
  for (int i = 0; i < many; ++i) {
    node.holds_activity = [](const auto&) { return true; };
    node.ask(start_request("i" + std::to_string(i), "Abandons", "\"wait\""));
    node.run_until_idle();
  }
  node.crash_and_recover();
  for (int i = 0; i < many; ++i) {
    const instance_id id = "i" + std::to_string(i);
    BOOST_TEST((terminate(id) == errc::ok));
    if (i % 2 == 1)
      BOOST_TEST((purge(id, true).code == errc::ok));
  }
  run_activities();
  BOOST_TEST(node.activity_runs.size() == many / 2 * activity_count);
  for (int i = 0; i < many; i += 2)
    BOOST_TEST(ran("i" + std::to_string(i)).size() == activity_count);
}

// An endless orchestration cannot leave ever more behind.
BOOST_AUTO_TEST_CASE(activities_left_behind_are_bounded) {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions);
  functions->add_orchestrator(
    "Endless", [](orchestration_context& ctx) -> task<> {
      std::vector<pending<int>> left;
      for (int i = 0; i < 300; ++i)
        left.push_back(ctx.call_activity<int>("Give", i));
      ctx.continue_as_new();
      co_return;
    });
  node.set_functions(functions);
  node.crash_and_recover();
  node.holds_activity = [](const auto&) { return true; };
  node.ask(start_request("i", "Endless"));
  node.run_until_idle();
  BOOST_TEST((status_of("i") == runtime_status::failed));
  BOOST_TEST(output_of("i").find("left_activities_max") != std::string::npos,
             output_of("i"));
  BOOST_TEST(node.stored("i")->tasks.size() == 900U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
