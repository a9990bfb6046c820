// SPDX-License-Identifier: Apache-2.0
#include "tests/real/cluster_up_process.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <signal.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

// Runs the example programs as a user would. manage_instances.cpp has a
// counterpart for every sample of the page "Manage instances" of Durable
// Functions. embedded_gateway.cpp is a service that uses a cluster; the test
// kills a node of the cluster while the service runs.

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

/// Runs the sample and expects exit code 0 and all texts in the output, in this
/// order.
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
          "check later: status URL"});
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

// The supervisor of the cluster restarts the killed node.
BOOST_AUTO_TEST_CASE(gateway_reconnects_to_a_node_that_was_restarted) {
  temp_directory directory;
  cluster_up_process cluster({"--data-dir", directory.path().string()});
  cluster.expect_up();
  BOOST_TEST_REQUIRE(cluster.nodes.size() == 3U);
  std::vector<std::string> arguments{std::getenv("PERDURA_EXAMPLES")
                                     + std::string("/embedded_gateway")};
  for (const shown_node& node : cluster.nodes)
    arguments.push_back(node.name + "=" + node.cluster_address);
  arguments.insert(arguments.end(), {"--orders", "60"});
  child_process gateway(arguments);
  std::string text;
  bool killed = false;
  while (const auto line = gateway.receive(cluster_up_process::wait_max)) {
    text += *line + '\n';
    if (!killed && line->ends_with(": placed")) {
      killed = true;
      BOOST_TEST(::kill(cluster.nodes[1].pid, SIGKILL) == 0);
    }
  }
  BOOST_TEST_CONTEXT(text) {
    BOOST_TEST(gateway.wait() == 0);
    for (const std::string& part :
         {std::string("  node-3: up, Perdura "),
          std::string(R"(["Hello Tokyo!","Hello Seattle!","Hello London!"])"),
          std::string("\"approved by the gateway\""),
          std::string("NoSuchFunction: not done: "),
          std::string(": placed at attempt 2"),
          std::string("60 orders, each placed once\n")})
      BOOST_TEST((text.find(part) != std::string::npos), part);
    // The moment of the kill decides which of the two messages is printed.
    BOOST_TEST((text.find(": unavailable, nothing was done: ") != text.npos
                || text.find(": outcome unknown: ") != text.npos));
  }
  cluster.process.interrupt();
  BOOST_TEST(cluster.expect_end().second == 0);
}

BOOST_AUTO_TEST_CASE(gateway_without_a_cluster_prints_an_error) {
  const reserved_ports nothing; // Nothing listens on this port.
  child_process gateway(
    {std::getenv("PERDURA_EXAMPLES") + std::string("/embedded_gateway"),
     "node-1=127.0.0.1:" + std::to_string(nothing.first())});
  const auto line = gateway.receive(cluster_up_process::wait_max);
  BOOST_TEST_REQUIRE(line.has_value());
  BOOST_TEST(line->starts_with("No node of the cluster can be reached."));
  BOOST_TEST(gateway.wait() == 1);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
