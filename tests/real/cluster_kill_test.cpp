// SPDX-License-Identifier: Apache-2.0
// A cluster of three node processes under a workload of all sample
// orchestrations. One node at a time is killed with SIGKILL or frozen with
// SIGSTOP.
//
// The long form sets PERDURA_CLUSTER_ORCHESTRATIONS=3000 and
// PERDURA_CLUSTER_KILLS=60. PERDURA_SEED sets another seed, and
// --log_level=message prints the figures.
// faulted_cluster.hpp lists the invariants that are checked.
#include "real/faulted_cluster.hpp"
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <thread>

namespace perdura::tests {

using std::chrono::milliseconds;

BOOST_AUTO_TEST_SUITE(cluster_kill)

// The kills are spread over the workload: before each kill the test waits until
// a further share of the runs has begun.
BOOST_AUTO_TEST_CASE(orchestrations_survive_kills_of_one_node_after_another) {
  const std::size_t orchestrations
    = from_environment("PERDURA_CLUSTER_ORCHESTRATIONS", 150);
  const std::size_t kills = from_environment("PERDURA_CLUSTER_KILLS", 6);
  faulted_cluster test(orchestrations);
  while (test.kills < kills) {
    test.driver->wait_for_begun((test.kills + 1) * orchestrations
                                / (kills + 1));
    std::this_thread::sleep_for(test.any_time_below(milliseconds(40)));
    const std::size_t victim = test.random() % test.cluster.size();
    test.kill(victim);
    test.cluster.node(victim).spawn();
    // Some nodes are killed a second time during their recovery.
    if (test.kills < kills && test.random() % 4 == 0) {
      std::this_thread::sleep_for(test.any_time_below(milliseconds(200)));
      test.kill(victim);
      test.cluster.node(victim).spawn();
    }
    test.cluster.node(victim).expect_ready();
  }
  test.expect_right_ends();
  BOOST_TEST(test.kills_during_work > 0,
             "no kill happened during unfinished work");
}

// The node is frozen until a peer has marked it as down. The frozen node can
// notice that only after it runs again.
BOOST_AUTO_TEST_CASE(frozen_node_runs_no_activity_twice) {
  faulted_cluster test(60);
  for (std::size_t victim = 0; victim < 2; ++victim) {
    test.driver->wait_for_begun(10 + 20 * victim);
    test.cluster.node(victim).pause();
    BOOST_TEST(test.await_down(victim), "no peer has marked the node as down");
    std::this_thread::sleep_for(std::chrono::seconds(3));
    test.cluster.node(victim).resume();
  }
  test.expect_right_ends();
  // No process ended, so no activity may have run twice.
  for (std::size_t i = 0; i < test.cluster.size(); ++i)
    for (const auto& [line, count] :
         read_witness(witness_of(test.cluster.node(i).options().data_dir)))
      BOOST_TEST(count == 1, line);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
