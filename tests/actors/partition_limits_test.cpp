// SPDX-License-Identifier: Apache-2.0
#include "tests/support/deterministic_node.hpp"
#include "tests/support/test_functions.hpp"

#include <boost/test/unit_test.hpp>

// Policies and limits of instances: unknown orchestrators, event policies,
// nondeterminism, and the limits of buffers, history and request IDs.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

using namespace std::chrono_literals;

task<json> awaits_two_events(orchestration_context& ctx) {
  json payload = co_await ctx.wait_for_external_event<json>("Go");
  const json second = co_await ctx.wait_for_external_event<json>("Go");
  co_return json::array({payload, second});
}

task<int> gives(orchestration_context& ctx) {
  int given = co_await ctx.call_activity<int>("Give", 1);
  co_await ctx.wait_for_external_event("Go");
  co_return given;
}

task<int> sleeps(orchestration_context& ctx) {
  co_await ctx.create_timer(1h);
  co_return 1;
}

task<int> creates_endless_timers(orchestration_context& ctx) {
  for (;;) {
    std::vector<pending<void>> timers;
    for (int i = 0; i < 9'000; ++i)
      timers.push_back(ctx.create_timer(1ms));
    co_await when_all(ctx, timers);
  }
}

struct limits_fixture {
  ~limits_fixture() {
    for (const std::string& violation : node.violations)
      BOOST_ERROR(violation);
  }

  static std::shared_ptr<registry>
  functions(task<int> (*release)(orchestration_context&)) {
    auto all = std::make_shared<registry>();
    add_test_functions(*all);
    all
      ->add_orchestrator("AwaitsTwoEvents", awaits_two_events,
                         {.external_events = external_event_policy::discard})
      .add_orchestrator("Release", release)
      .add_orchestrator("EndlessTimers", creates_endless_timers);
    return all;
  }

  static node_options options() {
    node_options options;
    options.partitions = 1;
    options.functions = functions(gives);
    options.adjust
      = [](partition_config& config) { config.nondeterminism_fails = true; };
    return options;
  }

  errc start(const std::string& name, const std::string& input = "null") {
    start_instance request;
    request.id = "i";
    request.name = name;
    request.input = input;
    request.execution = "execution";
    return node.ask(request).code;
  }

  errc raise(const std::string& name, const std::string& data,
             const request_id& request = {}) {
    return node.ask(raise_event{"i", name, data, request}).code;
  }

  instance_row row() {
    get_status question;
    question.id = "i";
    return node.ask(question).status->row;
  }

  deterministic_node node{options()};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_limits, limits_fixture)

// The start is refused, and no instance is stored.
BOOST_AUTO_TEST_CASE(unknown_orchestrator_is_refused) {
  BOOST_TEST((start("Missing") == errc::unknown_orchestrator));
  BOOST_TEST(!node.stored("i"));
}

// An orchestrator with the policy `discard` waits for "Go" twice. Events of
// other names are acknowledged and dropped.
BOOST_AUTO_TEST_CASE(discard_policy_keeps_only_awaited_events) {
  BOOST_TEST((start("AwaitsTwoEvents") == errc::ok));
  BOOST_TEST((raise("Other", "1") == errc::ok));
  BOOST_TEST(node.stored("i")->inbox.empty());
  BOOST_TEST((raise("go", "2") == errc::ok)); // event names ignore case
  BOOST_TEST((raise("Other", "3") == errc::ok));
  BOOST_TEST((raise("GO", "4") == errc::ok));
  node.run_until_idle();
  BOOST_TEST(row().output == "[2,4]");
  BOOST_TEST(node.partition(partition_id{0}).live().counters.events_discarded
             == 2U);
}

// Setup: `on_nondeterminism` is "fail", and other code is deployed while the
// instance waits for an event. The instance fails. After the original code is
// deployed again, the instance can be rewound.
BOOST_AUTO_TEST_CASE(nondeterministic_code_can_fail_the_instance) {
  BOOST_TEST((start("Release") == errc::ok));
  node.run_until_idle();
  node.set_functions(functions(sleeps));
  node.crash_and_recover();
  // The instance fails before the event is delivered, so the event is refused.
  BOOST_TEST((raise("Go", "1") == errc::already_finished));
  BOOST_TEST((row().record.status == runtime_status::failed));
  BOOST_TEST(row().output.find("Give") != std::string::npos, row().output);
  // The original code is deployed again.
  node.set_functions(functions(gives));
  node.crash_and_recover();
  BOOST_TEST((node.ask(rewind_instance{"i", "fixed", "r"}).code == errc::ok));
  BOOST_TEST((raise("Go", "1") == errc::ok));
  node.run_until_idle();
  BOOST_TEST(row().output == "1");
}

// Events without a wait fill the buffer of the instance up to its limit; the
// next one is refused.
BOOST_AUTO_TEST_CASE(full_event_buffer_refuses_and_names_its_limit) {
  BOOST_TEST((start("Waits") == errc::ok));
  std::vector<deterministic_node::ticket> open;
  for (std::size_t i = 0; i <= buffered_events_max; ++i)
    open.push_back(node.submit(raise_event{"i", "Other", "1", {}}));
  node.run_until_idle();
  BOOST_TEST((node.answer_to(open[buffered_events_max - 1])->code == errc::ok));
  const management_answer* over = node.answer_to(open[buffered_events_max]);
  BOOST_TEST((over->code == errc::limit_exceeded));
  BOOST_TEST(over->message.find("buffered_events_max") != std::string::npos);
  BOOST_TEST(node.stored("i")->inbox.size() == buffered_events_max);
  BOOST_TEST(
    (node.ask(terminate_instance{"i", "", false, {}}).code == errc::ok));
}

// The orchestrator creates 9,000 timers in each turn until its history exceeds
// the limit of events.
BOOST_AUTO_TEST_CASE(oversized_history_fails_and_names_its_limit) {
  BOOST_TEST((start("EndlessTimers") == errc::ok));
  BOOST_TEST(node.run_until([&] {
    const stored_instance* rows = node.rows_in_memory("i");
    return rows != nullptr && is_finished(rows->record.status);
  }));
  node.run_until_idle();
  BOOST_TEST((row().record.status == runtime_status::failed));
  BOOST_TEST(row().output.find("history_events_max") != std::string::npos,
             row().output);
  BOOST_TEST(node.stored("i")->record.history_count
             <= history_events_max + 10'000);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
