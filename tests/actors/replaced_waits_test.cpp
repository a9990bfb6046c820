// SPDX-License-Identifier: Apache-2.0
// Code that is replaced while an instance waits: the first event after the
// start of the new program wakes the instance, whatever its name (finding R19).
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

using code = task<std::string> (*)(orchestration_context&);

task<std::string> wait_go(orchestration_context& ctx) {
  co_return co_await ctx.wait_for_external_event<std::string>("Go");
}

task<std::string> wait_gone(orchestration_context& ctx) {
  co_return co_await ctx.wait_for_external_event<std::string>("Gone");
}

task<std::string> wait_any(orchestration_context& ctx) {
  auto go = ctx.wait_for_external_event<std::string>("Go");
  auto cancel = ctx.wait_for_external_event<std::string>("Cancel");
  const first_of first = co_await when_any(go, cancel);
  if (first.index() == 0)
    co_return co_await go;
  co_return co_await cancel;
}

/// Waits for two events, one after the other.
task<std::string> wait_twice(orchestration_context& ctx) {
  const auto first = co_await ctx.wait_for_external_event<std::string>("First");
  co_return first + co_await ctx.wait_for_external_event<std::string>("Second");
}

struct replaced_fixture : partition_fixture {
  replaced_fixture() : partition_fixture(options()) {}

  static node_options options() {
    node_options made;
    made.adjust = [](partition_config& config) {
      config.discards_events = [](const std::string&) { return discards; };
    };
    return made;
  }

  /// Starts a program with this code.
  void use(code run) {
    auto functions = std::make_shared<registry>();
    functions->add_orchestrator("Order", run);
    node.set_functions(functions);
    node.crash_and_recover();
    node.run_until_idle();
  }

  void start(code run) {
    use(run);
    start_and_wait("i", "Order");
    node.run_until_idle();
  }

  void raise(const std::string& name) {
    BOOST_TEST((node.ask(raise_event{"i", name, '"' + name + '"', {}}).code
                == errc::ok));
    node.run_until_idle();
  }

  static inline bool discards = false;
};

struct discarding_fixture : replaced_fixture {
  discarding_fixture() {
    discards = true;
  }

  ~discarding_fixture() {
    discards = false;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(replaced_waits, replaced_fixture)

BOOST_AUTO_TEST_CASE(event_that_only_the_new_code_awaits_wakes_the_instance) {
  start(wait_go);
  use(wait_gone);
  raise("Gone");
  BOOST_TEST(output_of("i") == "\"Gone\"");
}

BOOST_AUTO_TEST_CASE(new_wait_in_a_race_wakes_the_instance) {
  start(wait_go);
  use(wait_any);
  raise("Cancel");
  BOOST_TEST(output_of("i") == "\"Cancel\"");
}

// The first event has another name: the instance learns what the code waits
// for, and the next event wakes it.
BOOST_AUTO_TEST_CASE(waits_of_the_new_code_are_stored) {
  start(wait_go);
  use(wait_any);
  raise("Other");
  BOOST_TEST((status_of("i") == runtime_status::running));
  const std::uint64_t turns = counters().orchestration_turns;
  raise("Another"); // no code of this process waits for it: no turn
  BOOST_TEST(counters().orchestration_turns == turns);
  raise("Cancel");
  BOOST_TEST(output_of("i") == "\"Cancel\"");
}

// An event that only the old code awaited causes no turn any more.
BOOST_AUTO_TEST_CASE(waits_of_the_old_code_are_closed) {
  start(wait_go);
  use(wait_gone);
  raise("Go");
  BOOST_TEST((status_of("i") == runtime_status::running));
  const std::uint64_t turns = counters().orchestration_turns;
  raise("Go");
  BOOST_TEST(counters().orchestration_turns == turns);
  raise("Gone");
  BOOST_TEST(output_of("i") == "\"Gone\"");
}

BOOST_AUTO_TEST_CASE(second_wait_has_changed) {
  start(wait_twice);
  raise("First");
  use([](orchestration_context& ctx) -> task<std::string> {
    const auto first
      = co_await ctx.wait_for_external_event<std::string>("First");
    co_return first + co_await ctx.wait_for_external_event<std::string>("New");
  });
  raise("New");
  BOOST_TEST(output_of("i") == "\"FirstNew\"");
}

// An event that waits in the inbox since the time of the old code.
BOOST_AUTO_TEST_CASE(stored_event_is_received_with_the_next_one) {
  start(wait_go);
  raise("Cancel");
  use(wait_any);
  // The turn that this event causes ends the instance, which refuses it.
  BOOST_TEST((node.ask(raise_event{"i", "Other", "1", {}}).code
              == errc::already_finished));
  BOOST_TEST(output_of("i") == "\"Cancel\"");
}

BOOST_AUTO_TEST_CASE(suspended_instance_wakes_when_it_is_resumed) {
  start(wait_go);
  node.ask(suspend_instance{"i", "why", {}});
  use(wait_gone);
  raise("Gone");
  BOOST_TEST((status_of("i") == runtime_status::suspended));
  node.ask(resume_instance{"i", "why", {}});
  node.run_until_idle();
  BOOST_TEST(output_of("i") == "\"Gone\"");
}

// The same code runs one turn more for each start of the process, at most.
BOOST_AUTO_TEST_CASE(unawaited_events_cause_one_turn_after_a_start) {
  start(wait_go);
  const std::size_t before = node.history_of("i").size();
  use(wait_go);
  const std::uint64_t turns = counters().orchestration_turns;
  for (int k = 0; k < 5; ++k)
    raise("Other");
  BOOST_TEST(counters().orchestration_turns == turns + 1);
  BOOST_TEST(node.history_of("i").size() == before + 2);
  raise("Go");
  BOOST_TEST(output_of("i") == "\"Go\"");
}

BOOST_AUTO_TEST_CASE(evicted_instance_is_not_woken_again) {
  start(wait_go);
  raise("Other");
  const std::uint64_t turns = counters().orchestration_turns;
  node.clock.advance(std::chrono::minutes(10));
  for (int k = 0; k < 3; ++k) {
    node.wake_all();
    node.run_until_idle();
  }
  BOOST_TEST(node.live("i") == nullptr);
  raise("Other");
  BOOST_TEST(counters().orchestration_turns == turns);
}

// A policy that discards events asks the new code first.
BOOST_FIXTURE_TEST_CASE(event_is_not_discarded_before_the_new_code_has_run,
                        discarding_fixture) {
  start(wait_go);
  use(wait_gone);
  raise("Other");
  BOOST_TEST(node.stored("i")->inbox.empty());
  raise("Gone");
  BOOST_TEST(output_of("i") == "\"Gone\"");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
