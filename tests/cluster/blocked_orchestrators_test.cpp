// SPDX-License-Identifier: Apache-2.0
// Orchestrators that never await occupy all threads for turns. The node still
// answers requests, and names them.
#include "actors/interface/management.hpp"
#include "cluster/node/node.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/actors/authoring/orchestration_context.hpp>
#include <perdura/actors/authoring/registry.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>

namespace perdura::tests {

using namespace persistence;

namespace {

/// Blocks the turns of the orchestrator "Spins". Never destroyed, because the
/// code may still run when the test has ended.
struct turn_block {
  std::atomic<int> blocked{0};
  std::atomic<bool> released{false};

  void wait() {
    ++blocked;
    blocked.notify_all();
    released.wait(false);
    --blocked;
    blocked.notify_all();
  }

  void await_blocked(int count) {
    for (int now = blocked; now < count; now = blocked)
      blocked.wait(now);
  }

  void release() {
    released = true;
    released.notify_all();
    for (int now = blocked; now > 0; now = blocked)
      blocked.wait(now);
  }
};

/// The one of the case that runs.
turn_block* current_block = nullptr;

struct blocked_node {
  static constexpr std::size_t threads = 2;

  blocked_node() {
    current_block = &block;
    functions->add_orchestrator(
      "Spins", [](actors::orchestration_context&) -> actors::task<> {
        current_block->wait();
        co_return;
      });
    functions->add_orchestrator(
      "Waits", [](actors::orchestration_context& ctx) -> actors::task<> {
        co_await ctx.wait_for_external_event<int>("Go");
      });
  }

  std::unique_ptr<cluster::node> open() const {
    cluster::node_config config;
    config.data_dir = directory.path() / "hub";
    config.create_hub = true;
    config.partition_count = 4;
    config.scheduler_threads = threads;
    config.stop_patience = std::chrono::milliseconds(20);
    auto opened = cluster::node::open(config, functions).value();
    opened->begin().value();
    return opened;
  }

  static actors::management_answer ask(const cluster::node& node,
                                       actors::management_request request) {
    std::promise<actors::management_answer> answered;
    auto future = answered.get_future();
    node.gateway()->submit(std::move(request), [&](auto answer) {
      answered.set_value(std::move(answer));
    });
    if (future.wait_for(patience) != std::future_status::ready)
      throw std::runtime_error("no answer");
    return future.get();
  }

  static errc start(const cluster::node& node, const std::string& id,
                    const std::string& name) {
    actors::start_instance start;
    start.id = id;
    start.name = name;
    return ask(node, std::move(start)).code;
  }

  static runtime_status status_of(const cluster::node& node,
                                  const std::string& id) {
    return ask(node, actors::get_status{id}).status->row.record.status;
  }

  /// The number of stuck instances whose reason contains the text.
  static std::size_t count_stuck(const cluster::node& node,
                                 const std::string& text) {
    const auto all = node.gateway()->stuck();
    return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [&](const auto& each) {
        return each.second.find(text) != std::string::npos;
      }));
  }

  temp_directory directory;
  turn_block& block = *new turn_block();
  std::shared_ptr<actors::registry> functions
    = std::make_shared<actors::registry>();
};

} // namespace

BOOST_AUTO_TEST_SUITE(blocked_orchestrators)

// Regression: with as many such orchestrators as threads, no request was
// answered any more.
BOOST_FIXTURE_TEST_CASE(requests_are_answered_and_terminate_is_durable,
                        blocked_node) {
  auto node = open();
  for (std::size_t i = 0; i < 2 * threads; ++i)
    BOOST_TEST(
      (start(*node, "spin-" + std::to_string(i), "Spins") == errc::ok));
  block.await_blocked(static_cast<int>(threads));
  // Starts, events, queries and terminates on all partitions.
  for (int i = 0; i < 12; ++i) {
    const std::string id = "wait-" + std::to_string(i);
    BOOST_TEST((start(*node, id, "Waits") == errc::ok));
    BOOST_TEST(
      (ask(*node, actors::raise_event{id, "Go", "1"}).code == errc::ok));
  }
  BOOST_TEST((node->gateway()->count(false, patience).code() == errc::ok));
  const cluster::node_statistics now = node->statistics();
  BOOST_TEST(now.turns_running == threads);
  BOOST_TEST(now.turns_waiting > 0U);
  for (std::size_t i = 0; i < 2 * threads; ++i) {
    const std::string id = "spin-" + std::to_string(i);
    BOOST_TEST(
      (ask(*node, actors::terminate_instance{id, "enough"}).code == errc::ok));
    BOOST_TEST((status_of(*node, id) == runtime_status::terminated));
  }
  // The outcomes of the terminated turns are discarded; all others run.
  block.release();
  for (int i = 0; i < 12; ++i)
    BOOST_TEST((ask(*node, actors::wait_instance{"wait-" + std::to_string(i)})
                  .status->row.record.status
                == runtime_status::completed));
  for (std::size_t i = 0; i < 2 * threads; ++i)
    BOOST_TEST((status_of(*node, "spin-" + std::to_string(i))
                == runtime_status::terminated));
}

// A terminated instance has ended, but its code still occupies a thread.
BOOST_FIXTURE_TEST_CASE(turns_that_do_not_return_are_named, blocked_node) {
  auto node = open();
  for (std::size_t i = 0; i < 3 * threads; ++i)
    start(*node, "spin-" + std::to_string(i), "Spins");
  block.await_blocked(static_cast<int>(threads));
  BOOST_TEST(eventually(
    [&] { return count_stuck(*node, "occupies a thread") == threads; }));
  for (std::size_t i = 0; i < 3 * threads; ++i)
    BOOST_TEST(
      (ask(*node,
           actors::terminate_instance{"spin-" + std::to_string(i), "enough"})
         .code
       == errc::ok));
  BOOST_TEST(count_stuck(*node, "occupies a thread") == threads);
  block.release();
  BOOST_TEST(
    eventually([&] { return count_stuck(*node, "occupies a thread") == 0; }));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
