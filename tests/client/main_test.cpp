// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE client
#include "persistence/process/logging.hpp"

#include <boost/test/unit_test.hpp>

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
