// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE client
#define BOOST_TEST_NO_MAIN
#define BOOST_TEST_ALTERNATIVE_INIT_API
#include "persistence/process/logging.hpp"
#include "tests/client/supervised_child.hpp"

#include <boost/test/unit_test.hpp>

#include <string_view>

namespace {

/// Logs warnings and errors only: the audit lines of hundreds of requests would
/// hide the messages of a failed test.
struct quiet_log {
  quiet_log() {
    perdura::persistence::set_log_level(
      perdura::persistence::log_level::warning);
  }
};

} // namespace

BOOST_TEST_GLOBAL_FIXTURE(quiet_log);

// The test program starts itself again as a process that a supervisor runs.
int main(int argc, char** argv) {
  namespace tests = perdura::tests;
  if (argc == 4 && std::string_view(argv[1]) == tests::supervised_child_flag)
    return tests::run_supervised_child(argv[2], argv[3]);
  return boost::unit_test::unit_test_main([] { return true; }, argc, argv);
}
