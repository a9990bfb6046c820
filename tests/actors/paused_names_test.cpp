// SPDX-License-Identifier: Apache-2.0
// Orchestrators that are paused by name, in all partitions.
#include "actors/partition/steps.hpp"
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;

namespace {

using namespace std::chrono_literals;
using persistence::apply;
using persistence::name_pause;
using persistence::partition_rules;

struct pause_fixture : two_partitions {
  management_answer pause(const std::string& name, bool is_paused = true,
                          const instance_id& at = "@pause/0") {
    const auto answer
      = node.ask(pause_orchestrator{at, name, is_paused, "why"});
    node.run_until_idle();
    return answer;
  }

  bool is_paused_in(partition_id partition, const std::string& name) {
    return persistence::is_paused(
      node.partition(partition).durable().meta.rules, name);
  }

  bool exists(const instance_id& id) {
    return node.stored(id).has_value();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(paused_names, pause_fixture)

BOOST_AUTO_TEST_CASE(pause_reaches_all_partitions_and_survives_a_restart) {
  BOOST_TEST((pause("Waits").code == errc::ok));
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST(is_paused_in(p0, "Waits"));
    BOOST_TEST(is_paused_in(p1, "Waits"));
    BOOST_TEST(!is_paused_in(p0, "Give"));
    node.flush_views();
    node.crash_and_recover();
  }
  BOOST_TEST((pause("Waits", false).code == errc::ok));
  node.crash_and_recover();
  BOOST_TEST(!is_paused_in(p0, "Waits"));
  BOOST_TEST(!is_paused_in(p1, "Waits"));
  node.check_at_rest();
}

BOOST_AUTO_TEST_CASE(starts_wait_until_the_orchestrator_runs_again) {
  pause("Give");
  for (int i = 0; i < 3; ++i)
    start_and_wait(id_in(p0, i), "Give", "1");
  start_and_wait(id_in(p1), "Give", "1");
  node.advance_time(1min);
  for (int i = 0; i < 3; ++i)
    BOOST_TEST((status_of(id_in(p0, i)) == runtime_status::pending));
  pause("Give", false);
  node.advance_time(1s);
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(output_of(id_in(p0, i)) == "1");
  BOOST_TEST(output_of(id_in(p1)) == "1");
  node.check_at_rest();
}

// A start of a paused orchestrator is one commit, as any start is.
BOOST_AUTO_TEST_CASE(start_of_a_paused_orchestrator_is_durable_at_once) {
  pause("Give");
  node.advance_time(1s);
  const auto commits = node.commits();
  start_and_wait("a", "Give", "1");
  BOOST_TEST(node.commits() == commits + 1);
}

BOOST_AUTO_TEST_CASE(events_and_results_wait) {
  start_and_wait("a", "Waits");
  start_and_wait("b", "Steps", R"(["one","two"])");
  node.holds_activity = [](const auto&) { return true; };
  node.run_until_idle();
  pause("Waits");
  pause("Steps");
  node.ask(raise_event{"a", "Go", "7", "r"});
  node.holds_activity = nullptr;
  node.advance_time(1min);
  BOOST_TEST((status_of("a") == runtime_status::running));
  // The activity that was scheduled has run, and its result waits.
  BOOST_TEST(node.activity_runs.size() == 1U);
  BOOST_TEST(node.stored("b")->inbox.size() == 1U);
  pause("Waits", false);
  pause("Steps", false);
  node.advance_time(1s);
  BOOST_TEST(output_of("a") == "7");
  BOOST_TEST(output_of("b") == R"(["one","two"])");
  node.check_at_rest();
}

BOOST_AUTO_TEST_CASE(children_wait_too) {
  pause("Waits");
  start_and_wait("a", "Family", R"({"name":"Waits","input":null,"count":3})");
  node.advance_time(1s);
  BOOST_TEST((status_of("a") == runtime_status::running));
  BOOST_TEST((status_of("a-1") == runtime_status::pending));
  pause("Waits", false);
  node.advance_time(1s);
  BOOST_TEST((status_of("a-1") == runtime_status::running));
}

BOOST_AUTO_TEST_CASE(timers_and_scheduled_starts_wait) {
  auto scheduled = start_request("a", "Give", "5");
  scheduled.scheduled_at = node.clock.now() + 1s;
  node.ask(scheduled);
  pause("Give");
  node.advance_time(1min);
  BOOST_TEST((status_of("a") == runtime_status::pending));
  pause("Give", false);
  node.advance_time(1s);
  BOOST_TEST(output_of("a") == "5");
}

BOOST_AUTO_TEST_CASE(control_operations_work_while_paused) {
  start_and_wait("a", "Waits");
  start_and_wait("b", "Waits");
  node.run_until_idle();
  pause("Waits");
  BOOST_TEST((node.ask(suspend_instance{"a", "s", "s"}).code == errc::ok));
  BOOST_TEST((node.ask(raise_event{"a", "Go", "1", "r"}).code == errc::ok));
  BOOST_TEST(
    (node.ask(terminate_instance{"b", "t", false, "t"}).code == errc::ok));
  BOOST_TEST((status_of("b") == runtime_status::terminated));
  BOOST_TEST((node.ask(resume_instance{"a", "g", "g"}).code == errc::ok));
  node.advance_time(1s);
  BOOST_TEST((status_of("a") == runtime_status::running));
  pause("Waits", false);
  node.advance_time(1s);
  BOOST_TEST(output_of("a") == "1");
}

// A turn that runs when the pause comes ends, and the next one waits.
BOOST_AUTO_TEST_CASE(running_turn_ends) {
  const instance_id a = id_in(p0);
  node.submit(start_request(a, "Loop", "3"));
  process_messages();
  BOOST_REQUIRE(node.turns.size() == 1U);
  pause("Loop");
  node.advance_time(1s);
  BOOST_TEST((status_of(a) == runtime_status::continued_as_new));
  BOOST_TEST(node.turns.empty());
  pause("Loop", false);
  node.advance_time(1s);
  BOOST_TEST(output_of(a) == "\"looped\"");
}

BOOST_AUTO_TEST_CASE(instances_that_were_evicted_run_again) {
  pause("Give");
  constexpr int count = 350; // several pages of the search
  for (int i = 0; i < count; ++i)
    node.submit(start_request("i-" + std::to_string(i), "Give", "1"));
  node.run_until_idle();
  node.crash_and_recover();
  node.advance_time(1min);
  BOOST_TEST(node.partition(p0).live().instances.empty());
  BOOST_TEST(node.partition(p1).live().instances.empty());
  pause("Give", false);
  node.advance_time(1s);
  for (int i = 0; i < count; ++i)
    BOOST_TEST_REQUIRE(output_of("i-" + std::to_string(i)) == "1");
  node.check_at_rest();
}

BOOST_AUTO_TEST_CASE(instances_run_again_in_windows) {
  pause("Give");
  const std::size_t most = partition_config{}.idle_instances_max
                           + released_instances_max + rule_search_page_rows;
  constexpr int count = 6'000;
  for (int i = 0; i < count; ++i)
    node.submit(start_request("i-" + std::to_string(i), "Give", "1"));
  node.run_until_idle();
  node.crash_and_recover();
  node.advance_time(1min);
  std::size_t seen = 0;
  node.submit(pause_orchestrator{"@pause/0", "Give", false, ""});
  const auto ended = [&] {
    seen = std::max(seen, node.partition(p0).live().instances.size());
    return node.turns.empty() && node.activities.empty()
           && counters(p0).completed + counters(p1).completed == count;
  };
  BOOST_TEST(node.run_until(ended));
  BOOST_TEST(seen <= most);
}

BOOST_AUTO_TEST_CASE(crash_while_instances_are_searched_loses_none) {
  pause("Give");
  for (int i = 0; i < 300; ++i)
    node.submit(start_request("i-" + std::to_string(i), "Give", "1"));
  node.run_until_idle();
  node.crash_and_recover();
  node.submit(pause_orchestrator{"@pause/0", "Give", false, ""});
  for (int i = 0; i < 30; ++i) {
    for (int step = 0; step < 13; ++step)
      node.step();
    node.crash_and_recover();
  }
  node.advance_time(1min);
  for (int i = 0; i < 300; ++i)
    BOOST_TEST_REQUIRE(output_of("i-" + std::to_string(i)) == "1");
  node.check_at_rest();
}

BOOST_AUTO_TEST_CASE(unknown_name_is_refused_and_a_repeat_is_not) {
  BOOST_TEST((pause("Wiats").code == errc::unknown_orchestrator));
  BOOST_TEST((pause("Wiats", false).code == errc::unknown_orchestrator));
  BOOST_TEST((pause("Waits").code == errc::ok));
  BOOST_TEST((pause("Waits").code == errc::ok));
  BOOST_TEST(is_paused_in(p1, "Waits"));
}

BOOST_AUTO_TEST_CASE(paused_orchestrators_are_listed) {
  pause("Waits");
  const auto listed = node.partition(p1).rule_notices();
  BOOST_REQUIRE(listed.size() == 1U);
  BOOST_TEST(listed.front().first.empty());
  BOOST_TEST(listed.front().second.find("Waits") != std::string::npos);
  BOOST_TEST(listed.front().second.find("why") != std::string::npos);
  pause("Waits", false);
  BOOST_TEST(node.partition(p1).rule_notices().empty());
}

// The later request holds, whichever partition hears of it first.
BOOST_AUTO_TEST_CASE(requests_to_different_partitions_agree) {
  // The fixture maps these IDs to the two partitions.
  instance_id first = "@pause/0";
  instance_id second = "@pause/1";
  for (int i = 2; node.partition_of(first) == node.partition_of(second); ++i)
    second = "@pause/" + std::to_string(i);
  node.submit(pause_orchestrator{first, "Waits", true, ""});
  node.run_until_idle();
  node.submit(pause_orchestrator{second, "Waits", false, ""});
  node.submit(pause_orchestrator{first, "Waits", true, "again"});
  node.run_until_idle();
  node.advance_time(1s);
  BOOST_TEST(is_paused_in(p0, "Waits") == is_paused_in(p1, "Waits"));
  node.submit(pause_orchestrator{second, "Waits", false, ""});
  node.run_until_idle();
  BOOST_TEST(!is_paused_in(p0, "Waits"));
  BOOST_TEST(!is_paused_in(p1, "Waits"));
}

BOOST_AUTO_TEST_SUITE_END()

// --- The rules alone
// -----------------------------------------------------------

BOOST_AUTO_TEST_SUITE(partition_rules_suite)

namespace {

name_pause rule(const std::string& name, bool is_paused, int at) {
  return {name, is_paused, timestamp(duration(at)), ""};
}

} // namespace

BOOST_AUTO_TEST_CASE(order_of_arrival_does_not_matter) {
  const name_pause a = rule("x", true, 1);
  const name_pause b = rule("x", false, 2);
  const name_pause c = rule("x", true, 2);
  std::vector<name_pause> all{a, b, c};
  std::sort(all.begin(), all.end(), [](const auto& l, const auto& r) {
    return std::tie(l.since, l.is_paused) < std::tie(r.since, r.is_paused);
  });
  do {
    partition_rules rules;
    for (const name_pause& each : all)
      apply(rules, each);
    BOOST_TEST(is_paused(rules, "x")); // of two at one time, the pause
  } while (std::next_permutation(
    all.begin(), all.end(), [](const auto& l, const auto& r) {
      return std::tie(l.since, l.is_paused) < std::tie(r.since, r.is_paused);
    }));
}

BOOST_AUTO_TEST_CASE(applying_twice_changes_nothing) {
  partition_rules once;
  partition_rules twice;
  std::vector<persistence::rule_change> changes;
  persistence::ended_tree tree;
  tree.top = {"root", timestamp(duration(5)), 0, 0};
  tree.waits_for = {0, 1};
  changes.emplace_back(rule("x", true, 1));
  changes.emplace_back(tree);
  changes.emplace_back(rule("a", true, 2));
  changes.emplace_back(rule("x", false, 3));
  tree.waits_for = {1};
  changes.emplace_back(tree);
  for (const auto& each : changes)
    apply(once, each);
  for (int i = 0; i < 2; ++i)
    for (const auto& each : changes)
      apply(twice, each);
  BOOST_TEST((once == twice));
  BOOST_TEST(is_paused(once, "a"));
  BOOST_TEST(!is_paused(once, "x"));
  apply(once, persistence::forgotten_tree{tree.top});
  BOOST_TEST(once.trees.empty());
}

BOOST_AUTO_TEST_CASE(old_entries_of_running_orchestrators_are_dropped) {
  partition_rules rules;
  const int most = static_cast<int>(persistence::name_pauses_kept_max);
  apply(rules, rule("kept", true, 0));
  for (int i = 0; i < 2 * most; ++i)
    apply(rules, rule("n" + std::to_string(i), false, i + 1));
  BOOST_TEST(rules.pauses.size() == persistence::name_pauses_kept_max);
  BOOST_TEST(is_paused(rules, "kept"));
  BOOST_TEST(find_pause(rules, "n0") == nullptr);
  BOOST_TEST(find_pause(rules, "n" + std::to_string(2 * most - 1)) != nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
