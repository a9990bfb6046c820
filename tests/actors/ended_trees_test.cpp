// SPDX-License-Identifier: Apache-2.0
// A recursive terminate reaches everything below an instance, also what parents
// that have ended have started, and nothing starts below it later.
#include "actors/partition/steps.hpp"
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;

namespace {

using namespace std::chrono_literals;

/// Starts one more of itself in each generation, without end, and does not wait
/// for it.
task<int> grows(orchestration_context& ctx, int generation) {
  const auto next = ctx.call_sub_orchestration<int>("Grows", 0);
  static_cast<void>(next);
  co_await ctx.create_timer(1ms);
  ctx.continue_as_new(generation + 1);
  co_return 0;
}

/// Starts a waiting child and ends without it.
task<int> leaves(orchestration_context& ctx, std::string child) {
  const auto left = ctx.call_sub_orchestration<json>("Waits", nullptr,
                                                     {.instance_id = child});
  static_cast<void>(left);
  co_return 1;
}

/// Waits for the child that `Leaves` starts below it, which never ends.
task<int> middle(orchestration_context& ctx, std::string child) {
  const std::string id = child + "-mid";
  co_await ctx.call_sub_orchestration<int>("Leaves", child,
                                           {.instance_id = id});
  co_await ctx.wait_for_external_event("Go");
  co_return 1;
}

/// Starts a child in its first execution, and waits in the second.
task<int> earlier(orchestration_context& ctx, std::string child) {
  if (!child.empty()) {
    const auto left = ctx.call_sub_orchestration<json>("Waits", nullptr,
                                                       {.instance_id = child});
    static_cast<void>(left);
    ctx.continue_as_new(std::string());
    co_return 0;
  }
  co_await ctx.wait_for_external_event("Go");
  co_return 1;
}

struct tree_fixture : two_partitions {
  tree_fixture() : tree_fixture([](partition_config&) {}) {}

  explicit tree_fixture(std::function<void(partition_config&)> adjust)
    : two_partitions() {
    auto functions = std::make_shared<registry>();
    add_test_functions(*functions);
    functions->add_orchestrator("Grows", grows)
      .add_orchestrator("Leaves", leaves)
      .add_orchestrator("Middle", middle)
      .add_orchestrator("Earlier", earlier);
    node.set_functions(functions);
    static_cast<void>(adjust);
    node.crash_and_recover();
  }

  management_answer end_tree(const instance_id& id) {
    return node.ask(terminate_instance{id, "all of you", true, {}});
  }

  /// Runs the tree for some steps. The clock advances in a step of its own:
  /// the tree doubles in each millisecond, and so does the work in it.
  void grow(int steps) {
    for (int i = 0; i < steps; ++i)
      if (!node.step())
        node.clock.advance(1ms);
  }

  std::size_t unfinished() {
    const auto rows = node.rows();
    return static_cast<std::size_t>(
      std::count_if(rows.begin(), rows.end(), [](const auto& row) {
        return !persistence::is_finished(row.record.status);
      }));
  }

