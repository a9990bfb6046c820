// SPDX-License-Identifier: Apache-2.0
// The limits of a history hold for requests from outside as well: they are
// refused while the code still has space to end.
#include "actors/partition/partition_config.hpp"
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;

namespace {

task<int> endless_timers(orchestration_context& ctx) {
  for (;;) {
    std::vector<pending<void>> timers;
    for (int i = 0; i < 9'000; ++i)
      timers.push_back(ctx.create_timer(std::chrono::milliseconds(1)));
    co_await when_all(ctx, timers);
  }
}

struct history_fixture : partition_fixture {
  /// Sends suspend and resume requests by turns in one batch; returns the
  /// message of the first refusal, or an empty text.
  std::string loop(const instance_id& id, std::size_t count,
                   const std::string& reason = "again") {
    std::vector<ticket> all;
    for (std::size_t i = 0; i < count; ++i)
      if (i % 2 == 0)
        all.push_back(node.submit(suspend_instance{id, reason, {}}));
      else
        all.push_back(node.submit(resume_instance{id, reason, {}}));
    node.run_until_idle();
    for (const ticket one : all) {
      const management_answer* answer = node.answer_to(one);
      BOOST_REQUIRE(answer != nullptr);
      if (answer->code == errc::ok)
        continue;
      BOOST_TEST((answer->code == errc::limit_exceeded));
      return answer->message;
    }
    return {};
  }

  event_index events(const instance_id& id) {
    return node.stored(id)->record.history_count;
  }

  void use(const std::string& name,
           task<int> (*function)(orchestration_context&)) {
    auto functions = std::make_shared<registry>();
    add_test_functions(*functions);
    functions->add_orchestrator(name, function);
    node.set_functions(functions);
    node.crash_and_recover();
  }

  bool run_to_end(const instance_id& id) {
    const bool ended = node.run_until([&] {
      const auto* rows = node.rows_in_memory(id);
      return rows != nullptr && is_finished(rows->record.status);
    });
    node.run_until_idle();
    return ended;
  }

  const std::string megabyte = std::string(1'000'000, 'x');
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(history_bounds, history_fixture)

// The instance goes on after the refusal and completes.
BOOST_AUTO_TEST_CASE(suspend_and_resume_leave_space_for_the_code) {
  start_and_wait("i", "Waits");
  const std::string refusal = loop("i", history_events_max + 10);
  BOOST_TEST(refusal.find("history_events_max") != std::string::npos, refusal);
  BOOST_TEST(events("i") < history_events_max);
  BOOST_TEST((status_of("i") == runtime_status::running));
  BOOST_TEST((node.ask(raise_event{"i", "Go", "7", {}}).code == errc::ok));
  node.run_until_idle();
  BOOST_TEST((status_of("i") == runtime_status::completed));
  BOOST_TEST(events("i") <= history_events_max);
}

BOOST_AUTO_TEST_CASE(reasons_of_suspend_and_resume_are_bounded) {
  start_and_wait("i", "Waits");
  const std::string refusal = loop("i", 100, megabyte);
  BOOST_TEST(refusal.find("history_bytes_max") != std::string::npos, refusal);
  BOOST_TEST(node.stored("i")->record.history_bytes < history_bytes_max);
  BOOST_TEST((status_of("i") == runtime_status::running));
  BOOST_TEST((node.ask(raise_event{"i", "Go", "7", {}}).code == errc::ok));
  node.run_until_idle();
  BOOST_TEST((status_of("i") == runtime_status::completed));
}

// Only resumes with long reasons are refused, so that the instance can always
// be resumed.
BOOST_AUTO_TEST_CASE(suspended_instance_at_the_limit_can_be_resumed) {
  start_and_wait("i", "Waits");
  std::size_t suspended = 0;
  while (node.ask(suspend_instance{"i", megabyte, {}}).code == errc::ok) {
    BOOST_REQUIRE(++suspended < 100);
    BOOST_REQUIRE(
      (node.ask(resume_instance{"i", "short", {}}).code == errc::ok));
  }
  BOOST_TEST((status_of("i") == runtime_status::running));
  BOOST_TEST((node.ask(suspend_instance{"i", "short", {}}).code == errc::ok));
  BOOST_TEST(
    (node.ask(resume_instance{"i", std::string(8'000'000, 'x'), {}}).code
     == errc::limit_exceeded));
  BOOST_TEST((node.ask(resume_instance{"i", "short", {}}).code == errc::ok));
}

BOOST_AUTO_TEST_CASE(instance_at_the_limit_can_be_terminated) {
  start_and_wait("i", "Waits");
  loop("i", 100, megabyte);
  BOOST_TEST(
    (node.ask(terminate_instance{"i", "enough", false, {}}).code == errc::ok));
  BOOST_TEST((status_of("i") == runtime_status::terminated));
}

// A pending instance receives no turns, so only requests lengthen its history.
BOOST_AUTO_TEST_CASE(history_of_a_scheduled_instance_is_bounded) {
  start_instance start = start_request("i", "Waits");
  start.scheduled_at = node.clock.now() + std::chrono::hours(1);
  BOOST_REQUIRE((node.ask(start).code == errc::ok));
  const std::string refusal = loop("i", 100, megabyte);
  BOOST_TEST(refusal.find("history_bytes_max") != std::string::npos, refusal);
  BOOST_TEST(node.stored("i")->record.history_bytes < history_bytes_max);
}

// The refusal holds after a crash.
BOOST_AUTO_TEST_CASE(refusal_is_the_same_after_a_crash) {
  start_and_wait("i", "Waits");
  loop("i", 100, megabyte);
  node.crash_and_recover();
  BOOST_TEST((node.ask(suspend_instance{"i", megabyte, {}}).code
              == errc::limit_exceeded));
  BOOST_TEST((node.ask(raise_event{"i", "Go", "7", {}}).code == errc::ok));
  node.run_until_idle();
  BOOST_TEST((status_of("i") == runtime_status::completed));
}

// A rewind would append to a history that is full already.
BOOST_AUTO_TEST_CASE(rewind_of_a_full_history_is_refused) {
  use("Endless", endless_timers);
  start_and_wait("i", "Endless");
  BOOST_REQUIRE(run_to_end("i"));
  BOOST_REQUIRE((status_of("i") == runtime_status::failed));
  const event_index before = events("i");
  const management_answer answer
    = node.ask(rewind_instance{"i", "once more", {}});
  BOOST_TEST((answer.code == errc::limit_exceeded));
  BOOST_TEST(answer.message.find("history_events_max") != std::string::npos,
             answer.message);
  BOOST_TEST(events("i") == before);
  BOOST_TEST((status_of("i") == runtime_status::failed));
}

// The parent learns why its child was not rewound.
BOOST_AUTO_TEST_CASE(rewind_of_a_child_with_a_full_history_fails_the_parent) {
  use("Endless", endless_timers);
  start_and_wait("p", "Family", R"({"name":"Endless","input":null,"count":1})");
  BOOST_REQUIRE(run_to_end("p"));
  const event_index before = events("p-0");
  BOOST_REQUIRE((status_of("p") == runtime_status::failed));
  BOOST_REQUIRE(
    (node.ask(rewind_instance{"p", "once more", {}}).code == errc::ok));
  BOOST_REQUIRE(run_to_end("p"));
  BOOST_TEST(output_of("p").find("history_events_max") != std::string::npos,
             output_of("p"));
  BOOST_TEST(events("p-0") == before);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
