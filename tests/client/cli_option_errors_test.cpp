// SPDX-License-Identifier: Apache-2.0
// Errors name the option that was typed, and numbers have the right noun.
#include "client/cli/check_verb.hpp"
#include "client/cli/counted_noun.hpp"
#include "tests/client/command_line_runner.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

using namespace perdura::client;
using namespace perdura::tests;

namespace {

/// Runs the command line with the URL of no node.
struct option_fixture {
  static outcome perdura(std::vector<std::string> typed) {
    typed.insert(typed.end(), {"--url", "http://127.0.0.1:9"});
    return run_perdura(std::move(typed));
  }

  temp_directory directory;
};

// The exit code of a command that was accepted, but has reached no node.
constexpr int no_node = 4;

} // namespace

BOOST_FIXTURE_TEST_SUITE(cli_option_errors, option_fixture)

// Regression: the errors named the parameters of the HTTP API.
BOOST_AUTO_TEST_CASE(error_of_a_value_names_the_option) {
  for (const char* verb : {"list", "count", "terminate", "purge", "rewind"})
    for (const auto& [option, value] :
         {std::pair("--created-from", "yesterday"),
          std::pair("--created-to", "1h"), std::pair("--since", "soon"),
          std::pair("--status", "Broken"), std::pair("--status", "Failed,8")}) {
      const outcome ran = perdura({verb, option, value});
      BOOST_TEST(ran.code == 2, verb << ' ' << option);
      BOOST_TEST(ran.err_contains(std::string(option) + ": must be"), ran.err);
    }
  BOOST_TEST(perdura({"start", "Echo", "--at", "later"})
               .err_contains("--at: must be a time (ISO 8601)"));
  const outcome key
    = perdura({"start", "Echo", "--key", std::string(257, 'k')});
  BOOST_TEST(key.code == 2);
  BOOST_TEST(key.err_contains("--key: must have at most 256 bytes"), key.err);
}

BOOST_AUTO_TEST_CASE(range_without_instances_names_the_options) {
  const std::string sentence
    = "perdura: The time of --created-from or --since is after the time of "
      "--created-to: no instance can match.\n";
  for (const char* verb : {"list", "count", "terminate", "purge"})
    for (const char* from : {"--created-from", "--since"}) {
      const outcome ran = perdura({verb, from, "2026-02-01T00:00:00Z",
                                   "--created-to", "2026-01-01T00:00:00Z"});
      BOOST_TEST(ran.code == 2, verb);
      BOOST_TEST(ran.err == sentence, verb);
    }
  BOOST_TEST(perdura({"list", "-o", "json", "--since", "1h", "--created-to",
                      "2026-01-01"})
               .err
             == sentence);
  // An end without a fraction includes its whole second.
  BOOST_TEST(perdura({"list", "--created-from", "2026-01-01T00:00:00.5Z",
                      "--created-to", "2026-01-01T00:00:00Z"})
               .code
             == no_node);
}

BOOST_AUTO_TEST_CASE(status_is_accepted_in_any_case_and_as_a_number) {
  for (const char* status : {"failed", "Failed, running", "CANCELED", "3"})
    BOOST_TEST(perdura({"list", "--status", status}).code == no_node, status);
}

BOOST_AUTO_TEST_CASE(one_is_singular) {
  BOOST_TEST(counted(0, "row") == "0 rows");
  BOOST_TEST(counted(1, "row") == "1 row");
  BOOST_TEST(counted(2, "row") == "2 rows");
  const std::string hub = (directory.path() / "one").string();
  const outcome made
    = run_perdura({"hub", "create", "--data-dir", hub, "--partitions", "1"});
  BOOST_TEST(made.out_contains("with 1 partition created"),
             made.out << made.err);
  // `perdura check` reads in a child process and prints there.
  perdura::persistence::verification found;
  found.instances = 1;
  found.records = 1;
  std::istringstream in;
  std::ostringstream out;
  terminal io{in, out, out};
  BOOST_TEST(print_verification(found, io) == 0);
  BOOST_TEST(out.str().starts_with("Read: 1 instance, 0 rows, 1 journal record "
                                   "and 0 pages.\n"),
             out.str());
}

// Regression: the error was "permission denied".
BOOST_AUTO_TEST_CASE(file_in_place_of_a_data_directory_is_named) {
  const std::string file = (directory.path() / "file").string();
  std::ofstream(file) << "text";
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"serve", "--data-dir", file},
        {"hub", "create", "--data-dir", file},
        {"hub", "adopt", file},
        {"check", file},
        {"check", "--rebuild-views", file},
        {"compact", file},
        {"terminate", "--offline", file, "a"},
        {"dev", "--once", "--data-dir", file},
        {"cluster", "up", "--data-dir", file}}) {
    const outcome ran = run_perdura(line);
    BOOST_TEST(ran.code != 0, line[0]);
    BOOST_TEST(!ran.err_contains("denied"), line[0] << ": " << ran.err);
    BOOST_TEST(ran.err_contains("ot a directory"), line[0] << ": " << ran.err);
  }
}

BOOST_AUTO_TEST_SUITE_END()
