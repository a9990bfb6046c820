#include "client/examples/samples.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/perdura.hpp>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

// The management API against a whole node, as a service would use it.

namespace perdura::tests {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr seconds patience{20};

/// Opened by the test, awaited by user code.
class gate {
public:
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return open_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

struct world {
  gate activity_gate;
  gate turn_gate;
  gate activity_entered;
};

world& the_world() {
  static world one;
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

task<std::string> swells(orchestration_context& ctx, int kib) {
  ctx.set_custom_status(std::string(static_cast<std::size_t>(kib) * 1024, 'x'));
  co_return "ok";
}

task<std::string> throws_something_odd(orchestration_context&) {
  throw 42;
  co_return "never";
}

task<> blocks_in_its_turn(orchestration_context&) {
  the_world().turn_gate.wait();
  co_return;
}

task<std::string> versioned_one(orchestration_context&) {
  co_return "one";
}

task<std::string> versioned_two(orchestration_context&) {
  co_return "two";
}

task<> discards(orchestration_context& ctx) {
  co_await ctx.wait_for_external_event("First");
  co_await ctx.wait_for_external_event("Second");
}

struct served {
  temp_directory directory;
  std::unique_ptr<node_host> host;
  std::optional<orchestration_client> client;

  served() : served([](node_config&) {}) {}

  template <class Change>
  explicit served(Change change) {
    auto functions = std::make_shared<registry>();
    examples::add_samples(*functions);
    functions->add_orchestrator("Call", call)
      .add_orchestrator("CallWithTimeOut", call_with_time_out)
      .add_orchestrator("Swells", swells)
      .add_orchestrator("ThrowsOdd", throws_something_odd)
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
        the_world().activity_entered.open();
        the_world().activity_gate.wait();
        return std::string("late");
      });
    node_host_config config;
    config.http = false;
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

BOOST_AUTO_TEST_SUITE(orchestration_client_against_a_node)

BOOST_FIXTURE_TEST_CASE(payloads_come_back_to_the_byte, served) {
  const std::string odd
    = R"({"z":1,"a":123456789012345678901234567890,"d":"2018-02-28T05:18:49Z", "e":1e400})";
  const std::string id = client->start_json("Echo", odd).value();
  BOOST_TEST(finished(id).output == odd);
  BOOST_TEST(client->get_status(id).value()->input == odd);
}

BOOST_FIXTURE_TEST_CASE(bad_starts_have_errors_of_their_own, served) {
  const auto code_of
    = [&](std::string name, std::string input, std::string id) {
        start_options options;
        options.instance_id = std::move(id);
        return client->start_json(name, std::move(input), options).code();
      };
  BOOST_TEST((code_of("Nobody", "null", "x") == errc::unknown_orchestrator));
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

BOOST_FIXTURE_TEST_CASE(a_payload_may_have_a_mebibyte_and_no_more, served) {
  const std::string most = "\"" + std::string((1 << 20) - 2, 'x') + "\"";
  BOOST_TEST((output_of("Echo", most) == most));
}

BOOST_FIXTURE_TEST_CASE(a_live_id_is_refused_a_finished_one_replaced, served) {
  start_options options;
  options.instance_id = "order-17";
  client->start_new("Approval", nullptr, options).value();
  BOOST_TEST((client->start_new("Approval", nullptr, options).code()
              == errc::already_exists));
  options.get_or_start = true;
  BOOST_TEST(client->start_new("Approval", nullptr, options).value()
             == "order-17");
  client->raise_event("order-17", "approval", 1).value(); // any case
  const auto first = finished("order-17");
  options.get_or_start = false;
  client->start_new("Echo", 2, options).value();
  const auto second = finished("order-17");
  BOOST_TEST(second.output == "2");
  BOOST_TEST(second.execution_id != first.execution_id);
}

BOOST_FIXTURE_TEST_CASE(a_repeated_request_gets_the_first_answer, served) {
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

BOOST_FIXTURE_TEST_CASE(a_repeated_start_without_an_id_finds_the_first,
                        served) {
  start_options options;
  options.request_id = "the same";
  const std::string id = client->start_new("Echo", 1, options).value();
  static_cast<void>(finished(id));
  BOOST_TEST(client->start_new("Echo", 1, options).value() == id);
  BOOST_TEST(client->get_status_all().value().size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_request_id_is_never_cut, served) {
  const std::string id = client->start_new("Approval").value();
  BOOST_TEST((client->raise_event(id, "Other", 1, std::string(257, 'k')).code()
              == errc::invalid_argument));
  client->raise_event(id, "Other", 1, std::string(256, 'k')).value();
}

BOOST_FIXTURE_TEST_CASE(one_request_id_for_two_operations_is_two_requests,
                        served) {
  const std::string id = client->start_new("Approval").value();
  client->suspend(id, "pause", "w").value();
  client->resume(id, "go on", "w").value();
  BOOST_TEST(
    (client->get_status(id).value()->status == runtime_status::running));
}

BOOST_FIXTURE_TEST_CASE(an_awaited_event_gets_through_a_full_buffer, served) {
  const std::string id = client->start_new("Approval").value();
  std::atomic<int> raised{0};
  gate all;
  for (int i = 0; i < 10'000; ++i)
    client->raise_event_async(id, "nobody", "1", {}, [&](result<void> done) {
      if (done && ++raised == 10'000)
        all.open();
    });
  BOOST_TEST(all.wait());
  BOOST_TEST(
    (client->raise_event(id, "nobody", 1).code() == errc::limit_exceeded));
  client->raise_event(id, "Approval", 1).value();
  BOOST_TEST(finished(id).output == "1");
}

BOOST_FIXTURE_TEST_CASE(a_start_may_be_for_later, served) {
  start_options options;
  options.instance_id = "later";
  options.scheduled_at
    = timestamp(std::chrono::duration_cast<persistence::duration>(
        std::chrono::system_clock::now().time_since_epoch()))
      + milliseconds(300);
  client->start_new("Echo", 1, options).value();
  BOOST_TEST(
    (client->get_status("later").value()->status == runtime_status::pending));
  const auto ended = finished("later");
  BOOST_TEST(ended.output == "1");
  BOOST_TEST((ended.last_updated_time >= options.scheduled_at));
}

BOOST_FIXTURE_TEST_CASE(versions_are_kept_and_the_newest_is_the_default,
                        served) {
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

BOOST_FIXTURE_TEST_CASE(what_user_code_does_wrong_becomes_the_output, served) {
  const auto failure_of = [&](std::string name, std::string input) {
    const auto ended
      = finished(client->start_json(name, std::move(input)).value());
    BOOST_TEST((ended.status == runtime_status::failed));
    return ended.output;
  };
  const auto says = [&](const std::string& text, const std::string& part) {
    BOOST_TEST((text.find(part) != std::string::npos),
               "\"" << part << "\" is not in: " << text);
  };
  says(failure_of("ThrowsOdd", "null"),
       "Orchestrator function 'ThrowsOdd' failed: ");
  says(failure_of("Call", "\"Odd\""), "Activity function 'Odd' failed: ");
  says(failure_of("Call", "\"Nothing\""), "Nothing");
  says(failure_of("Call", "\"Big\""), "payload_bytes_max");
  says(failure_of("Call", "\"Deep\""), "payload_depth_max");
  says(failure_of("Call", "17"), "input");
  says(failure_of("Swells", "17"), "custom_status_bytes_max");
  says(failure_of("Fails", "null"), "kaboom");
  BOOST_TEST(output_of("Echo", "\"the node lives on\"")
             == "\"the node lives on\"");
}

BOOST_FIXTURE_TEST_CASE(an_activity_is_given_up_when_its_time_is_out, served) {
  BOOST_TEST(output_of("CallWithTimeOut") == "\"too late\"");
  the_world().activity_gate.open(); // or the node would wait for it
}

BOOST_FIXTURE_TEST_CASE(a_turn_that_does_not_come_back_can_be_terminated,
                        served) {
  start_options options;
  options.instance_id = "busy";
  options.until_running = false;
  client->start_new("BlocksInTurn", nullptr, options).value();
  BOOST_TEST(
    (client->get_status("busy").value()->status == runtime_status::pending));
  client->terminate("busy", "it never awaits").value();
  BOOST_TEST(finished("busy").output == "\"it never awaits\"");
  the_world().turn_gate.open();
}

BOOST_FIXTURE_TEST_CASE(a_start_that_does_not_run_in_time_says_so, served) {
  start_options options;
  options.instance_id = "slow";
  options.time_out = milliseconds(100);
  gate& turn = the_world().turn_gate;
  const auto started = client->start_new("BlocksInTurn", nullptr, options);
  BOOST_TEST((started.code() == errc::timed_out || started));
  turn.open();
}

BOOST_FIXTURE_TEST_CASE(events_wait_for_those_who_wait_for_them, served) {
  const std::string id = client->start_new("TwoEvents").value();
  client->raise_event(id, "B", 2).value();
  client->raise_event(id, "nobody asked", 0).value();
  const auto status = client->get_status(id).value();
  BOOST_TEST(status->unread_events.size() == 2U);
  client->raise_event(id, "A", 1).value();
  BOOST_TEST(finished(id).output == "[1,2]");
  BOOST_TEST((client->raise_event("nobody", "A", 1).code() == errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(an_orchestrator_may_want_unexpected_events_discarded,
                        served) {
  const std::string id = client->start_new("Discards").value();
  client->raise_event(id, "Second").value(); // nobody waits for it yet
  client->raise_event(id, "First").value();
  client->raise_event(id, "First").value(); // nobody waits for it any more
  BOOST_TEST((client->wait_for_completion(id, milliseconds(100)).code()
              == errc::timed_out));
  client->raise_event(id, "Second").value();
  BOOST_TEST((finished(id).status == runtime_status::completed));
}

BOOST_AUTO_TEST_CASE(the_seeds_letter_can_be_had) {
  served seed([](node_config& config) { config.compat_seed = true; });
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

BOOST_FIXTURE_TEST_CASE(suspended_instances_keep_what_comes, served) {
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

BOOST_FIXTURE_TEST_CASE(only_what_failed_can_be_rewound, served) {
  const std::string id = client->start_new("FailsOnce").value();
  BOOST_TEST((finished(id).status == runtime_status::failed));
  client->rewind(id, "mended").value();
  BOOST_TEST(finished(id).output == R"(["Hello Tokyo!","recovered"])");
  BOOST_TEST((client->rewind(id).code() == errc::not_failed));
  BOOST_TEST((client->rewind("nobody").code() == errc::not_found));
  BOOST_TEST((client->rewind(id, std::string(1025, 'x')).code()
              == errc::invalid_argument));
}

BOOST_FIXTURE_TEST_CASE(restart_runs_the_same_input_again, served) {
  const std::string id = client->start_json("Echo", "[1, 2]").value();
  static_cast<void>(finished(id));
  const std::string other = client->restart(id).value();
  BOOST_TEST(other != id);
  BOOST_TEST(finished(other).output == "[1, 2]");
  BOOST_TEST(client->restart(id, false).value() == id);
  BOOST_TEST(finished(id).output == "[1, 2]");
  BOOST_TEST((client->restart("nobody").code() == errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(purge_takes_what_has_ended, served) {
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
  BOOST_TEST((client->purge("nobody").code() == errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(queries_filter_page_and_stop, served) {
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
  BOOST_TEST((client->list_instances(filter, "no token of ours").code()
              == errc::invalid_argument));
  filter.top = 1001;
  BOOST_TEST((client->list_instances(filter).code() == errc::invalid_argument));
}

BOOST_FIXTURE_TEST_CASE(waits_are_woken_or_say_where_to_ask, served) {
  const std::string id = client->start_new("Approval").value();
  BOOST_TEST((client
                ->wait_for_completion_or_create_check_status(
                  id, milliseconds(100), milliseconds(200))
                .code()
              == errc::invalid_argument));
  const auto not_yet = client
                         ->wait_for_completion_or_create_check_status(
                           id, milliseconds(50), milliseconds(10))
                         .value();
  BOOST_TEST(!not_yet.completed);
  BOOST_TEST(not_yet.payload.id == id);
  std::jthread later([&] { client->raise_event(id, "Approval", 1).value(); });
  const auto done
    = client->wait_for_completion_or_create_check_status(id).value();
  BOOST_TEST(done.completed);
  BOOST_TEST(done.status.output == "1");
  BOOST_TEST((client->wait_for_completion("nobody", seconds(1)).code()
              == errc::not_found));
}

BOOST_AUTO_TEST_CASE(what_ended_long_ago_is_purged) {
  served short_memory([](node_config& config) {
    config.retention = milliseconds(1);
    config.retention_interval = milliseconds(20);
  });
  const std::string id = short_memory.client->start_new("Echo", 1).value();
  const auto until = std::chrono::steady_clock::now() + patience;
  bool gone = false;
  while (!gone && std::chrono::steady_clock::now() < until)
    gone = !short_memory.client->get_status(id).value().has_value();
  BOOST_TEST(gone);
}

BOOST_AUTO_TEST_CASE(everything_is_there_after_a_restart) {
  temp_directory directory;
  auto functions = std::make_shared<registry>();
  examples::add_samples(*functions);
  node_host_config config;
  config.http = false;
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
