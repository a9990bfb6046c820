#define BOOST_TEST_MODULE client
#include "persistence/process/logging.hpp"

#include <boost/test/unit_test.hpp>

namespace {

/// Audit lines of hundreds of requests would hide what went wrong.
struct quiet_log {
  quiet_log() {
    perdura::persistence::set_log_level(
      perdura::persistence::log_level::warning);
  }
};

} // namespace

BOOST_TEST_GLOBAL_FIXTURE(quiet_log);
