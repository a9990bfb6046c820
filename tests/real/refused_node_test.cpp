// SPDX-License-Identifier: Apache-2.0
// `perdura serve` with an emptied data directory: the other node refuses it.
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds refusal_wait_max = patience;

/// Configuration files and directories of a cluster of two nodes.
struct two_nodes {
  two_nodes() {
    for (std::size_t i = 0; i < 2; ++i)
      std::ofstream(file_of(i))
        << "[node]\ndata_dir = \"" << dir_of(i).string()
        << "\"\n[hub]\ncreate = true\nid = \"" << std::string(32, 'b')
        << "\"\npartitions = 4\n[http]\nport = " << http_ports.at(i)
        << "\n[cluster]\nnode = \"" << name_of(i)
        << "\"\nnodes = [\"node-1=127.0.0.1:" << cluster_ports.at(0)
        << "\", \"node-2=127.0.0.1:" << cluster_ports.at(1) << "\"]\n";
  }

  static std::string name_of(std::size_t i) {
    return "node-" + std::to_string(i + 1);
  }

  fs::path dir_of(std::size_t i) const {
    return directory.path() / name_of(i);
  }

  fs::path file_of(std::size_t i) const {
    return directory.path() / (name_of(i) + ".toml");
  }

  std::unique_ptr<child_process> serve(std::size_t i) const {
    return std::make_unique<child_process>(std::vector<std::string>{
      std::getenv("PERDURA_BINARY"), "serve", "--config", file_of(i).string()});
  }

  static void expect_line(child_process& node, const std::string& part) {
    std::string before;
    while (const auto line = node.receive(refusal_wait_max)) {
      before += *line + '\n';
      if (line->find(part) != std::string::npos)
        return;
    }
    BOOST_FAIL("no line with \"" << part << "\"; the output is: " << before);
  }

  temp_directory directory;
  const reserved_ports http_ports{2};
  const reserved_ports cluster_ports{2};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(refused_node, two_nodes)

BOOST_AUTO_TEST_CASE(node_with_an_emptied_directory_ends_with_exit_code_1) {
  const auto first = serve(0);
  expect_line(*first, "serves requests only after another node");
  {
    const auto second = serve(1);
    expect_line(*second, "Press Ctrl-C");
    expect_line(*first, "Press Ctrl-C");
    second->interrupt();
    BOOST_TEST(second->wait() == 0);
  }
  // With `create = true` the node makes a new, empty directory.
  fs::remove_all(dir_of(1));
  const auto again = serve(1);
  std::string text;
  while (const auto line = again->receive(refusal_wait_max))
    text += *line + '\n';
  BOOST_TEST(again->wait() == 1, text);
  const std::string sentence
    = "This node stops. Node \"node-1\" refuses this one: Node \"node-2\" has "
      "connected with another data directory than before";
  // The sentence is printed once as an error and once in the log.
  const std::size_t at = text.find("perdura: " + sentence);
  BOOST_TEST((at != std::string::npos), text);
  const std::size_t logged = text.find(sentence);
  BOOST_TEST((logged != std::string::npos && logged != at + 9), text);
  first->interrupt();
  BOOST_TEST(first->wait() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
