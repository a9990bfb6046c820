// SPDX-License-Identifier: Apache-2.0
// The memory of idle instances is bounded by bytes, not only by their number.
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;

namespace {

constexpr std::uint64_t bytes_max = 1U << 20;

task<int> opens_tasks(orchestration_context& ctx) {
  std::vector<pending<void>> timers;
  for (int i = 0; i < 9'000; ++i)
    timers.push_back(ctx.create_timer(std::chrono::hours(1)));
  co_await when_all(ctx, timers);
  co_return 1;
}

struct memory_fixture : partition_fixture {
  memory_fixture() : partition_fixture(options()) {
    auto functions = std::make_shared<registry>();
    add_test_functions(*functions);
    functions->add_orchestrator("OpensTasks", opens_tasks);
    node.set_functions(functions);
    node.crash_and_recover();
  }

  static node_options options() {
    node_options options;
    options.adjust = [](partition_config& config) {
      config.idle_instance_bytes_max = bytes_max;
    };
    return options;
  }

  static instance_id id_of(int i) {
    return "i-" + std::to_string(i);
  }

  void raise(const instance_id& id, const std::string& name,
             const std::string& data) {
    BOOST_REQUIRE((node.ask(raise_event{id, name, data, {}}).code == errc::ok));
    node.run_until_idle();
    check_sizes();
  }

  /// The sizes that follow the turns equal those of the rows.
  void check_sizes() {
    const auto& live = node.partition(p0).live();
    std::uint64_t sum = 0;
    for (const auto& [id, instance] : live.instances) {
      const auto* rows = node.partition(p0).durable().find(id);
      BOOST_REQUIRE(instance.bytes
                    == (rows == nullptr ? 0 : memory_bytes_of(*rows)));
      sum += instance.bytes;
    }
    BOOST_REQUIRE(live.bytes == sum);
  }

  std::uint64_t bytes() {
    return node.partition(p0).live().bytes;
  }

  const std::string text = '"' + std::string(100'000, 'x') + '"';
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_memory, memory_fixture)

BOOST_AUTO_TEST_CASE(waiting_instances_with_unread_events_leave_memory) {
  for (int i = 0; i < 20; ++i) {
    start_and_wait(id_of(i), "Waits");
    for (int n = 0; n < 4; ++n)
      raise(id_of(i), "Other", text);
    BOOST_REQUIRE(bytes() <= bytes_max);
  }
  for (int i = 0; i < 20; ++i)
    raise(id_of(i), "Go", "1"); // they are read again and complete
  for (int i = 0; i < 20; ++i)
    BOOST_TEST((status_of(id_of(i)) == runtime_status::completed));
}

BOOST_AUTO_TEST_CASE(one_large_instance_leaves_memory) {
  start_and_wait("i", "Waits");
  for (int n = 0; n < 20; ++n)
    raise("i", "Other", text);
  BOOST_TEST(node.live("i") == nullptr);
  BOOST_TEST(node.stored("i")->inbox.size() == 20U);
  raise("i", "Go", "1");
  BOOST_TEST((status_of("i") == runtime_status::completed));
}

BOOST_AUTO_TEST_CASE(suspended_instances_leave_memory) {
  for (int i = 0; i < 20; ++i) {
    start_and_wait(id_of(i), "Waits");
    BOOST_REQUIRE(
      (node.ask(suspend_instance{id_of(i), "", {}}).code == errc::ok));
    raise(id_of(i), "Go", text);
    raise(id_of(i), "Go", text);
  }
  node.run_until_idle();
  BOOST_TEST(bytes() <= bytes_max);
}

BOOST_AUTO_TEST_CASE(unread_results_count) {
  node.holds_activity = [](const auto&) { return true; };
  for (int i = 0; i < 20; ++i) {
    start_and_wait(id_of(i), "Give", text);
    BOOST_REQUIRE(
      (node.ask(suspend_instance{id_of(i), "", {}}).code == errc::ok));
  }
  node.holds_activity = nullptr;
  node.run_until_idle();
  check_sizes();
  BOOST_TEST(bytes() <= bytes_max);
  BOOST_TEST((node.ask(resume_instance{id_of(3), "", {}}).code == errc::ok));
  node.run_until_idle();
  BOOST_TEST((status_of(id_of(3)) == runtime_status::completed));
}

BOOST_AUTO_TEST_CASE(open_tasks_count) {
  for (const char* id : {"a", "b", "c"})
    start_and_wait(id, "OpensTasks");
  node.run_until_idle();
  check_sizes();
  BOOST_TEST(bytes() <= bytes_max);
}

// A small instance stays, so that its next turn needs no replay.
BOOST_AUTO_TEST_CASE(small_instances_stay_in_memory) {
  start_and_wait("small", "Waits");
  for (int i = 0; i < 5; ++i) {
    start_and_wait(id_of(i), "Waits");
    for (int n = 0; n < 4; ++n)
      raise(id_of(i), "Other", text);
  }
  BOOST_TEST(node.live("small") != nullptr);
}

BOOST_AUTO_TEST_CASE(sizes_follow_continue_as_new_and_purge) {
  start_and_wait("i", "AddKeep", "0");
  for (int n = 0; n < 5; ++n)
    raise("i", "Other", text);
  raise("i", "Add", "1"); // continues as new and keeps the events
  raise("i", "Stop", "null");
  BOOST_REQUIRE((status_of("i") == runtime_status::completed));
  BOOST_REQUIRE((node.ask(purge_instance{"i"}).code == errc::ok));
  node.run_until_idle();
  check_sizes();
  BOOST_TEST(bytes() <= 1'000U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
