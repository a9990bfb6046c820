#include "tests/support/served_node.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

// The client that applications have already: the npm package
// durable-functions, unchanged, in Node, against the binary. What it is asked
// for and what it must answer stands in durable_client_test.mjs.

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

/// Lets the client loose on the node, and shows all it says if it objects.
void run_client(const served_node& node, const std::string& key = {}) {
  const fs::path source = from_environment("PERDURA_SOURCE_DIR");
  const fs::path modules = source / "build/sdk";
  BOOST_TEST_REQUIRE(fs::exists(modules / "node_modules/durable-functions"),
                     "The client is not in build/sdk; ./dev test installs it.");
  std::vector<std::string> words{"node", "--test-reporter=spec",
                                 source / "tests/sdk/durable_client_test.mjs",
                                 node.url(), modules};
  if (!key.empty())
    words.push_back(key);
  child_process client(words);
  std::string said;
  while (const auto line = client.receive(seconds(60)))
    said += *line + '\n';
  const int code = client.wait();
  BOOST_TEST(code != 127, "There is no node; ./dev test installs it.");
  BOOST_TEST(code == 0, said);
}

} // namespace

BOOST_AUTO_TEST_SUITE(sdk)

BOOST_AUTO_TEST_CASE(the_durable_client_finds_what_it_was_written_for) {
  const served_node node;
  run_client(node);
}

// The key is in each URL that the binding has: as a password where the client
// adds no parameters.
BOOST_AUTO_TEST_CASE(and_finds_it_as_well_behind_a_key) {
  const std::string key = "a+key/with=signs&more";
  const served_node node({"PERDURA_KEYS=" + key});
  run_client(node, key);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
