// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/poison_rules.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <vector>

namespace perdura::persistence {

using namespace std::chrono_literals;

namespace {

work_id activity(const std::string& instance, const std::string& name = "A") {
  return {work_kind::activity, instance, name};
}

work_id turn(const std::string& instance) {
  return {work_kind::turn, instance, {}};
}

/// A death without a mark, at which this work was running for a second.
process_end_notes killed(std::vector<work_id> running,
                         std::chrono::nanoseconds ran = 1s) {
  process_end_notes end;
  end.clean = false;
  for (work_id& each : running)
    end.running.push_back({std::move(each), ran});
  return end;
}

/// A death by a fatal signal in `culprit`, beside which `others` were running.
process_end_notes crashed(const work_id& culprit,
                          const std::vector<work_id>& others = {}) {
  process_end_notes end = killed(others);
  end.running.push_back({culprit, 100s, true});
  return end;
}

std::vector<work_suspect> after(const std::vector<process_end_notes>& ends) {
  std::vector<work_suspect> suspects;
  for (const process_end_notes& each : ends)
    suspects = suspects_after(suspects, each);
  return suspects;
}

bool is_held(const std::vector<work_suspect>& suspects, const work_id& work) {
  for (const work_suspect& each : suspects)
    if (each.work == work)
      return each.held;
  return false;
}

} // namespace

BOOST_AUTO_TEST_SUITE(poison_rules)

BOOST_AUTO_TEST_CASE(three_successive_deaths_hold_the_work) {
  const auto end = killed({activity("a"), turn("b")});
  BOOST_TEST(after({end}).size() == 2U);
  BOOST_TEST(!runs_alone(after({end}).front()));
  const auto twice = after({end, end});
  BOOST_TEST(runs_alone(twice.front()));
  BOOST_TEST(!is_held(twice, activity("a")));
  // Only one of the two runs alone at the third death.
  const auto thrice = suspects_after(twice, killed({activity("a")}));
  BOOST_TEST(is_held(thrice, activity("a")));
  BOOST_TEST(!is_held(thrice, turn("b")));
  BOOST_TEST(thrice.size() == 2U);
  // Held work stays held, whatever comes.
  BOOST_TEST(is_held(suspects_after(thrice, {}), activity("a")));
  BOOST_TEST(
    is_held(suspects_after(thrice, killed({turn("c")})), activity("a")));
}

BOOST_AUTO_TEST_CASE(deaths_must_be_successive) {
  const auto with = killed({activity("a")});
  const auto without = killed({activity("b")});
  BOOST_TEST(
    !is_held(after({with, without, with, without, with}), activity("a")));
  // A stop is no death, and does not acquit.
  BOOST_TEST(
    is_held(after({with, process_end_notes{}, with, with}), activity("a")));
}

BOOST_AUTO_TEST_CASE(long_runs_are_not_suspected_without_a_mark) {
  const auto end = killed({activity("a")}, suspected_run_max + 1ns);
  BOOST_TEST(after({end, end, end, end}).empty());
  const auto short_enough = killed({activity("a")}, suspected_run_max);
  BOOST_TEST(
    is_held(after({short_enough, short_enough, short_enough}), activity("a")));
}

BOOST_AUTO_TEST_CASE(mark_acquits_the_bystanders) {
  const auto end = crashed(activity("a"), {turn("b"), activity("c")});
  const auto held = after({end, end, end});
  BOOST_TEST(held.size() == 1U);
  BOOST_TEST(is_held(held, activity("a")));
}

// The machine has been started since, or the process was stopped: what was
// running did not cause it. A mark counts nevertheless.
BOOST_AUTO_TEST_CASE(power_cuts_and_stops_are_no_deaths) {
  auto power_cut = killed({activity("a")});
  power_cut.same_boot = false;
  auto stop = killed({activity("a")});
  stop.clean = true;
  BOOST_TEST(after({power_cut, power_cut, power_cut, stop, stop}).empty());
  auto marked = crashed(activity("a"));
  marked.same_boot = false;
  BOOST_TEST(is_held(after({marked, marked, marked}), activity("a")));
}

BOOST_AUTO_TEST_CASE(hung_turns_are_held_at_once) {
  auto end = killed({turn("a"), turn("b")}, 100s);
  end.clean = true;
  end.running.front().hung = true;
  const auto held = after({end});
  BOOST_TEST(held.size() == 1U);
  BOOST_TEST(is_held(held, turn("a")));
  BOOST_TEST(held.front().hung);
}

BOOST_AUTO_TEST_CASE(number_of_suspects_is_bounded_and_keeps_the_held_ones) {
  std::vector<work_id> many;
  for (std::size_t i = 0; i < 3 * work_notes::suspects_max; ++i)
    many.push_back(activity("i-" + std::to_string(i)));
  auto suspects
    = after({crashed(turn("z")), crashed(turn("z")), crashed(turn("z"))});
  suspects = suspects_after(suspects, killed(many));
  BOOST_TEST(suspects.size() == work_notes::suspects_max);
  BOOST_TEST(is_held(suspects, turn("z")));
}

BOOST_AUTO_TEST_CASE(other_kind_or_name_is_other_work) {
  BOOST_TEST(after({killed({activity("a", "A")}), killed({activity("a", "B")}),
                    killed({turn("a")})})
               .size()
             == 1U);
}

// Kills at random moments: each finds other work, as short work does.
BOOST_AUTO_TEST_CASE(random_kills_hold_nothing) {
  std::mt19937 random(1);
  std::vector<work_suspect> suspects;
  for (int kill = 0; kill < 10'000; ++kill) {
    std::vector<work_id> running;
    for (int i = 0; i < 4; ++i)
      running.push_back(activity("i-" + std::to_string(random() % 1'000)));
    suspects = suspects_after(suspects, killed(running));
    for (const work_suspect& each : suspects)
      BOOST_REQUIRE(!each.held);
    // Work that runs alone returns in the next process.
    std::erase_if(suspects, runs_alone);
  }
}

BOOST_AUTO_TEST_CASE(sentence_names_the_work_and_the_remedy) {
  const std::string text
    = held_sentence({activity("order-1", "Charge"), 3, true});
  BOOST_TEST(text.find("\"Charge\"") != text.npos);
  BOOST_TEST(text.find("perdura release order-1") != text.npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
