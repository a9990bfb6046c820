// SPDX-License-Identifier: Apache-2.0
// Sub-orchestrations that start each other without end reach a limit.
#include "actors/partition/partition_config.hpp"
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;

namespace {

constexpr std::size_t depth_max = 64;

task<int> deep(orchestration_context& ctx) {
  co_await ctx.call_sub_orchestration<int>("Deep");
  co_return 1;
}

task<int> ping(orchestration_context& ctx) {
  co_await ctx.call_sub_orchestration<int>("Pong");
  co_return 1;
}

task<int> pong(orchestration_context& ctx) {
  co_await ctx.call_sub_orchestration<int>("Ping");
  co_return 1;
}

/// Does not wait for its child.
task<int> chain(orchestration_context& ctx) {
  const auto next = ctx.call_sub_orchestration<int>("Chain");
  static_cast<void>(next);
  co_return 1;
}

/// Starts its child in the second execution.
task<int> again(orchestration_context& ctx, bool second) {
  if (!second)
    ctx.continue_as_new(true);
  else
    co_await ctx.call_sub_orchestration<int>("Again", false);
  co_return 1;
}

/// Handles the failure of its child.
task<std::string> catches(orchestration_context& ctx) {
  std::string text = "done";
  try {
    text = co_await ctx.call_sub_orchestration<std::string>("Catches");
  } catch (const actors::task_failed& failure) {
    text = failure.what();
  }
  co_return text;
}

struct depth_fixture : two_partitions {
  depth_fixture() {
    auto functions = std::make_shared<registry>();
    functions->add_orchestrator("Deep", deep)
      .add_orchestrator("Ping", ping)
      .add_orchestrator("Pong", pong)
      .add_orchestrator("Chain", chain)
      .add_orchestrator("Again", again)
      .add_orchestrator("Catches", catches);
    node.set_functions(functions);
    node.crash_and_recover();
  }

  void start(const std::string& name, const std::string& input = "null") {
    node.submit(start_request("root", name, input));
  }

  /// Runs the tree until nothing is left to do; false if it grows beyond twice
  /// the limit.
  bool ends() {
    for (;;) {
      for (int i = 0; i < 100; ++i)
        if (!node.step())
          return true;
      if (node.rows().size() > 2 * depth_max)
        return false;
    }
  }

  std::size_t instances() {
    return node.rows().size();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(child_depth, depth_fixture)

BOOST_AUTO_TEST_CASE(child_that_starts_itself_reaches_the_limit) {
  start("Deep");
  BOOST_REQUIRE(ends());
  BOOST_TEST(instances() == depth_max + 1);
  BOOST_TEST((status_of("root") == runtime_status::failed));
  BOOST_TEST(output_of("root").find("child_depth_max") != std::string::npos,
             output_of("root"));
}

BOOST_AUTO_TEST_CASE(two_names_that_start_each_other_reach_the_limit) {
  start("Ping");
  BOOST_REQUIRE(ends());
  BOOST_TEST(instances() == depth_max + 1);
}

BOOST_AUTO_TEST_CASE(children_that_are_not_awaited_reach_the_limit) {
  start("Chain");
  BOOST_REQUIRE(ends());
  BOOST_TEST(instances() == depth_max + 1);
  BOOST_TEST((status_of("root") == runtime_status::completed));
}

BOOST_AUTO_TEST_CASE(depth_survives_continue_as_new) {
  start("Again", "false");
  BOOST_REQUIRE(ends());
  BOOST_TEST(instances() == depth_max + 1);
}

BOOST_AUTO_TEST_CASE(depth_survives_crashes) {
  start("Deep");
  for (int i = 0; i < 20; ++i) {
    for (int step = 0; step < 37; ++step)
      node.step();
    node.crash_and_recover();
  }
  BOOST_REQUIRE(ends());
  BOOST_TEST(instances() == depth_max + 1);
}

BOOST_AUTO_TEST_CASE(code_can_handle_the_failure) {
  start("Catches");
  BOOST_REQUIRE(ends());
  BOOST_TEST(instances() == depth_max + 1);
  BOOST_TEST((status_of("root") == runtime_status::completed));
  BOOST_TEST(output_of("root").find("child_depth_max") != std::string::npos,
             output_of("root"));
}

BOOST_AUTO_TEST_CASE(each_instance_knows_its_root_and_its_depth) {
  start("Chain");
  BOOST_REQUIRE(ends());
  const auto root = node.stored("root");
  BOOST_TEST(root->record.place.root.empty());
  std::vector<bool> depths(depth_max + 1);
  for (const instance_row& row : node.rows()) {
    depths.at(row.record.place.depth) = true;
    if (row.id == "root")
      continue;
    BOOST_TEST(row.record.place.root == "root");
    BOOST_TEST((row.record.place.root_created_at == root->record.created_at));
  }
  BOOST_TEST(std::count(depths.begin(), depths.end(), true)
             == static_cast<std::ptrdiff_t>(depth_max + 1));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
