// SPDX-License-Identifier: Apache-2.0
// A recursive terminate of a tree that grows without end, with a crash at every
// commit. Afterwards nothing of the tree runs or starts.
#include "tests/simulation/scenario.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

namespace {

/// How long an instance waits before it starts the next child. Longer than the
/// time after which a lost message is sent again, because a tree that doubles
/// meanwhile would grow faster than the simulation takes steps.
constexpr auto growth_interval = 10s;

/// Starts two more of itself and ends without them, or continues as new.
task<int> grows(orchestration_context& ctx, int generation) {
  const auto first = ctx.call_sub_orchestration<int>("Grows", 0);
  static_cast<void>(first);
  if (generation % 2 == 1) {
    const auto second = ctx.call_sub_orchestration<int>("Grows", 1);
    static_cast<void>(second);
    co_return 1;
  }
  co_await ctx.create_timer(growth_interval);
  ctx.continue_as_new(generation + 2);
  co_return 0;
}

std::shared_ptr<const registry> growing_functions() {
  auto functions = std::make_shared<registry>();
  functions->add_orchestrator("Grows", grows);
  return functions;
}

/// Where a run of the tree crashes: when `point` is reached for the n-th time
/// after the tree has grown.
struct tree_crash {
  crash_point point = crash_point::before_commit;
  unsigned n = 0; ///< 0 means no crash.
  unsigned points_seen = 0;
};

/// Lets a tree grow, terminates it, and returns what is wrong afterwards.
std::vector<std::string> end_a_tree(tree_crash& plan, node_options options) {
  options.functions = growing_functions();
  bool counts = false;
  options.crash = [&](crash_point point) {
    return counts && point == plan.point && ++plan.points_seen == plan.n;
  };
  deterministic_node node(std::move(options));
  scenario_client client(node);
  client.start("root", "Grows", "0");
  client.start("other", "Grows", "1");
  for (int i = 0; i < 120; ++i)
    if (!node.step())
      node.advance_time(growth_interval);
  if (node.rows().size() < 8)
    return {"the trees did not grow"};
  counts = true;
  client.terminate("root", true);
  // A tree that grows is never idle, so the steps are counted.
  for (int i = 0; i < 400; ++i)
    if (!node.step())
      node.advance_time(growth_interval);
  client.terminate("other", true);
  constexpr int steps_max = 100'000;
  int steps = 0;
  while (steps < steps_max && node.violations.empty() && node.step())
    ++steps;
  if (!node.violations.empty())
    return node.violations;
  if (steps == steps_max)
    return {"the trees go on"};
  node.advance_time(20s);
  counts = false;
  std::vector<std::string> wrong = node.violations;
  const std::size_t before = node.rows().size();
  node.advance_time(1min);
  for (const instance_row& row : node.rows())
    if (!is_finished(row.record.status))
      wrong.push_back("\"" + row.id + "\" runs");
  if (node.rows().size() != before)
    wrong.emplace_back("instances were started");
  for (std::uint32_t i = 0; i < 4; ++i)
    if (!node.partition(partition_id(i)).durable().meta.rules.trees.empty())
      wrong.push_back("partition " + std::to_string(i) + " keeps a rule");
  for (const std::string& refusal : client.refusals)
    wrong.push_back(refusal);
  node.check_at_rest();
  wrong.insert(wrong.end(), node.violations.begin(), node.violations.end());
  return wrong;
}

constexpr crash_point crash_points[]
  = {crash_point::before_commit, crash_point::after_commit,
     crash_point::before_views_commit, crash_point::after_views_commit};

void check_all_crashes(const std::function<node_options()>& make) {
  for (const crash_point point : crash_points) {
    tree_crash whole{point};
    for (const std::string& sentence : end_a_tree(whole, make()))
      BOOST_ERROR("without a crash: " + sentence);
    // Each commit that the termination needs, and some later ones.
    const unsigned most = std::min(whole.points_seen, 60U);
    BOOST_TEST(most > 3U);
    for (unsigned n = 1; n <= most; ++n) {
      tree_crash plan{point, n};
      const auto wrong = end_a_tree(plan, make());
      BOOST_TEST(wrong.empty(),
                 "crash " << n << " at point " << static_cast<int>(point)
                          << ": " << (wrong.empty() ? "" : wrong.front()));
    }
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(ended_trees_everywhere)

BOOST_AUTO_TEST_CASE(crash_at_every_commit) {
  check_all_crashes([] { return node_options{}; });
}

BOOST_AUTO_TEST_CASE(crash_at_every_commit_with_one_message_per_batch) {
  check_all_crashes([] {
    node_options options;
    options.one_message_per_batch = true;
    options.commits_per_flush = 1;
    return options;
  });
}

BOOST_AUTO_TEST_CASE(crash_at_every_commit_while_instances_are_evicted) {
  check_all_crashes([] {
    node_options options;
    options.adjust
      = [](partition_config& config) { config.idle_instances_max = 0; };
    return options;
  });
}

BOOST_AUTO_TEST_CASE(random_orders_and_lost_messages) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    node_options options;
    options.seed = seed;
    options.loss = 0.1;
    tree_crash plan{crash_points[seed % 4], static_cast<unsigned>(seed % 17)};
    const auto wrong = end_a_tree(plan, std::move(options));
    BOOST_TEST(wrong.empty(),
               "seed " << seed << ": " << (wrong.empty() ? "" : wrong.front()));
  }
}

// The planted bug accepts a start of a sub-orchestration after its tree was
// terminated. With it, at least one of the first five seeds is red for this
// reason; without it, none is.
BOOST_AUTO_TEST_CASE(children_started_after_the_terminate_are_detected) {
  int detected = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    node_options options;
    options.seed = seed;
    tree_crash none;
    const auto sound = end_a_tree(none, options);
    BOOST_TEST(sound.empty(), "seed " << seed);
    options.faults.late_children = true;
    for (const std::string& sentence : end_a_tree(none, std::move(options)))
      if (sentence.find("runs after an ancestor was terminated")
          != sentence.npos)
        ++detected;
  }
  BOOST_TEST(detected > 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
