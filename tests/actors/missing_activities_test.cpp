// SPDX-License-Identifier: Apache-2.0
// An activity that the program does not have holds its instance until a program
// that has it is started (finding R4).
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

namespace {

task<std::string> charge(orchestration_context& ctx) {
  co_return co_await ctx.call_activity<std::string>("Charge", "card");
}

/// Waits for the activity at most for an hour.
task<std::string> charge_in_time(orchestration_context& ctx) {
  auto work = ctx.call_activity<std::string>("Charge", "card");
  auto deadline = ctx.create_timer(1h);
  const first_of first = co_await when_any(work, deadline);
  if (first.index() == 1)
    co_return "too late";
  co_return co_await work;
}

struct missing_fixture : partition_fixture {
  missing_fixture() : partition_fixture(options()) {
    use(false);
  }

  /// The activities that the program does not have are held by the host.
  static node_options options() {
    node_options made;
    made.adjust = [](partition_config& config) {
      config.has_activity
        = [](const std::string& name) { return name != "Charge" || is_there; };
    };
    return made;
  }

  /// Starts a program with or without the activity.
  void use(bool has_charge) {
    is_there = has_charge;
    auto functions = std::make_shared<registry>();
    add_test_functions(*functions);
    functions->add_orchestrator("Order", charge)
      .add_orchestrator("Timed", charge_in_time);
    if (has_charge)
      functions->add_activity("Charge",
                              [](std::string text) { return text + " ok"; });
    node.set_functions(functions);
    node.holds_activity = [](const activity_work_item& item) {
      return item.name == "Charge" && !is_there;
    };
    node.crash_and_recover();
    node.run_until_idle();
  }

  std::string held(const instance_id& id) {
    return node.stored(id)->record.held;
  }

  static inline bool is_there = false;
};

constexpr const char* missing_text
  = "activity Charge is not registered on this node; it runs when a program "
    "that registers it is started";

} // namespace

BOOST_FIXTURE_TEST_SUITE(missing_activities, missing_fixture)

BOOST_AUTO_TEST_CASE(call_waits_for_a_program_that_has_the_activity) {
  start_and_wait("i", "Order");
  node.run_until_idle();
  BOOST_TEST((status_of("i") == runtime_status::running));
  BOOST_TEST(held("i") == missing_text);
  const auto stuck = node.partition(p0).stuck();
  BOOST_TEST_REQUIRE(stuck.size() == 1U);
  BOOST_TEST(stuck[0].second == missing_text);
  use(true);
  BOOST_TEST((status_of("i") == runtime_status::completed));
  BOOST_TEST(output_of("i") == "\"card ok\"");
  BOOST_TEST(held("i").empty());
}

// The program that scheduled the activity had it, a later one has not.
BOOST_AUTO_TEST_CASE(activity_that_a_later_program_lacks_holds_its_instance) {
  use(true);
  node.holds_activity = [](const auto&) { return true; };
  start_and_wait("i", "Order");
  node.run_until_idle();
  BOOST_TEST(held("i").empty());
  use(false);
  BOOST_TEST(held("i") == missing_text);
  BOOST_TEST(node.partition(p0).stuck().size() == 1U);
  use(false); // a second start writes nothing
  BOOST_TEST(held("i") == missing_text);
  BOOST_TEST(node.partition(p0).stuck().size() == 1U);
  use(true);
  BOOST_TEST(held("i").empty());
  BOOST_TEST(output_of("i") == "\"card ok\"");
}

// The reason goes when a program has the activity, not only when it has run.
BOOST_AUTO_TEST_CASE(instance_is_not_held_while_the_activity_runs) {
  start_and_wait("i", "Order");
  node.run_until_idle();
  is_there = true;
  node.holds_activity = [](const auto&) { return true; };
  node.crash_and_recover();
  node.run_until_idle();
  BOOST_TEST(node.activities.size() == 1U);
  BOOST_TEST(held("i").empty());
  BOOST_TEST(node.partition(p0).stuck().empty());
  use(true);
  BOOST_TEST(output_of("i") == "\"card ok\"");
}

// The code's own timers run.
BOOST_AUTO_TEST_CASE(timers_of_a_held_instance_fire) {
  start_and_wait("i", "Timed");
  node.run_until_idle();
  BOOST_TEST(held("i") == missing_text);
  node.advance_time(2h);
  BOOST_TEST((status_of("i") == runtime_status::completed));
  BOOST_TEST(output_of("i") == "\"too late\"");
  BOOST_TEST(held("i").empty());
}

BOOST_AUTO_TEST_CASE(held_instance_is_terminated) {
  start_and_wait("i", "Order");
  node.run_until_idle();
  terminate_instance request;
  request.id = "i";
  BOOST_TEST((node.ask(std::move(request)).code == errc::ok));
  BOOST_TEST(held("i").empty());
  BOOST_TEST(node.partition(p0).stuck().empty());
}

// `stuck` reports from memory.
BOOST_AUTO_TEST_CASE(held_instances_stay_in_memory) {
  start_and_wait("i", "Order");
  node.run_until_idle();
  node.clock.advance(10min);
  for (int i = 0; i < 3; ++i) {
    node.wake_all();
    node.run_until_idle();
  }
  BOOST_TEST(node.partition(p0).stuck().size() == 1U);
}

BOOST_AUTO_TEST_CASE(events_reach_a_held_instance) {
  start_and_wait("i", "Order");
  node.run_until_idle();
  raise_event request;
  request.id = "i";
  request.name = "Other";
  request.data = "1";
  BOOST_TEST((node.ask(std::move(request)).code == errc::ok));
  BOOST_TEST(held("i") == missing_text);
  use(true);
  BOOST_TEST((status_of("i") == runtime_status::completed));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
