// SPDX-License-Identifier: Apache-2.0
// A stop of a node: activities that end within `stop_patience` are not run
// again, those that do not are cancelled (finding R18).
#include "actors/interface/management.hpp"
#include "cluster/node/node.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/actors/authoring/activity_context.hpp>
#include <perdura/actors/authoring/orchestration_context.hpp>
#include <perdura/actors/authoring/registry.hpp>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <latch>

namespace perdura::tests {

using namespace persistence;

using namespace std::chrono_literals;

namespace {

actors::task<std::string> work_twice(actors::orchestration_context& ctx) {
  const auto first = co_await ctx.call_activity<std::string>("Work", "a");
  co_return first + co_await ctx.call_activity<std::string>("Work", "b");
}

/// A data directory on which one node after the other runs.
struct stopped_node {
  stopped_node() {
    functions->add_orchestrator("Twice", work_twice);
  }

  void begin(duration patience) {
    cluster::node_config config;
    config.data_dir = directory.path() / "hub";
    config.create_hub = true;
    config.partition_count = 4;
    config.stop_patience = patience;
    node = cluster::node::open(config, functions).value();
    BOOST_TEST_REQUIRE(static_cast<bool>(node->begin()));
  }

  actors::management_answer ask(actors::management_request request) const {
    std::promise<actors::management_answer> answered;
    node->gateway()->submit(std::move(request), [&](auto answer) {
      answered.set_value(std::move(answer));
    });
    return answered.get_future().get();
  }

  void start(const std::string& id) const {
    actors::start_instance request;
    request.id = id;
    request.name = "Twice";
    BOOST_TEST((ask(std::move(request)).code == errc::ok));
  }

  /// The output when the instance has ended.
  std::string output_of(const std::string& id) const {
    const auto answer = ask(actors::wait_instance{id});
    return answer.status ? answer.status->row.output : answer.message;
  }

  /// Ends the node and begins another one on its directory.
  void begin_again() {
    node.reset();
    begin(patience);
  }

  /// Starts an instance and begins a stop while its first activity runs, which
  /// counts `runs` down and waits for `release`.
  void stop_beside_an_activity(std::latch& runs, std::latch& release) {
    begin(patience);
    start("i");
    runs.wait();
    begin_stop();
    release.count_down();
    BOOST_TEST(stop.get().empty());
  }

  /// Stops the node on another thread and waits until the stop has begun.
  void begin_stop() {
    stop = std::async(std::launch::async, [this] { return node->stop(); });
    BOOST_TEST_REQUIRE(eventually([this] { return !node->is_ready(); }));
  }

  temp_directory directory;
  std::shared_ptr<actors::registry> functions
    = std::make_shared<actors::registry>();
  std::unique_ptr<cluster::node> node;
  std::future<std::vector<std::string>> stop;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(node_stop, stopped_node)

BOOST_AUTO_TEST_CASE(result_within_the_patience_is_durable) {
  std::latch runs(1);
  std::latch release(1);
  std::atomic<int> runs_of_a{0};
  std::atomic<bool> was_cancelled{false};
  functions->add_activity(
    "Work", [&](actors::activity_context& ctx, const std::string& text) {
      if (text == "a") {
        ++runs_of_a;
        runs.count_down();
        release.wait();
        was_cancelled = ctx.cancellation_requested();
      }
      return text;
    });
  stop_beside_an_activity(runs, release);
  BOOST_TEST(!was_cancelled);
  begin_again();
  BOOST_TEST(output_of("i") == "\"ab\"");
  BOOST_TEST(runs_of_a == 1);
}

// Many results come at the end of the patience, each for another instance.
BOOST_AUTO_TEST_CASE(results_of_many_activities_are_durable) {
  constexpr int count = 40;
  std::latch runs(count);
  std::latch release(1);
  std::atomic<int> runs_of_a{0};
  functions->add_activity("Work", [&](const std::string& text) {
    if (text == "a") {
      ++runs_of_a;
      if (!runs.try_wait())
        runs.count_down();
      release.wait();
    }
    return text;
  });
  begin(patience);
  for (int i = 0; i < count; ++i)
    start("i" + std::to_string(i));
  runs.wait();
  begin_stop();
  release.count_down();
  BOOST_TEST(stop.get().empty());
  begin_again();
  for (int i = 0; i < count; ++i)
    BOOST_TEST(output_of("i" + std::to_string(i)) == "\"ab\"");
  BOOST_TEST(runs_of_a == count);
}

// Its failure by "shutting down" would become durable.
BOOST_AUTO_TEST_CASE(activity_uses_the_gateway_while_the_node_stops) {
  std::latch runs(1);
  std::latch release(1);
  functions->add_activity("Work", [&](const std::string& text) {
    if (text == "a") {
      runs.count_down();
      release.wait();
      if (ask(actors::get_status{"i"}).code != errc::ok)
        throw std::runtime_error("the gateway does not answer");
    }
    return text;
  });
  stop_beside_an_activity(runs, release);
  begin_again();
  BOOST_TEST(output_of("i") == "\"ab\"");
}

// The activity ends because of its cancellation; its result is not durable,
// because it may be half of one.
BOOST_AUTO_TEST_CASE(activity_is_cancelled_when_the_patience_has_passed) {
  std::latch runs(1);
  std::atomic<int> runs_of_a{0};
  functions->add_activity(
    "Work", [&](actors::activity_context& ctx, const std::string& text) {
      if (text == "a" && ++runs_of_a == 1) {
        runs.count_down();
        if (!eventually([&] { return ctx.cancellation_requested(); }))
          throw std::runtime_error("not cancelled");
        return std::string("half");
      }
      return text;
    });
  begin(20ms);
  start("i");
  runs.wait();
  BOOST_TEST(node->stop().empty());
  begin_again();
  BOOST_TEST(output_of("i") == "\"ab\"");
  BOOST_TEST(runs_of_a == 2);
}

// No activity begins after the stop has begun.
BOOST_AUTO_TEST_CASE(queued_activities_run_after_the_next_start) {
  std::latch runs(1);
  std::latch release(1);
  std::atomic<int> runs_of_b{0};
  std::atomic<bool> stops{true};
  std::atomic<bool> began_late{false};
  functions->add_activity("Work", [&](const std::string& text) {
    if (text == "a") {
      runs.count_down();
      release.wait();
    } else {
      ++runs_of_b;
      began_late = began_late || stops.load();
    }
    return text;
  });
  stop_beside_an_activity(runs, release);
  BOOST_TEST(!began_late);
  stops = false;
  begin_again();
  BOOST_TEST(output_of("i") == "\"ab\"");
  BOOST_TEST(runs_of_b == 1);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
