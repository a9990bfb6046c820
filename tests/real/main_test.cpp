// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE tests_real
#define BOOST_TEST_NO_MAIN
#define BOOST_TEST_ALTERNATIVE_INIT_API
#include "real/cluster_worker.hpp"
#include "real/fault_worker.hpp"
#include "real/poison_worker.hpp"
#include "real/stalled_disk.hpp"
#include "real/worker.hpp"
#include <boost/test/unit_test.hpp>

#include <csignal>
#include <string_view>

// The test program starts itself again, with one of these flags, as the node
// process that a test kills.
int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  if (argc == 4 && std::string_view(argv[1]) == "--worker")
    return perdura::tests::run_worker(argv[2], argv[3]);
  if (argc > 9 && std::string_view(argv[1]) == "--cluster-worker")
    return perdura::tests::run_cluster_worker({argv + 2, argv + argc});
  if (argc > 5 && std::string_view(argv[1]) == "--fault-worker")
    return perdura::tests::run_fault_worker({argv + 2, argv + argc});
  if (argc > 2 && std::string_view(argv[1]) == "--poison-worker")
    return perdura::tests::run_poison_worker({argv + 2, argv + argc});
  if (argc > 3 && std::string_view(argv[1]) == "--stalled-disk")
    return perdura::tests::run_with_stalled_disk(argc - 1, argv + 1);
  return boost::unit_test::unit_test_main([] { return true; }, argc, argv);
}
