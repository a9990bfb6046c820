// SPDX-License-Identifier: Apache-2.0
#include "client/examples/samples.hpp"
#include "persistence/records/clock.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/perdura.hpp>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

// The C++ client in the process of a node, as a service with an embedded node
// uses it.

namespace perdura::tests {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// A gate at which functions block until the test opens it.
class gate {
public:
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  void close() {
    std::lock_guard lock(mutex_);
    open_ = false;
  }

  /// Returns false if the gate stays closed for `patience`.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return open_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

struct test_gates {
  gate activity_gate;
  gate turn_gate;
  gate activity_entered;
};

test_gates& gates() {
  static test_gates one;
  return one;
}

task<std::string> call(orchestration_context& ctx, std::string activity) {
  std::string answer = co_await ctx.call_activity<std::string>(activity);
  co_return answer;
}

task<std::string> call_with_time_out(orchestration_context& ctx) {
  activity_options options;
  options.time_out = milliseconds(50);
  auto answer
    = co_await ctx.call_activity<std::string>("Blocks", nullptr, options)
        .as_outcome();
  co_return answer ? "in time" : "too late";
}

/// Sets a custom status of `kib` KiB.
task<std::string> sets_large_status(orchestration_context& ctx, int kib) {
  ctx.set_custom_status(std::string(static_cast<std::size_t>(kib) * 1024, 'x'));
  co_return "ok";
}

task<std::string> throws_an_int(orchestration_context&) {
  throw 42;
  co_return "never";
}

task<> blocks_in_its_turn(orchestration_context&) {
  gates().turn_gate.wait();
  co_return;
}

task<std::string> versioned_one(orchestration_context&) {
  co_return "one";
}

task<std::string> versioned_two(orchestration_context&) {
  co_return "two";
}

/// This orchestrator is registered with the policy `discard` for unawaited
/// events.
task<> discards(orchestration_context& ctx) {
  co_await ctx.wait_for_external_event("First");
  co_await ctx.wait_for_external_event("Second");
}

/// A node without HTTP API, with the samples and the functions of this file.
struct node_fixture {
  temp_directory directory;
  std::unique_ptr<node_host> host;
  std::optional<orchestration_client> client;

  node_fixture() : node_fixture([](node_config&) {}) {}

  template <class Change>
  explicit node_fixture(Change change) {
    auto functions = std::make_shared<registry>();
    examples::add_samples(*functions);
    functions->add_orchestrator("Call", call)
      .add_orchestrator("CallWithTimeOut", call_with_time_out)
      .add_orchestrator("SetsLargeStatus", sets_large_status)
      .add_orchestrator("ThrowsAnInt", throws_an_int)
      .add_orchestrator("BlocksInTurn", blocks_in_its_turn)
      .add_orchestrator("Discards", discards,
                        {.external_events = external_event_policy::discard})
      .add_orchestrator("Versioned", versioned_one, {.version = "1.9"})
      .add_orchestrator("Versioned", versioned_two, {.version = "1.10"});
    functions->add_activity("Big", [] { return std::string(1 << 20, 'x'); })
      .add_activity("Odd", []() -> std::string { throw 42; })
      .add_activity("Deep",
                    [] {
                      nlohmann::json deep;
                      for (int i = 0; i < 70; ++i)
                        deep = nlohmann::json::array({deep});
                      return deep;
                    })
      .add_activity("Blocks", [] {
        gates().activity_entered.open();
        gates().activity_gate.wait();
        return std::string("late");
      });
    node_host_config config;
    config.http_enabled = false;
    config.node.data_dir = directory.path() / "hub";
    config.node.create_hub = true;
    config.node.partition_count = 4;
    change(config.node);
    host = node_host::start(config, functions).value();
    client = host->client();
  }

  orchestration_status finished(const std::string& id) {
    return client->wait_for_completion(id, patience).value();
  }

