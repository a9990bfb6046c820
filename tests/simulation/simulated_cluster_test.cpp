// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/scenario.hpp"
#include "tests/support/simulated_cluster.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <iomanip>
#include <sstream>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

std::uint64_t seed_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

cluster_options options(cluster_faults planted = {}) {
  cluster_options options;
  options.functions = sample_functions();
  options.planted = planted;
  return options;
}

/// The first seed whose run detects a planted bug, or 0 if no seed from 1 to
/// `most` does.
std::uint64_t seeds_until_seen(cluster_faults planted, std::uint64_t most) {
  for (std::uint64_t seed = 1; seed <= most; ++seed)
    if (simulated_cluster cluster(seed, options(planted));
        !cluster.run().empty())
      return seed;
  return 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(simulated_clusters)

// Runs the clusters with the seeds 1 to 100 and prints how often each fault,
// message and commit point occurred. The environment variable
// PERDURA_CLUSTER_SEEDS sets another number of seeds,
// PERDURA_CLUSTER_FIRST_SEED the first one; PERDURA_CLUSTER_SEED selects a
// single seed.
BOOST_AUTO_TEST_CASE(every_cluster_keeps_all_invariants) {
  const std::uint64_t only = seed_from("PERDURA_CLUSTER_SEED", 0);
  const std::uint64_t count = seed_from("PERDURA_CLUSTER_SEEDS", 100);
  const std::uint64_t first
    = only != 0 ? only : seed_from("PERDURA_CLUSTER_FIRST_SEED", 1);
  const std::uint64_t last = only != 0 ? only : first + count - 1;
  std::map<std::string, std::uint64_t> counters;
  std::uint64_t events = 0;
  std::uint64_t operations = 0;
  std::uint64_t starts = 0;
  int failing = 0;
  for (std::uint64_t seed = first; seed <= last && failing < 5; ++seed) {
    simulated_cluster cluster(seed, options());
    const std::vector<std::string>& wrong = cluster.run();
    for (const auto& [what, times] : cluster.counters())
      counters[what] += times;
    events += cluster.events();
    operations += cluster.operations();
    starts += cluster.starts();
    BOOST_TEST(cluster.faults() >= 5);
    BOOST_TEST(cluster.operations() >= 200);
    if (wrong.empty())
      continue;
    ++failing;
    for (const std::string& sentence : wrong)
      BOOST_ERROR("seed " << seed << ": " << sentence);
    BOOST_ERROR("reproduce with: PERDURA_CLUSTER_SEED="
                << seed
                << " build/release/tests/tests_simulation"
                   " --run_test=simulated_clusters");
  }
  BOOST_TEST(failing == 0);
  std::ostringstream table;
  table << last - first + 1 << " clusters, " << starts << " starts, "
        << operations << " operations, " << events << " events\n";
  for (const auto& [what, times] : counters) {
    table << std::setw(12) << times << "  " << what << '\n';
    // In a run of all 100 seeds, every kind of fault, message and commit point
    // must occur at least once.
    if (only == 0 && count >= 100)
      BOOST_TEST(times > 0, what << " never occurred");
  }
  BOOST_TEST_MESSAGE(table.str());
}

// Two runs with the same seed have the same hash. A run with another seed has
// another hash.
BOOST_AUTO_TEST_CASE(one_seed_gives_one_order_of_events) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    simulated_cluster one(seed, options());
    simulated_cluster same(seed, options());
    simulated_cluster other(seed + 1, options());
    one.run();
    same.run();
    other.run();
    BOOST_TEST(one.hash() == same.hash());
    BOOST_TEST(one.events() == same.events());
    BOOST_TEST(one.hash() != other.hash());
  }
}

// Each planted bug is detected by at least one of the first five seeds.
BOOST_AUTO_TEST_CASE(planted_bugs_are_detected_within_five_seeds) {
  BOOST_TEST(seeds_until_seen({.no_deduplication = true}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.journal = {.early_effects = true}}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.journal = {.lost_outbox = true}}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.journal = {.late_children = true}}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.wrong_partitions = true}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.dirty_reads = true}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.repeated_starts = true}, 5) > 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