  /// Nothing runs, starts or is left of the rules.
  void check_ended() {
    node.advance_time(5s);
    BOOST_TEST(unfinished() == 0U);
    const std::size_t before = node.rows().size();
    node.advance_time(1min);
    BOOST_TEST(node.rows().size() == before);
    for (const partition_id each : {p0, p1})
      BOOST_TEST(node.partition(each).durable().meta.rules.trees.empty());
    node.check_at_rest();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(ended_trees, tree_fixture)

BOOST_AUTO_TEST_CASE(tree_that_grows_without_end_is_ended) {
  start_and_wait("root", "Grows", "0");
  grow(400);
  BOOST_TEST(unfinished() > 5U);
  BOOST_TEST((end_tree("root").code == errc::ok));
  check_ended();
}

BOOST_AUTO_TEST_CASE(part_of_a_tree_is_ended_and_the_rest_goes_on) {
  start_and_wait("root", "Family",
                 R"({"name":"Middle","input":"x","count":1})");
  start_and_wait("other", "Family",
                 R"({"name":"Middle","input":"y","count":1})");
  node.run_until_idle();
  BOOST_TEST((status_of("x") == runtime_status::running));
  // "x-mid" has ended, and "x" below it still waits.
  BOOST_TEST((status_of("x-mid") == runtime_status::completed));
  BOOST_TEST((end_tree("root-0").code == errc::ok));
  node.advance_time(1s);
  BOOST_TEST((status_of("root-0") == runtime_status::terminated));
  BOOST_TEST((status_of("x") == runtime_status::terminated));
  BOOST_TEST((status_of("y") == runtime_status::running));
  BOOST_TEST((status_of("other-0") == runtime_status::running));
  // The parent of the part learns that its child was terminated.
  BOOST_TEST((status_of("root") == runtime_status::failed));
}

BOOST_AUTO_TEST_CASE(children_below_an_ended_middle_are_ended) {
  start_and_wait("root", "Middle", R"("x")");
  node.run_until_idle();
  BOOST_TEST((status_of("x-mid") == runtime_status::completed));
  BOOST_TEST((end_tree("root").code == errc::ok));
  node.advance_time(1s);
  BOOST_TEST((status_of("x") == runtime_status::terminated));
  BOOST_TEST(output_of("x") == "\"all of you\"");
  check_ended();
}

BOOST_AUTO_TEST_CASE(children_of_an_earlier_generation_are_ended) {
  start_and_wait("root", "Earlier", R"("x")");
  node.run_until_idle();
  BOOST_TEST((status_of("x") == runtime_status::running));
  BOOST_TEST((end_tree("root").code == errc::ok));
  check_ended();
}

BOOST_AUTO_TEST_CASE(children_of_an_ended_root_are_ended) {
  start_and_wait("root", "Leaves", R"("x")");
  node.run_until_idle();
  BOOST_TEST((status_of("root") == runtime_status::completed));
  BOOST_TEST((end_tree("root").code == errc::ok));
  BOOST_TEST((status_of("root") == runtime_status::completed));
  check_ended();
  // A repeat is accepted, too.
  BOOST_TEST((end_tree("root").code == errc::ok));
  check_ended();
}

BOOST_AUTO_TEST_CASE(description_names_the_partitions_that_have_not_reported) {
  const auto left_in = [this](const instance_id& id) {
    get_status request;
    request.id = id;
    request.show_details = true;
    const management_answer answer = node.ask(request);
    BOOST_TEST_REQUIRE((answer.code == errc::ok));
    return answer.status->details.value().tree_left_in;
  };
  start_and_wait("root", "Middle", R"("x")");
  node.run_until_idle();
  BOOST_TEST(left_in("root").empty());
  BOOST_TEST((end_tree("root").code == errc::ok));
  const auto left = left_in("root");
  BOOST_TEST(!left.empty());
  for (const std::uint32_t each : left)
    BOOST_TEST(each <= 1U);
  BOOST_TEST(left_in("x").empty()); // a member, not the top
  check_ended();
  BOOST_TEST(left_in("root").empty());
}

BOOST_AUTO_TEST_CASE(instance_without_children_writes_no_rule) {
  start_and_wait("a", "Waits");
  node.run_until_idle();
  const auto commits = node.commits();
  BOOST_TEST((end_tree("a").code == errc::ok));
  node.advance_time(1s);
  BOOST_TEST(node.commits() == commits + 1);
  BOOST_TEST((end_tree("a").code == errc::already_finished));
  BOOST_TEST((end_tree("missing").code == errc::not_found));
}

BOOST_AUTO_TEST_CASE(members_on_disk_only_are_ended) {
  // More than one page of the search, evicted from memory by a restart.
  start_and_wait("root", "Family",
                 R"({"name":"Waits","input":null,"count":450})");
  start_and_wait("alone", "Waits");
  node.run_until_idle();
  node.crash_and_recover();
  BOOST_TEST(node.live("root-7") == nullptr);
  BOOST_TEST((end_tree("root").code == errc::ok));
  node.advance_time(1s);
  BOOST_TEST((status_of("root-0") == runtime_status::terminated));
  BOOST_TEST((status_of("root-449") == runtime_status::terminated));
  BOOST_TEST((status_of("alone") == runtime_status::running));
  BOOST_TEST(unfinished() == 1U);
}

BOOST_AUTO_TEST_CASE(suspended_and_scheduled_members_are_ended) {
  start_and_wait("root", "Family",
                 R"({"name":"Waits","input":null,"count":4})");
  node.run_until_idle();
  node.ask(suspend_instance{"root-1", "s", "s"});
  node.ask(suspend_instance{"root", "s", "s2"});
  node.crash_and_recover();
  BOOST_TEST((end_tree("root").code == errc::ok));
  check_ended();
}

// A child that is on its way when its root is terminated does not start.
BOOST_AUTO_TEST_CASE(child_on_its_way_is_refused) {
  const instance_id root = id_in(p0);
  const instance_id child = id_in(p1);
  node.submit(start_request(root, "Leaves", '"' + child + '"'));
  process_messages();
  finish_turn();
  node.submit(terminate_instance{root, "all of you", true, {}});
  node.process_mailbox(p0);
  node.run_until_idle();
  check_ended();
  const auto stored = node.stored(child);
  BOOST_TEST((!stored || stored->record.status == runtime_status::terminated));
}

// A failed member is not rewound while its tree is being terminated.
BOOST_AUTO_TEST_CASE(failed_member_is_not_rewound) {
  start_and_wait("root", "Family",
                 R"({"name":"Steps","input":"bad","count":1})");
  node.run_until_idle();
  BOOST_REQUIRE((status_of("root-0") == runtime_status::failed));
  BOOST_TEST((end_tree("root").code == errc::ok));
  node.submit(rewind_instance{"root-0", "", {}});
  check_ended();
}

// An instance that is started again under the ID of a terminated root is
// another root, even if no time has passed.
BOOST_AUTO_TEST_CASE(root_that_is_started_again_has_children) {
  start_and_wait("root", "Leaves", R"("x")");
  node.run_until_idle();
  const auto ended = node.submit(terminate_instance{"root", "", true, {}});
  const auto again = node.submit(start_request("root", "Leaves", R"("z")"));
  node.run_until_idle();
  BOOST_TEST((code_of(ended) == errc::ok));
  BOOST_TEST((code_of(again) == errc::ok));
  node.advance_time(1s);
  BOOST_TEST((status_of("x") == runtime_status::terminated));
  BOOST_TEST((status_of("z") == runtime_status::running));
}

BOOST_AUTO_TEST_CASE(number_of_trees_is_bounded) {
  std::size_t refused = 0;
  for (int i = 0; i < 80; ++i)
    start_and_wait(id_in(p0, i), "Leaves",
                   "\"child-" + std::to_string(i) + '"');
  node.run_until_idle();
  std::vector<ticket> all;
  for (int i = 0; i < 80; ++i)
    all.push_back(node.submit(terminate_instance{id_in(p0, i), "", true, {}}));
  node.run_until_idle();
  for (const ticket each : all)
    refused += code_of(each) == errc::limit_exceeded ? 1 : 0;
  BOOST_TEST(refused == 80U - persistence::ended_trees_max);
  node.advance_time(1s);
  for (int i = 0; i < 80; ++i)
    BOOST_TEST((end_tree(id_in(p0, i)).code == errc::ok));
  check_ended();
}

BOOST_AUTO_TEST_CASE(crashes_do_not_keep_a_tree_alive) {
  start_and_wait("root", "Grows", "0");
  grow(300);
  BOOST_TEST(unfinished() > 5U);
  node.submit(terminate_instance{"root", "all of you", true, "t"});
  for (int i = 0; i < 25; ++i) {
    grow(11);
    node.crash_and_recover();
  }
  check_ended();
}

BOOST_AUTO_TEST_SUITE_END()

// --- The place of an instance in its tree
// -------------------------------------

BOOST_AUTO_TEST_SUITE(tree_place_suite)

namespace {

using persistence::instance_record;
using persistence::is_below;

/// A chain of instances, each the child of the one before.
std::vector<instance_record> chain(std::size_t length) {
  std::vector<instance_record> all(length);
  for (std::size_t i = 0; i < length; ++i) {
    all[i].created_at = timestamp(duration(100 + static_cast<int>(i)));
    if (i > 0)
      all[i].place = place_of_child(std::to_string(i - 1), all[i - 1]);
  }
  return all;
}

} // namespace

BOOST_AUTO_TEST_CASE(each_instance_is_below_its_ancestors_only) {
  const auto all = chain(6);
  for (std::size_t top = 0; top < all.size(); ++top)
    for (std::size_t below = 0; below < all.size(); ++below)
      BOOST_TEST(
        is_below(all[below].place, top_of(std::to_string(top), all[top]))
          == (below > top),
        below << " below " << top);
}

BOOST_AUTO_TEST_CASE(instance_is_not_below_another_of_the_same_place) {
  const auto all = chain(4);
  instance_record other = all[1];
  other.created_at += duration(1); // started again under its ID
  BOOST_TEST(!is_below(all[3].place, top_of("1", other)));
  BOOST_TEST(!is_below(all[3].place, top_of("sibling", all[1])));
  instance_record root = all[0];
  root.created_at += duration(1);
  BOOST_TEST(!is_below(all[3].place, top_of("0", root)));
}

// A program of format 2 has recorded root and depth, but not the ancestors
// between.
BOOST_AUTO_TEST_CASE(place_without_ancestors_is_below_the_root_only) {
  const auto all = chain(3);
  instance_record old = all[2];
  old.place.path.clear();
  BOOST_TEST(is_below(old.place, top_of("0", all[0])));
  BOOST_TEST(!is_below(old.place, top_of("1", all[1])));
  const auto child = place_of_child("2", old);
  BOOST_TEST(child.depth == 3U);
  BOOST_TEST(is_below(child, top_of("2", old)));
  BOOST_TEST(!is_below(child, top_of("1", all[1])));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