  std::string output_of(std::string_view name, std::string input = "null") {
    return finished(client->start_json(name, std::move(input)).value()).output;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(orchestration_client_on_one_node)

// The payload has members that are not sorted by name, large numbers, and a
// text that looks like a time. A parser that rebuilds the JSON would change
// them.
BOOST_FIXTURE_TEST_CASE(payloads_are_returned_byte_for_byte, node_fixture) {
  const std::string odd
    = R"({"z":1,"a":123456789012345678901234567890,"d":"2018-02-28T05:18:49Z", "e":1e400})";
  const std::string id = client->start_json("Echo", odd).value();
  BOOST_TEST(finished(id).output == odd);
  BOOST_TEST(client->get_status(id).value()->input == odd);
}

BOOST_FIXTURE_TEST_CASE(invalid_starts_have_distinct_errors, node_fixture) {
  const auto code_of
    = [&](std::string name, std::string input, std::string id) {
        start_options options;
        options.instance_id = std::move(id);
        return client->start_json(name, std::move(input), options).code();
      };
  BOOST_TEST((code_of("Unknown", "null", "x") == errc::unknown_orchestrator));
  BOOST_TEST((code_of("Echo", "{", "x") == errc::invalid_json));
  BOOST_TEST((code_of("Echo", "", "x") == errc::invalid_json));
  BOOST_TEST((code_of("Echo", std::string(65, '[') + std::string(65, ']'), "x")
              == errc::json_too_deep));
  BOOST_TEST((code_of("Echo", "\"" + std::string(1 << 20, 'x') + "\"", "x")
              == errc::payload_too_large));
  BOOST_TEST((code_of("Echo", "null", "a/b") == errc::invalid_instance_id));
  BOOST_TEST((code_of("Echo", "null", "@a") == errc::invalid_instance_id));
  BOOST_TEST((code_of("Echo", "null", std::string(257, 'a'))
              == errc::invalid_instance_id));
  BOOST_TEST((code_of("", "null", "x") == errc::invalid_name));
  BOOST_TEST(!client->get_status("x").value().has_value());
}

BOOST_FIXTURE_TEST_CASE(payload_of_one_mebibyte_is_accepted, node_fixture) {
  const std::string most = "\"" + std::string((1 << 20) - 2, 'x') + "\"";
  BOOST_TEST((output_of("Echo", most) == most));
}

BOOST_FIXTURE_TEST_CASE(live_id_is_refused_and_finished_one_is_replaced,
                        node_fixture) {
  start_options options;
  options.instance_id = "order-17";
  client->start_new("Approval", nullptr, options).value();
  BOOST_TEST((client->start_new("Approval", nullptr, options).code()
              == errc::already_exists));
  options.get_or_start = true;
  BOOST_TEST(client->start_new("Approval", nullptr, options).value()
             == "order-17");
  client->raise_event("order-17", "approval", 1)
    .value(); // Event names are case-insensitive.
  const auto first = finished("order-17");
  options.get_or_start = false;
  client->start_new("Echo", 2, options).value();
  const auto second = finished("order-17");
  BOOST_TEST(second.output == "2");
  BOOST_TEST(second.execution_id != first.execution_id);
}

// A client that got no answer repeats its request with the same request ID.
BOOST_FIXTURE_TEST_CASE(repeated_request_gets_the_first_answer, node_fixture) {
  start_options options;
  options.instance_id = "once";
  options.request_id = "r1";
  client->start_new("Approval", nullptr, options).value();
  BOOST_TEST(client->start_new("Approval", nullptr, options).value() == "once");
  client->raise_event("once", "Approval", 1, "r2").value();
  static_cast<void>(finished("once"));
  client->raise_event("once", "Approval", 1, "r2").value();
  BOOST_TEST((client->raise_event("once", "Approval", 1, "r3").code()
              == errc::already_finished));
}

BOOST_FIXTURE_TEST_CASE(repeated_start_without_an_id_returns_the_first_instance,
                        node_fixture) {
  start_options options;
  options.request_id = "the same";
  const std::string id = client->start_new("Echo", 1, options).value();
  static_cast<void>(finished(id));
  BOOST_TEST(client->start_new("Echo", 1, options).value() == id);
  BOOST_TEST(client->get_status_all().value().size() == 1U);
}

// The ID is not truncated, because two truncated IDs could be equal and the
// second request would be ignored.
BOOST_FIXTURE_TEST_CASE(too_long_request_id_is_refused, node_fixture) {
  const std::string id = client->start_new("Approval").value();
  BOOST_TEST((client->raise_event(id, "Other", 1, std::string(257, 'k')).code()
              == errc::invalid_argument));
  client->raise_event(id, "Other", 1, std::string(256, 'k')).value();
}

BOOST_FIXTURE_TEST_CASE(same_request_id_on_two_operations_is_two_requests,
                        node_fixture) {
  const std::string id = client->start_new("Approval").value();
  client->suspend(id, "pause", "w").value();
  client->resume(id, "continue", "w").value();
  BOOST_TEST(
    (client->get_status(id).value()->status == runtime_status::running));
}

// A full buffer must not block an awaited event, else the instance could never
// continue.
BOOST_FIXTURE_TEST_CASE(awaited_event_is_accepted_although_the_buffer_is_full,
                        node_fixture) {
  const std::string id = client->start_new("Approval").value();
  std::atomic<int> raised{0};
  std::atomic<int> failed{0};
  std::promise<void> all;
  for (int i = 0; i < 10'000; ++i)
    client->raise_event_async(id, "unawaited", "1", {}, [&](result<void> done) {
      failed += done ? 0 : 1;
      if (++raised == 10'000)
        all.set_value();
    });
  all.get_future().wait();
  BOOST_TEST(failed == 0);
  BOOST_TEST(
    (client->raise_event(id, "unawaited", 1).code() == errc::limit_exceeded));
  client->raise_event(id, "Approval", 1).value();
  BOOST_TEST(finished(id).output == "1");
}

BOOST_FIXTURE_TEST_CASE(scheduled_start_runs_at_its_time, node_fixture) {
  const timestamp now = persistence::system_clock().now();
  start_options much_later;
  much_later.instance_id = "much-later";
  much_later.scheduled_at = now + never;
  client->start_new("Echo", 2, much_later).value();
  start_options options;
  options.instance_id = "later";
  options.scheduled_at = now + milliseconds(300);
  client->start_new("Echo", 1, options).value();
  const auto ended = finished("later");
  BOOST_TEST(ended.output == "1");
  BOOST_TEST((ended.last_updated_time >= options.scheduled_at));
  BOOST_TEST((client->get_status("much-later").value()->status
              == runtime_status::pending));
}

// Versions are compared by their numbers: 1.10 is newer than 1.9.
BOOST_FIXTURE_TEST_CASE(newest_version_is_the_default, node_fixture) {
  BOOST_TEST(output_of("Versioned") == "\"two\"");
  start_options options;
  options.version = "1.9";
  const std::string old
    = client->start_new("Versioned", nullptr, options).value();
  BOOST_TEST(finished(old).output == "\"one\"");
  options.version = "3";
  BOOST_TEST((client->start_new("Versioned", nullptr, options).code()
              == errc::unknown_orchestrator));
}

// Exceptions of any type, unknown activities, invalid values and exceeded
// limits fail the instance and never the node.
BOOST_FIXTURE_TEST_CASE(errors_of_user_code_become_the_output, node_fixture) {
  const auto failure_of = [&](std::string name, std::string input) {
    const auto ended
      = finished(client->start_json(name, std::move(input)).value());
    BOOST_TEST((ended.status == runtime_status::failed));
    return ended.output;
  };
  const auto expect_part
    = [&](const std::string& text, const std::string& part) {
        BOOST_TEST((text.find(part) != std::string::npos),
                   "\"" << part << "\" is not in: " << text);
      };
  expect_part(failure_of("ThrowsAnInt", "null"),
              "Orchestrator function 'ThrowsAnInt' failed: ");
  expect_part(failure_of("Call", "\"Odd\""),
              "Activity function 'Odd' failed: ");
  expect_part(failure_of("Call", "\"Big\""), "payload_bytes_max");
  expect_part(failure_of("Call", "\"Deep\""), "payload_depth_max");
  expect_part(failure_of("Call", "17"), "input");
  expect_part(failure_of("SetsLargeStatus", "17"), "custom_status_bytes_max");
  expect_part(failure_of("Fails", "null"), "kaboom");
  BOOST_TEST(output_of("Echo", "\"the node still runs\"")
             == "\"the node still runs\"");
}

// A wait whose time is over names the reason.
BOOST_FIXTURE_TEST_CASE(call_of_a_missing_activity_holds_the_instance,
                        node_fixture) {
  const std::string id = client->start_json("Call", "\"Nothing\"").value();
  const auto status = client->get_status(id).value();
  BOOST_TEST((status->status == runtime_status::running));
  BOOST_TEST((status->held.find("activity Nothing is not registered")
              != std::string::npos),
             status->held);
  const auto waited
    = client->wait_for_completion(id, std::chrono::milliseconds(1));
  BOOST_TEST((waited.code() == errc::timed_out));
  BOOST_TEST((waited.error().message.find("It is held: activity Nothing")
              != std::string::npos),
             waited.error().message);
  client->terminate(id, "enough").value();
}

BOOST_FIXTURE_TEST_CASE(activity_times_out, node_fixture) {
  BOOST_TEST(output_of("CallWithTimeOut") == "\"too late\"");
  // The node cannot stop while the activity is blocked.
  gates().activity_gate.open();
}

// The orchestrator does not return to the node until the test opens its gate.
BOOST_FIXTURE_TEST_CASE(blocked_turn_can_be_terminated, node_fixture) {
  start_options options;
  options.instance_id = "busy";
  options.until_running = false;
  client->start_new("BlocksInTurn", nullptr, options).value();
  BOOST_TEST(
    (client->get_status("busy").value()->status == runtime_status::pending));
  client->terminate("busy", "it never awaits").value();
  BOOST_TEST(finished("busy").output == "\"it never awaits\"");
  gates().turn_gate.open();
}

// The call times out because the first turn does not end, but the start is
// durable.
BOOST_FIXTURE_TEST_CASE(start_that_does_not_run_in_time_is_timed_out,
                        node_fixture) {
  start_options options;
  gate& turn = gates().turn_gate;
  turn.close(); // An earlier case has opened it.
  // Until the start is durable, its outcome is unknown. A busy machine may need
  // longer for that than the first time-out.
  errc code = errc::unknown_outcome;
  for (auto time_out = milliseconds(100);
       code == errc::unknown_outcome && time_out < patience; time_out *= 4) {
    options.instance_id = "slow" + std::to_string(time_out.count());
    options.time_out = time_out;
    code = client->start_new("BlocksInTurn", nullptr, options).code();
  }
  BOOST_TEST(to_string(code) == "timed_out");
  turn.open();
  BOOST_TEST(
    (finished(options.instance_id).status == runtime_status::completed));
}

BOOST_FIXTURE_TEST_CASE(unawaited_events_are_buffered, node_fixture) {
  const std::string id = client->start_new("TwoEvents").value();
  client->raise_event(id, "B", 2).value();
  client->raise_event(id, "unawaited", 0).value();
  const auto status = client->get_status(id).value();
  BOOST_TEST(status->unread_events.size() == 2U);
  client->raise_event(id, "A", 1).value();
  BOOST_TEST(finished(id).output == "[1,2]");
  BOOST_TEST(
    (client->raise_event("unknown", "A", 1).code() == errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(orchestrator_can_discard_unawaited_events,
                        node_fixture) {
  const std::string id = client->start_new("Discards").value();
  client->raise_event(id, "Second").value(); // discarded: not awaited yet
  client->raise_event(id, "First").value();
  client->raise_event(id, "First").value(); // discarded: not awaited any more
  BOOST_TEST((client->wait_for_completion(id, milliseconds(100)).code()
              == errc::timed_out));
  client->raise_event(id, "Second").value();
  BOOST_TEST((finished(id).status == runtime_status::completed));
}

BOOST_AUTO_TEST_CASE(compat_seed_hides_pending_instances_and_discards_events) {
  node_fixture seed([](node_config& config) { config.compat_seed = true; });
  start_options options;
  options.instance_id = "pending";
  options.scheduled_at = timestamp::max() - std::chrono::hours(24 * 365);
  seed.client->start_new("Approval", nullptr, options).value();
  BOOST_TEST(!seed.client->get_status("pending").value().has_value());
  const std::string id = seed.client->start_new("TwoEvents").value();
  seed.client->raise_event(id, "B", 2).value(); // discarded
  seed.client->raise_event(id, "A", 1).value();
  BOOST_TEST((seed.client->wait_for_completion(id, milliseconds(100)).code()
              == errc::timed_out));
}

BOOST_FIXTURE_TEST_CASE(suspended_instance_keeps_events_for_its_resume,
                        node_fixture) {
  const std::string id = client->start_new("Approval").value();
  client->suspend(id, "pause").value();
  client->suspend(id, "again").value();
  BOOST_TEST(
    (client->get_status(id).value()->status == runtime_status::suspended));
  client->raise_event(id, "Approval", 7).value();
  BOOST_TEST((client->wait_for_completion(id, milliseconds(50)).code()
              == errc::timed_out));
  client->resume(id).value();
  BOOST_TEST(finished(id).output == "7");
  BOOST_TEST((client->suspend(id).code() == errc::already_finished));
}

// FailsOnce succeeds at its second attempt.
BOOST_FIXTURE_TEST_CASE(only_failed_instances_can_be_rewound, node_fixture) {
  const std::string id = client->start_new("FailsOnce").value();
  BOOST_TEST((finished(id).status == runtime_status::failed));
  client->rewind(id, "fixed").value();
  BOOST_TEST(finished(id).output == R"(["Hello Tokyo!","recovered"])");
  BOOST_TEST((client->rewind(id).code() == errc::not_failed));
  BOOST_TEST((client->rewind("unknown").code() == errc::not_found));
  BOOST_TEST((client->rewind(id, std::string(1025, 'x')).code()
              == errc::invalid_argument));
}

BOOST_FIXTURE_TEST_CASE(restart_uses_the_same_input, node_fixture) {
  const std::string id = client->start_json("Echo", "[1, 2]").value();
  static_cast<void>(finished(id));
  const std::string other = client->restart(id).value();
  BOOST_TEST(other != id);
  BOOST_TEST(finished(other).output == "[1, 2]");
  BOOST_TEST(client->restart(id, false).value() == id);
  BOOST_TEST(finished(id).output == "[1, 2]");
  BOOST_TEST((client->restart("unknown").code() == errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(purge_removes_ended_instances_only, node_fixture) {
  const std::string live = client->start_new("Approval").value();
  BOOST_TEST((client->purge(live).code() == errc::not_finished));
  for (int i = 0; i < 5; ++i)
    static_cast<void>(output_of("Echo"));
  BOOST_TEST(client->purge_all({}).value() == 5U);
  BOOST_TEST(client->purge_all({}).value() == 0U);
  const auto left = client->get_status_all().value();
  BOOST_TEST_REQUIRE(left.size() == 1U);
  BOOST_TEST(left.front().instance_id == live);
  const auto counts = client->count_instances().value();
  BOOST_TEST(counts[static_cast<std::size_t>(runtime_status::running)] == 1U);
  BOOST_TEST((client->purge("unknown").code() == errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(queries_have_filters_and_pages, node_fixture) {
  for (int i = 0; i < 7; ++i) {
    start_options options;
    options.instance_id = "q-" + std::to_string(i);
    client->start_new(i % 2 == 0 ? "Echo" : "Approval", i, options).value();
  }
  for (int i = 0; i < 7; i += 2)
    static_cast<void>(finished("q-" + std::to_string(i)));
  instance_filter filter;
  filter.instance_id_prefix = "q-";
  filter.statuses = {runtime_status::running};
  BOOST_TEST(client->get_status_all(filter).value().size() == 3U);
  filter.statuses = {};
  filter.name = "Echo";
  BOOST_TEST(client->get_status_all(filter).value().size() == 4U);
  filter.name = {};
  filter.top = 2;
  std::size_t pages = 0;
  std::size_t seen = 0;
  std::string token;
  do {
    const auto page = client->list_instances(filter, token).value();
    seen += page.instances.size();
    ++pages;
    token = page.continuation_token;
  } while (!token.empty());
  BOOST_TEST(seen == 7U);
  BOOST_TEST(pages >= 4U);
  BOOST_TEST((client->list_instances(filter, "not a token").code()
              == errc::invalid_argument));
  filter.top = 1001;
  BOOST_TEST((client->list_instances(filter).code() == errc::invalid_argument));
}

BOOST_FIXTURE_TEST_CASE(wait_returns_the_status_or_the_management_urls,
                        node_fixture) {
  const std::string id = client->start_new("Approval").value();
  BOOST_TEST((client
                ->wait_for_completion_or_create_check_status(
                  id, milliseconds(100), milliseconds(200))
                .code()
              == errc::invalid_argument));
  const auto timed_out_wait = client
                                ->wait_for_completion_or_create_check_status(
                                  id, milliseconds(50), milliseconds(10))
                                .value();
  BOOST_TEST(!timed_out_wait.completed);
  BOOST_TEST(timed_out_wait.payload.id == id);
  std::jthread later([&] { client->raise_event(id, "Approval", 1).value(); });
  const auto done
    = client->wait_for_completion_or_create_check_status(id).value();
  BOOST_TEST(done.completed);
  BOOST_TEST(done.status.output == "1");
  BOOST_TEST((client->wait_for_completion("unknown", seconds(1)).code()
              == errc::not_found));
}

BOOST_AUTO_TEST_CASE(instances_are_purged_after_their_retention) {
  node_fixture short_memory([](node_config& config) {
    config.retention = milliseconds(1);
    config.retention_interval = milliseconds(20);
  });
  const std::string id = short_memory.client->start_new("Echo", 1).value();
  BOOST_TEST(eventually(
    [&] { return !short_memory.client->get_status(id).value().has_value(); }));
}

BOOST_AUTO_TEST_CASE(instances_survive_a_restart_of_the_node) {
  temp_directory directory;
  auto functions = std::make_shared<registry>();
  examples::add_samples(*functions);
  node_host_config config;
  config.http_enabled = false;
  config.node.data_dir = directory.path() / "hub";
  config.node.create_hub = true;
  std::string done;
  std::string waits;
  {
    auto host = node_host::start(config, functions).value();
    auto client = host->client();
    done = client.start_json("Echo", "[1]").value();
    static_cast<void>(client.wait_for_completion(done, patience).value());
    waits = client.start_new("Approval").value();
    static_cast<void>(host->stop());
  }
  auto host = node_host::start(config, functions).value();
  auto client = host->client();
  BOOST_TEST(client.get_status(done).value()->output == "[1]");
  client.raise_event(waits, "Approval", 2).value();
  BOOST_TEST(client.wait_for_completion(waits, patience).value().output == "2");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
