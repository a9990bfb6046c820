// SPDX-License-Identifier: Apache-2.0
// Tests assert order, counts and outcomes. No result of a test depends on the
// speed of the machine.
#include "tests/conventions/source_tree.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <regex>
#include <string>
#include <string_view>

namespace perdura::tests {

namespace {

/// The tests that may read a real clock or sleep, each with the reason. None of
/// them asserts an upper limit of a duration.
const std::map<std::string_view, std::string_view>& files_with_a_clock() {
  static const std::map<std::string_view, std::string_view> all{
    {"tests/support/patience.hpp", "the wait for an event; lower limits"},
    {"tests/support/line_reader.cpp", "the wait for a line, with a time-out"},
    {"tests/real/cluster_harness.cpp", "repeats a request to other processes"},
    {"tests/real/sample_runs.cpp", "repeats a request to other processes"},
    {"tests/real/process_kill_test.cpp", "spreads kills over a run"},
    {"tests/real/cluster_kill_test.cpp", "random moments of kills"},
    {"tests/real/stalled_disk.cpp", "a sync that waits for the end of a file"},
    {"tests/real/faulted_cluster.cpp", "shows a duration in a message"},
    {"tests/real/nemesis_test.cpp", "random moments of kills"},
    {"tests/real/steady_state_test.cpp", "a load for a time"},
    {"tests/real/cluster_namespaces_test.cpp", "shows a duration in a message"},
    {"tests/real/cluster_owner_away_test.cpp",
     "order of answers and a kill; shows durations in a message"},
  };
  return all;
}

bool is_test(const source_file& file) {
  return file.path.starts_with("tests/");
}

findings tests_use_no_real_clock(const source_file& file) {
  static const std::regex real_clock(
    R"(\b(steady_clock|system_clock|high_resolution_clock)::now\b)"
    R"(|\b(clock_gettime|gettimeofday|usleep|nanosleep)\b)"
    R"(|\bthis_thread::sleep_(for|until)\b)");
  if (!is_test(file) || files_with_a_clock().contains(file.path))
    return {};
  return matches_in(file, real_clock,
                    "a test reads a clock or sleeps; advance a manual clock, "
                    "or await an event (support/patience.hpp)");
}

findings tests_have_no_upper_limit_of_time(const source_file& file) {
  // A measured duration that is less than something, and anything that is less
  // than a duration.
  static const std::regex limit(
    R"(\bBOOST_(TEST|CHECK|REQUIRE|WARN)\w*\s*\([^;]*)"
    R"((\b(took|elapsed|passed|duration)\b[\w().]*\s*\)?\s*<=?[^<])"
    R"(|\.seconds\s*<=?[^<])"
    R"(|[^<]<=?\s*((std::)?chrono::)?(micro|milli)?seconds\()"
    R"(|[^<]<=?\s*\d+(us|ms|s)\b))");
  if (!is_test(file) || file.text.find("BOOST_") == file.text.npos)
    return {};
  return matches_in(file, limit,
                    "a test limits a duration; assert order, counts and "
                    "outcomes, and measure in benchmarks/");
}

findings tests_wait_with_patience(const source_file& file) {
  static const std::regex own_limit(
    R"(\bwait_for\((?!(perdura::)?(tests::)?(patience|\w*wait_max)\b)[^;]*)"
    R"(future_status::ready)");
  if (!is_test(file) || file.text.find("future_status") == file.text.npos)
    return {};
  return matches_in(file, own_limit,
                    "a test waits with a limit of its own; wait for "
                    "`patience` (support/patience.hpp)");
}

} // namespace

BOOST_AUTO_TEST_SUITE(clocks)

BOOST_AUTO_TEST_CASE(tests_do_not_sleep_instead_of_waiting) {
  check(tests_use_no_real_clock,
        {{"tests/actors/a_test.cpp", "std::this_thread::sleep_for(1ms);"},
         {"tests/real/a_test.cpp", "std::this_thread::sleep_for(1ms);"},
         {"tests/support/a.hpp", "usleep(1);"},
         {"tests/client/a_test.cpp", "auto t = steady_clock::now();"},
         {"tests/client/a_test.cpp", "std::chrono::system_clock::now()"}},
        {{"tests/support/patience.hpp", "std::chrono::steady_clock::now()"},
         {"tests/actors/a_test.cpp", "node.clock.now();"},
         {"tests/actors/a_test.cpp", "check(\"this_thread::sleep_for\");"},
         {"benchmarks/a.cpp", "steady_clock::now();"}},
        cpp_files());
}

// An exception that is not needed any more is removed.
BOOST_AUTO_TEST_CASE(files_that_may_read_a_clock_do_so) {
  for (const auto& [path, reason] : files_with_a_clock()) {
    const auto& all = cpp_files();
    const auto file
      = std::find_if(all.begin(), all.end(), [&path = path](const auto& each) {
          return each.path == path;
        });
    BOOST_TEST_REQUIRE((file != all.end()), path);
    BOOST_TEST(!reason.empty());
    BOOST_TEST(
      !tests_use_no_real_clock({"tests/other.cpp", file->text}).empty(), path);
  }
}

BOOST_AUTO_TEST_CASE(tests_assert_no_upper_limit_of_a_duration) {
  check(
    tests_have_no_upper_limit_of_time,
    {{"tests/client/a_test.cpp", "BOOST_TEST((took < no_wait_max));"},
     {"tests/real/a_test.cpp", "BOOST_TEST(took.count() <= 2000);"},
     {"tests/client/a_test.cpp", "BOOST_TEST(out.seconds < 30);"},
     {"tests/client/a_test.cpp",
      "BOOST_TEST(\n  (abs(since() - before) < milliseconds(100)));"},
     {"tests/actors/a_test.cpp", "BOOST_TEST((now() - begin < 3s));"},
     {"tests/actors/a_test.cpp", "BOOST_CHECK(elapsed() < bound);"}},
    {{"tests/real/a_test.cpp", "BOOST_TEST_MESSAGE(took.count() << \" ms\");"},
     {"tests/client/a_test.cpp", "BOOST_TEST(waited.has_passed(5ms));"},
     {"tests/client/a_test.cpp", "BOOST_TEST(pages < 4U);"},
     {"benchmarks/a.cpp", "BOOST_TEST((took < 5s));"}},
    cpp_files());
}

BOOST_AUTO_TEST_CASE(tests_wait_for_futures_with_patience) {
  check(tests_wait_with_patience,
        {{"tests/client/a_test.cpp",
          "(why.wait_for(seconds(20)) == std::future_status::ready)"}},
        {{"tests/client/a_test.cpp",
          "(why.wait_for(patience) == std::future_status::ready)"},
         {"tests/client/a_test.cpp",
          "(why.wait_for(milliseconds(0)) == std::future_status::timeout)"}},
        cpp_files());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
