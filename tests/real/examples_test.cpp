#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

// Every sample of Durable Functions' "Manage instances" has its counterpart
// in client/examples/manage_instances.cpp; each is run as a user would.

namespace perdura::tests {

namespace {

struct outcome {
  std::string text;
  int status = -1;
};

outcome run_sample(const std::string& name) {
  const char* directory = std::getenv("PERDURA_EXAMPLES");
  BOOST_TEST_REQUIRE(directory != nullptr);
  const std::string command
    = std::string(directory) + "/manage_instances " + name + " 2>&1";
  outcome out;
  FILE* lines = ::popen(command.c_str(), "r");
  BOOST_TEST_REQUIRE(lines != nullptr);
  std::array<char, 4096> bytes{};
  while (std::fgets(bytes.data(), bytes.size(), lines) != nullptr)
    out.text += bytes.data();
  out.status = ::pclose(lines);
  return out;
}

/// Runs the sample and looks for each of the texts, in order.
void expect(const std::string& name, const std::vector<std::string>& texts) {
  const outcome out = run_sample(name);
  BOOST_TEST_CONTEXT("manage_instances " << name << " printed:\n" << out.text) {
    BOOST_TEST(out.status == 0);
    std::size_t from = 0;
    for (const std::string& text : texts) {
      const std::size_t at = out.text.find(text, from);
      BOOST_TEST((at != std::string::npos), "not found: " << text);
      from = at == std::string::npos ? from : at + text.size();
    }
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(examples)

BOOST_AUTO_TEST_CASE(starting_instances) {
  expect("start", {"Started orchestration with ID = '", "\"Hello Perdura!\""});
}

BOOST_AUTO_TEST_CASE(starting_by_an_output_binding) {
  expect("start_by_binding", {"from-a-binding: \"Hello binding!\""});
}

BOOST_AUTO_TEST_CASE(querying_instances) {
  expect("get_status", {R"("runtimeStatus":"Completed")", R"("input":"status")",
                        R"("output":"Hello status!")", R"("historyEvents":[)",
                        R"("Result":"Hello status!")", "never-started: null"});
}

BOOST_AUTO_TEST_CASE(querying_all_instances) {
  expect("get_all_status", {"instances", "cancelled: cancelled"});
}

BOOST_AUTO_TEST_CASE(querying_instances_with_filters) {
  expect("query_status", {"found: yes"});
}

BOOST_AUTO_TEST_CASE(terminating_instances) {
  expect("terminate", {"Terminated: \"It was time to be done.\""});
}

BOOST_AUTO_TEST_CASE(sending_events_to_instances) {
  expect("raise_event", {"[1,2,3]", "no-such-instance: not_found"});
}

BOOST_AUTO_TEST_CASE(waiting_for_completion) {
  expect("wait_for_completion",
         {R"(["Hello Tokyo!","Hello Seattle!","Hello London!"])",
          "check later: its URL"});
}

BOOST_AUTO_TEST_CASE(retrieving_management_urls) {
  expect("management_payload",
         {"/raiseEvent/{eventName}?", "/terminate?reason={text}&",
          "/rewind?reason={text}&", "documents: 1"});
}

BOOST_AUTO_TEST_CASE(rewinding_instances) {
  expect("rewind",
         {"Failed: \"Orchestrator function 'ApproveAndStore' failed: ",
          "invalid connection string",
          "Completed: \"stored\", 2 approvals were asked for"});
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
