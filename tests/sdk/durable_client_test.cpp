// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dev_server.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

// Runs the npm package durable-functions, unchanged, in Node.js against the
// perdura binary. The calls and the expected answers are in
// durable_client_test.mjs.

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

fs::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr)
    throw std::runtime_error(std::string(name) + " is not set");
  return value;
}

/// Runs durable_client_test.mjs against the node. The test message holds its
/// whole output if a check fails.
void run_client(const dev_server& node, const std::string& key = {}) {
  const fs::path source = from_environment("PERDURA_SOURCE_DIR");
  const fs::path modules = source / "build/sdk";
  BOOST_TEST_REQUIRE(
    fs::exists(modules / "node_modules/durable-functions"),
    "build/sdk has no durable-functions package; ./dev test installs it.");
  std::vector<std::string> command{"node", "--test-reporter=spec",
                                   source / "tests/sdk/durable_client_test.mjs",
                                   node.url(), modules};
  if (!key.empty())
    command.push_back(key);
  child_process client(command);
  std::string output;
  while (const auto line = client.receive(seconds(60)))
    output += *line + '\n';
  const int code = client.wait();
  BOOST_TEST(code != 127, "Node.js is not installed; ./dev test installs it.");
  BOOST_TEST(code == 0, output);
}

} // namespace

BOOST_AUTO_TEST_SUITE(sdk)

BOOST_AUTO_TEST_CASE(durable_functions_client_works_unchanged) {
  const dev_server node;
  run_client(node);
}

// Every URL of the client binding contains the key. In rpcBaseUrl, to which the
// client adds no parameters, the key is the password of the URL.
BOOST_AUTO_TEST_CASE(durable_functions_client_works_with_a_key) {
  const std::string key = "a+key/with=signs&more";
  const dev_server node({"PERDURA_KEYS=" + key});
  run_client(node, key);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
