#include "tests/simulation/scenario.hpp"
#include "tests/support/simulated_cluster.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <iomanip>
#include <sstream>

namespace perdura::tests {

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

cluster_options options(cluster_faults planted = {}) {
  cluster_options how;
  how.functions = sample_functions();
  how.planted = planted;
  return how;
}

/// How many seeds it takes until a bug is seen; 0: more than so many.
std::uint64_t seeds_until_seen(cluster_faults planted, std::uint64_t most) {
  for (std::uint64_t seed = 1; seed <= most; ++seed)
    if (simulated_cluster cluster(seed, options(planted));
        !cluster.run().empty())
      return seed;
  return 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(simulated_clusters)

BOOST_AUTO_TEST_CASE(every_cluster_keeps_every_promise) {
  const std::uint64_t only = number_from("PERDURA_CLUSTER_SEED", 0);
  const std::uint64_t count = number_from("PERDURA_CLUSTER_SEEDS", 100);
  const std::uint64_t first = only != 0 ? only : 1;
  const std::uint64_t last = only != 0 ? only : count;
  std::map<std::string, std::uint64_t> counters;
  std::uint64_t events = 0;
  std::uint64_t operations = 0;
  std::uint64_t lives = 0;
  int red = 0;
  for (std::uint64_t seed = first; seed <= last && red < 5; ++seed) {
    simulated_cluster cluster(seed, options());
    const std::vector<std::string>& wrong = cluster.run();
    for (const auto& [what, times] : cluster.counters())
      counters[what] += times;
    events += cluster.events();
    operations += cluster.operations();
    lives += cluster.lives();
    BOOST_TEST(cluster.faults() >= 5);
    BOOST_TEST(cluster.operations() >= 200);
    if (wrong.empty())
      continue;
    ++red;
    for (const std::string& sentence : wrong)
      BOOST_ERROR("seed " << seed << ": " << sentence);
    BOOST_ERROR("again: PERDURA_CLUSTER_SEED="
                << seed
                << " build/release/tests/tests_simulation"
                   " --run_test=simulated_clusters");
  }
  BOOST_TEST(red == 0);
  std::ostringstream table;
  table << last - first + 1 << " clusters, " << lives << " lives, "
        << operations << " operations, " << events << " events\n";
  for (const auto& [what, times] : counters) {
    table << std::setw(12) << times << "  " << what << '\n';
    // What is never met is never tested.
    if (only == 0 && count >= 100)
      BOOST_TEST(times > 0, what << " was never met");
  }
  BOOST_TEST_MESSAGE(table.str());
}

BOOST_AUTO_TEST_CASE(a_seed_is_one_order_of_events) {
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

BOOST_AUTO_TEST_CASE(planted_bugs_are_seen_within_a_few_seeds) {
  BOOST_TEST(seeds_until_seen({.no_deduplication = true}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.journal = {.early_effects = true}}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.journal = {.lost_outbox = true}}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.wrong_partitions = true}, 5) > 0);
  BOOST_TEST(seeds_until_seen({.dirty_reads = true}, 5) > 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
