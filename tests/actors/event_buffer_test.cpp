// SPDX-License-Identifier: Apache-2.0
// The buffer of an instance: how many unconsumed events it keeps, and which
// events are accepted although it is full.
#include "actors/partition/partition_config.hpp"
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;

namespace {

task<json> waits_for_two(orchestration_context& ctx) {
  std::vector<pending<json>> both;
  both.push_back(ctx.wait_for_external_event<json>("Go"));
  both.push_back(ctx.wait_for_external_event<json>("Go"));
  std::vector<json> got = co_await when_all(ctx, both);
  co_return json(got.size());
}

/// Sends 20 events of a megabyte.
task<int> sends_much(orchestration_context& ctx) {
  for (int i = 0; i < 20; ++i)
    ctx.send_event("i", "Go", std::string(1'000'000, 'x'));
  co_return 1;
}

struct buffer_fixture : partition_fixture {
  buffer_fixture() {
    auto functions = std::make_shared<registry>();
    add_test_functions(*functions);
    functions->add_orchestrator("Both", waits_for_two)
      .add_orchestrator("SendsMuch", sends_much);
    node.set_functions(functions);
    node.crash_and_recover();
  }

  static constexpr std::size_t fills = 16;

  /// Raises `count` events in one batch; returns the number that were accepted.
  std::size_t raise(const instance_id& id, const std::string& name,
                    std::size_t count, const std::string& data = "1") {
    std::vector<ticket> all;
    for (std::size_t i = 0; i < count; ++i)
      all.push_back(node.submit(raise_event{id, name, data, {}}));
    node.run_until_idle();
    return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [&](ticket one) {
        const errc code = code_of(one);
        BOOST_TEST((code == errc::ok || code == errc::limit_exceeded));
        return code == errc::ok;
      }));
  }

  void suspend(const instance_id& id) {
    BOOST_REQUIRE(
      (node.ask(suspend_instance{id, "wait", {}}).code == errc::ok));
  }

  void resume(const instance_id& id) {
    BOOST_REQUIRE(
      (node.ask(resume_instance{id, "go on", {}}).code == errc::ok));
    node.run_until_idle();
  }

  /// Starts the orchestrator, suspends it and fills its buffer with events of
  /// another name.
  void fill_suspended(const instance_id& id,
                      const std::string& name = "Waits") {
    start_and_wait(id, name);
    suspend(id);
    BOOST_REQUIRE(raise(id, "Other", fills + 1, megabyte) == fills);
  }

  std::size_t unread(const instance_id& id) {
    return node.stored(id)->inbox.size();
  }

  /// A payload of which `fills` fit into the buffer and no more.
  const std::string megabyte = '"' + std::string(1'000'000, 'x') + '"';
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(event_buffer, buffer_fixture)

// A full buffer must not keep an instance waiting for ever.
BOOST_AUTO_TEST_CASE(full_buffer_accepts_one_event_for_one_wait) {
  fill_suspended("i");
  BOOST_TEST(raise("i", "gO", 1, megabyte)
             == 1U); // names compare case-insensitively
  BOOST_TEST(raise("i", "Go", 3, megabyte) == 0U);
  BOOST_TEST(raise("i", "Other", 3, megabyte) == 0U);
  BOOST_TEST(unread("i") == fills + 1);
  resume("i");
  BOOST_TEST((status_of("i") == runtime_status::completed));
}

BOOST_AUTO_TEST_CASE(full_buffer_accepts_two_events_for_two_waits) {
  fill_suspended("i", "Both");
  BOOST_TEST(raise("i", "Go", 5, megabyte) == 2U);
  resume("i");
  BOOST_TEST(output_of("i") == "2");
}

// The events that an instance has received count after a restart, too.
BOOST_AUTO_TEST_CASE(exemption_is_used_once_also_after_a_crash) {
  fill_suspended("i");
  BOOST_TEST(raise("i", "Go", 1, megabyte) == 1U);
  node.crash_and_recover();
  BOOST_TEST(raise("i", "Go", 2, megabyte) == 0U);
}

// The first event makes a turn due that cannot run: the code is missing.
BOOST_AUTO_TEST_CASE(awaited_events_of_a_held_instance_are_bounded) {
  start_and_wait("i", "Waits");
  node.set_functions(std::make_shared<registry>());
  node.crash_and_recover();
  BOOST_TEST(raise("i", "Go", 1) == 1U);
  BOOST_REQUIRE(!node.stored("i")->record.held.empty());
  BOOST_TEST(raise("i", "Go", 20, megabyte) == fills);
  BOOST_TEST(unread("i") == fills + 1);
}

// An instance that has not run yet has no waits.
BOOST_AUTO_TEST_CASE(events_of_a_starting_instance_are_bounded) {
  node.submit(start_request("i", "Waits"));
  process_messages();
  std::vector<ticket> all;
  for (std::size_t i = 0; i < 12'000; ++i)
    all.push_back(node.submit(raise_event{"i", "Go", "1", {}}));
  process_messages();
  BOOST_TEST(node.live("i")->arrived.size() == buffered_events_max);
}

// While a turn runs, the events that arrive wait for its end.
BOOST_AUTO_TEST_CASE(awaited_events_during_a_turn_are_bounded) {
  start_and_wait("i", "Collect", "3");
  node.submit(raise_event{"i", "E", "1", {}});
  process_messages();
  BOOST_REQUIRE(node.live("i")->turn_out);
  for (std::size_t i = 0; i < 12'000; ++i)
    node.submit(raise_event{"i", "E", "1", {}});
  process_messages();
  BOOST_TEST(node.live("i")->arrived.size() == buffered_events_max);
  node.run_until_idle();
  BOOST_TEST((status_of("i") == runtime_status::completed));
}

// A sent event cannot be refused, so it is dropped and counted.
BOOST_AUTO_TEST_CASE(awaited_events_of_other_orchestrations_are_bounded) {
  start_and_wait("i", "Waits");
  suspend("i");
  start_and_wait("s", "SendsMuch");
  node.run_until_idle();
  BOOST_TEST(unread("i") == fills);
  BOOST_TEST(counters().events_discarded == 4U);
}

// The instance waits for one event of this name and cannot consume it.
BOOST_AUTO_TEST_CASE(awaited_events_of_a_suspended_instance_are_bounded) {
  start_and_wait("i", "Waits");
  suspend("i");
  BOOST_TEST(raise("i", "Go", 20, megabyte) == fills);
  BOOST_TEST(unread("i") == fills);
  resume("i");
  BOOST_TEST((status_of("i") == runtime_status::completed));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
