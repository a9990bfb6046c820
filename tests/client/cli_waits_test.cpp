// SPDX-License-Identifier: Apache-2.0
// Verbs whose node ends while they wait: they name the instance and the command
// that waits for it again, and their exit code says whether something was done.
#include "client/cli/wait_failure.hpp"
#include "tests/client/command_line_runner.hpp"
#include "tests/client/scripted_server.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace perdura::client;
using namespace perdura::tests;
using perdura::persistence::errc;

namespace {

const std::string started_response
  = response_of("202 Accepted", R"({"id":"order 7"})");
const std::string running_response = response_of(
  "202 Accepted",
  R"({"instanceId":"order 7","runtimeStatus":"Running","lastUpdatedTime":"x",)"
  R"("historyEvents":[]})");

} // namespace

BOOST_AUTO_TEST_SUITE(cli_waits)

// Regression: the exit code was 4, as if nothing was done, and the ID of the
// instance was lost.
BOOST_AUTO_TEST_CASE(
  node_that_ends_after_the_start_is_exit_code_5_with_the_id) {
  for (std::vector<std::string> line : {std::vector<std::string>{"run", "Echo"},
                                        {"start", "Echo", "--wait"},
                                        {"start", "Echo", "--follow"}})
    for (const std::vector<std::string>& script :
         {std::vector<std::string>{started_response},
          {started_response, ""},
          {started_response,
           response_of("503 Service Unavailable",
                       R"({"Message":"The node is stopping.",)"
                       R"("Code":"shutting_down"})")}}) {
      scripted_server node(script);
      std::vector<std::string> whole = line;
      whole.insert(whole.end(), {"--url", node.url()});
      const outcome ran = run_perdura(whole);
      BOOST_TEST(ran.code == 5, line[0] << ": " << ran.err);
      BOOST_TEST(ran.err_contains("Instance \"order 7\""), ran.err);
      BOOST_TEST(ran.err_contains("`perdura get 'order 7' --watch`"), ran.err);
    }
}

BOOST_AUTO_TEST_CASE(wait_that_times_out_names_the_command_that_waits_again) {
  scripted_server node({started_response, running_response});
  const outcome ran
    = run_perdura({"run", "Echo", "--timeout", "0", "--url", node.url()});
  BOOST_TEST(ran.code == 5);
  BOOST_TEST(ran.err
             == "perdura: Instance \"order 7\" has not ended in time. Instance "
                "\"order 7\" was started, and may still be running; wait for "
                "its end with `perdura get 'order 7' --watch`.\n");
}

// These verbs only read, so the node's end is exit code 4.
BOOST_AUTO_TEST_CASE(watching_verb_names_the_command_that_continues) {
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"get", "order 7", "--watch"},
        {"history", "order 7", "--follow"}}) {
    scripted_server node({running_response, ""});
    std::vector<std::string> whole = line;
    whole.insert(whole.end(), {"--url", node.url()});
    const outcome ran = run_perdura(whole);
    BOOST_TEST(ran.code == 4, line[0] << ": " << ran.err);
    BOOST_TEST(ran.err_contains("Instance \"order 7\" may still be running; "
                                "wait for its end with `perdura get 'order 7' "
                                "--watch`."),
               ran.err);
  }
}

// The node may have done what was asked, so the exit code is not that of a node
// that cannot be reached.
BOOST_AUTO_TEST_CASE(change_without_an_answer_is_exit_code_5) {
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"start", "Echo"},
        {"run", "Echo"},
        {"start-or-raise", "Echo", "a", "Go"},
        {"restart", "a"},
        {"raise-event", "a", "Go"},
        {"terminate", "a"},
        {"purge", "a"},
        {"pause", "Echo"}}) {
    scripted_server node({""});
    std::vector<std::string> whole = line;
    whole.insert(whole.end(), {"--url", node.url()});
    const outcome ran = run_perdura(whole);
    BOOST_TEST(ran.code == 5, line[0] << ": " << ran.err);
    BOOST_TEST(ran.err_contains("The request may have been carried out."),
               line[0] << ": " << ran.err);
    const outcome refused = run_perdura(whole);
    BOOST_TEST(refused.code == 4, line[0] << ": " << refused.err);
  }
}

BOOST_AUTO_TEST_CASE(start_without_an_answer_says_how_to_find_the_instance) {
  scripted_server first({""});
  BOOST_TEST(run_perdura({"start", "Echo", "--url", first.url()})
               .err_contains("`perdura list --since 5m`"));
  scripted_server second({""});
  BOOST_TEST(run_perdura({"run", "Echo", "--id", "a", "--url", second.url()})
               .err_contains("`perdura get a --watch`"));
}

BOOST_AUTO_TEST_CASE(command_that_waits_quotes_the_id) {
  BOOST_TEST(wait_command("order-7") == "`perdura get order-7 --watch`");
  BOOST_TEST(wait_command("a$b") == "`perdura get 'a$b' --watch`");
  BOOST_TEST(wait_command("it's") == "`perdura get 'it'\\''s' --watch`");
  BOOST_TEST(wait_command("-a") == "`perdura get --watch -- -a`");
}

BOOST_AUTO_TEST_CASE(instance_that_does_not_exist_stays_exit_code_3) {
  const auto gone
    = wait_failure("a", {errc::not_found, "There is no instance \"a\"."}, true);
  BOOST_TEST((gone.code == errc::not_found));
  BOOST_TEST(gone.message == "There is no instance \"a\".");
}

BOOST_AUTO_TEST_SUITE_END()
