// SPDX-License-Identifier: Apache-2.0
// Power failures at any moment of a lane's life: what was reported as durable
// is there, every directory opens, and `perdura check` finds no problem.
//
// The long form is ./dev campaign power. PERDURA_POWER_IMAGES is the number of
// states that are checked, PERDURA_POWER_SEED the first seed; with
// --log_level=message the figures are printed.
#include "tests/persistence/storage_kinds.hpp"

#include "campaigns/power_runs.hpp"
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>

namespace perdura::tests {

using persistence::testing::temporary_directory;
namespace fs = std::filesystem;

namespace {

/// The number in an environment variable, or `otherwise` if it is not set.
std::uint64_t number_in(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// The runs of the campaign: of eight, three on one lane, one on two lanes, two
/// from the creation of the hub on, and two with other files.
power_run record_run(const fs::path& directory, std::size_t number,
                     std::uint64_t seed) {
  switch (number % 8) {
  case 1:
  case 5:
    return record_lane(directory, seed, number % 8 == 1 ? 1 : 2, true);
  case 2:
    return record_lane(directory, seed, 2, false);
  case 3:
    return record_raised_format(
      directory, number % 16 == 3 ? "one_node" : "one_node_in_flush");
  case 4:
    return record_peers(directory);
  default:
    return record_lane(directory, seed, 1, false);
  }
}

/// Adds `more` to `all`.
void add(power_counts& all, const power_counts& more) {
  all.states += more.states;
  all.recoveries += more.recoveries;
  for (std::size_t i = 0; i < power_failure_kinds; ++i)
    all.failures[i] += more.failures[i];
  all.sentences.insert(all.sentences.end(), more.sentences.begin(),
                       more.sentences.end());
}

/// Checks states of one recorded run with a planted fault.
power_counts counts_with(const sync_fault& fault, bool from_creation = false) {
  const temporary_directory place;
  const power_run run
    = record_lane(place.path() / "recorded", 1, 1, from_creation);
  return check_power_failures(run, place.path() / "states", 60, 1, fault);
}

} // namespace

BOOST_AUTO_TEST_SUITE(power)

BOOST_AUTO_TEST_CASE(every_state_keeps_what_was_reported) {
  const std::uint64_t wanted = number_in("PERDURA_POWER_IMAGES", 320);
  const std::uint64_t seed = number_in("PERDURA_POWER_SEED", 1);
  constexpr std::uint64_t states_per_run = 32;
  power_counts all;
  std::size_t runs = 0;
  for (; all.states < wanted; ++runs) {
    const temporary_directory place;
    const power_run run
      = record_run(place.path() / "recorded", runs, seed * 10'000 + runs);
    add(all, check_power_failures(run, place.path() / "states",
                                  std::min(states_per_run, wanted - all.states),
                                  seed + runs));
  }
  for (const std::string& each : all.sentences)
    BOOST_ERROR(each);
  BOOST_TEST(all.all_failures() == 0U);
  BOOST_TEST(all.recoveries > 0U);
  BOOST_TEST_MESSAGE(all.states
                     << " states after power failures in " << runs << " runs, "
                     << all.recoveries << " of them during recoveries: "
                     << all.of(power_failure_kind::lost) << " lost, "
                     << all.of(power_failure_kind::unopenable)
                     << " unopenable, " << all.of(power_failure_kind::unsound)
                     << " unsound, " << all.of(power_failure_kind::wrong)
                     << " wrong, " << all.of(power_failure_kind::crashed)
                     << " crashed, seed " << seed);
}

// --- Planted faults ----------------------------------------------------------

BOOST_AUTO_TEST_CASE(without_fdatasync_turns_are_lost) {
  const auto found = counts_with([](const recorded_node& node, bool is_write) {
    return !node.is_directory && !is_write;
  });
  BOOST_TEST(found.all_failures() > 0U);
}

BOOST_AUTO_TEST_CASE(without_the_sync_of_meta_pages_turns_are_lost) {
  const auto found
    = counts_with([](const recorded_node&, bool is_write) { return is_write; });
  BOOST_TEST(found.of(power_failure_kind::lost) > 0U);
}

// The views are not durable, and the journal is trimmed.
BOOST_AUTO_TEST_CASE(trim_before_the_sync_of_the_views_loses_turns) {
  const auto found = counts_with([](const recorded_node& node, bool) {
    return node.path.ends_with("views/data.mdb");
  });
  BOOST_TEST(found.all_failures() > 0U);
  // Without the fault the same states are right.
  BOOST_TEST(counts_with({}).all_failures() == 0U);
}

BOOST_AUTO_TEST_CASE(without_the_sync_of_directories_a_hub_is_lost) {
  const auto found = counts_with(
    [](const recorded_node& node, bool) { return node.is_directory; }, true);
  BOOST_TEST(found.of(power_failure_kind::unopenable) > 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
