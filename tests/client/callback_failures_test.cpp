// SPDX-License-Identifier: Apache-2.0
// Exceptions of the program's own code: callbacks, executors, observers and
// predicates. Each is counted, and everything else goes on.
#include "persistence/process/process_counters.hpp"
#include "tests/client/cluster_fixture.hpp"
#include "tests/client/http_fixture.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/patience.hpp"
#include <perdura/actors/authoring/activity_context.hpp>
#include <perdura/actors/authoring/orchestration_context.hpp>
#include <perdura/actors/authoring/task.hpp>
#include <perdura/client/api/orchestration_client.hpp>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>

namespace perdura::tests {

namespace {

using client::orchestration_client;
using client::orchestration_status;
using client::start_options;
using persistence::result;

/// The number of exceptions since the object was created.
class counted_failures {
public:
  std::uint64_t now() const {
    return persistence::counters_of_process().callback_failures - before_;
  }

  bool eventually_are(std::uint64_t expected) const {
    return eventually([&] { return now() == expected; });
  }

private:
  std::uint64_t before_ = persistence::counters_of_process().callback_failures;
};

/// Calls every function with a callback; each callback throws.
void call_all(orchestration_client client, const std::string& id) {
  start_options options;
  options.instance_id = id;
  client.start_json("Approval", "null", options).value();
  options.instance_id = id + "-2";
  client.start_async(
    "Approval", "null", options,
    [](const result<std::string>&) { throw std::runtime_error("kaboom"); });
  client.get_status_async(id, {},
                          [](const result<orchestration_status>&) { throw 7; });
  client.raise_event_async(id, "Nothing", "1", "",
                           [](const result<void>&) { throw std::string(); });
  client.control_async(orchestration_client::operation::suspend, id, "", false,
                       "", [](const result<void>&) { throw std::exception(); });
  client.wait_async(
    id, [](const result<orchestration_status>&) { throw std::bad_alloc(); });
}

constexpr std::uint64_t calls = 5;

actors::task<int> retried_with(actors::orchestration_context& ctx, int) {
  actors::retry_options policy;
  policy.attempts_max = 3;
  policy.handle = [](const actors::task_failed&) -> bool {
    throw std::runtime_error("kaboom");
  };
  actors::activity_options options;
  options.retry = policy;
  try {
    co_await ctx.call_activity<int>("Refuses", 0, options);
  } catch (const actors::task_failed&) {
    co_return 1;
  }
  co_return 0;
}

int refuses(int) {
  throw std::runtime_error("no");
}

} // namespace

BOOST_AUTO_TEST_SUITE(callback_failures)

BOOST_AUTO_TEST_CASE(node_goes_on_after_exceptions_of_callbacks) {
  http_fixture node;
  const counted_failures failures;
  call_all(node.host->client(), "order");
  BOOST_TEST(failures.eventually_are(calls - 1)); // the wait goes on
  BOOST_TEST(node.request("GET", "/instances/order").status == 202);
  BOOST_TEST(node.request("POST", "/instances/order/terminate?reason=x").status
             == 202);
  BOOST_TEST(failures.eventually_are(calls));
  node.start("HelloSequence", "next");
  BOOST_TEST(node.ended("next").at("runtimeStatus") == "Completed");
  const std::string metrics = node.request_at_root("GET", "/metrics").body;
  BOOST_TEST(contains(metrics, "perdura_callback_failures_total"));
}

// A gateway client was dead after one exception of a callback.
BOOST_AUTO_TEST_CASE(gateway_client_goes_on_after_exceptions_of_callbacks) {
  cluster_fixture cluster({.nodes = 2});
  const auto link = cluster.connect();
  const counted_failures failures;
  for (std::size_t i = 0; i < 2; ++i)
    call_all(link->client(), cluster.id_on(i, "order"));
  BOOST_TEST(failures.eventually_are(2 * (calls - 1)));
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(
      link->client().get_status(cluster.id_on(i, "order")).value().has_value());
  link->close(); // answers the waits
  BOOST_TEST(failures.eventually_are(2 * calls));
}

// The argument is refused before a request is made, so the callback runs on the
// thread of the caller.
BOOST_AUTO_TEST_CASE(exception_never_reaches_the_calling_thread) {
  http_fixture node;
  auto client = node.host->client();
  const counted_failures failures;
  start_options bad;
  bad.instance_id = "a/b";
  BOOST_CHECK_NO_THROW(
    client.start_async("Approval", "", bad, [](const result<std::string>&) {
      throw std::runtime_error("kaboom");
    }));
  BOOST_CHECK_NO_THROW(client.raise_event_async(
    "order", "", "1", "", [](const result<void>&) { throw 7; }));
  BOOST_CHECK_NO_THROW(client.get_status_async(
    "order", {}, [](const result<orchestration_status>&) { throw 7; }));
  BOOST_TEST(failures.eventually_are(3));
  node.host->stop();
  BOOST_CHECK_NO_THROW(client.get_status_async(
    "order", {}, [](const result<orchestration_status>&) { throw 7; }));
  BOOST_TEST(failures.eventually_are(4));
}

BOOST_AUTO_TEST_CASE(exception_of_an_executor_is_counted) {
  http_fixture node;
  node.start("Approval", "order");
  const counted_failures failures;
  const client::async_client core
    = node.host->client().async().on([](const std::function<void()>&) {
        throw std::runtime_error("no thread");
      });
  core.get_status("order", {}, [](const result<orchestration_status>&) {});
  core.start("", "", {}, [](const result<client::started_instance>&) {});
  BOOST_TEST(failures.eventually_are(2));
  // A callback that throws on a thread of its own executor.
  std::promise<void> ran;
  const client::async_client elsewhere = node.host->client().async().on(
    [](std::function<void()> work) { std::thread(std::move(work)).detach(); });
  elsewhere.get_status("order", {}, [&](const result<orchestration_status>&) {
    ran.set_value();
    throw std::runtime_error("kaboom");
  });
  ran.get_future().get();
  BOOST_TEST(failures.eventually_are(3));
}

// Regression: the activity never ended, and `stop` waited for it.
BOOST_AUTO_TEST_CASE(activity_runs_although_its_observer_throws) {
  std::atomic<int> observed{0};
  http_fixture node({}, [&](client::node_host_config& config) {
    config.observe_activity = [&](const actors::activity_context&) {
      if (observed++ % 2 == 0)
        throw std::runtime_error("kaboom");
      throw 7;
    };
  });
  const counted_failures failures;
  node.start("HelloSequence", "order");
  BOOST_TEST(node.ended("order").at("runtimeStatus") == "Completed");
  BOOST_TEST(observed == 3);
  BOOST_TEST(failures.now() == 3U);
  BOOST_TEST(node.host->stop().empty());
}

BOOST_AUTO_TEST_CASE(failing_retry_predicate_refuses_the_retry) {
  http_fixture node([](actors::registry& functions) {
    functions.add_orchestrator("RetriedWith", retried_with)
      .add_activity("Refuses", refuses);
  });
  const counted_failures failures;
  node.start("RetriedWith", "order", "0");
  BOOST_TEST(node.ended("order").at("output") == 1);
  BOOST_TEST(failures.now() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
