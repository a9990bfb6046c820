// SPDX-License-Identifier: Apache-2.0
// A node that cannot serve says why: one that no other node knows, and one that
// gets fewer threads than it asks for.
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

/// Reads lines until one contains `part`. Returns that line, or all lines if
/// there is none.
std::string await_line(child_process& from, const std::string& part) {
  std::string all;
  while (const auto line = from.receive(patience)) {
    if (line->find(part) != line->npos)
      return *line;
    all += *line + '\n';
  }
  return all;
}

std::string binary() {
  return std::getenv("PERDURA_BINARY");
}

} // namespace

BOOST_AUTO_TEST_SUITE(waiting_node)

// Regression: a fourth node waited silently, because none of the other three
// has it in its list and connects to it.
BOOST_AUTO_TEST_CASE(node_that_no_other_node_connects_to_says_so) {
  temp_directory directory;
  const reserved_ports ports(5);
  std::vector<std::string> command{binary(), "serve", "--data-dir",
                                   (directory.path() / "hub").string()};
  std::string nodes;
  for (std::size_t i = 0; i < 4; ++i)
    nodes += (i == 0 ? "\"" : ", \"") + ("node-" + std::to_string(i + 1))
             + "=127.0.0.1:" + std::to_string(ports.at(i)) + '"';
  const fs::path file = directory.path() / "node.toml";
  std::ofstream(file) << "[hub]\ncreate = true\nid = \"" << std::string(32, 'a')
                      << "\"\n[cluster]\nnode = "
                      << "\"node-4\"\nnodes = [" << nodes
                      << "]\n[http]\nport = " << ports.at(4) << '\n';
  command.insert(command.end(), {"--config", file.string()});
  child_process node(command);
  for (const char* name : {"node-1: ", "node-2: ", "node-3: "}) {
    const std::string line = await_line(node, name);
    BOOST_TEST(line.find("it has not connected to this node") != line.npos,
               line);
    BOOST_TEST(line.find("\"node-4\"") != line.npos);
  }
  node.interrupt();
  BOOST_TEST(node.wait() == 0);
}

// Regression: a thread that the system refused ended the process with SIGABRT.
// The limit counts the threads of a user, so the test needs one without others.
BOOST_AUTO_TEST_CASE(
  refused_threads_do_not_abort_the_process,
  *boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
    return boost::test_tools::assertion_result(::geteuid() == 0);
  })) {
  const std::string user = "64077";
  // LeakSanitizer needs a process of its own, which the limit refuses.
  const char* const given = std::getenv("ASAN_OPTIONS");
  const std::string sanitizer = std::string("ASAN_OPTIONS=")
                                + (given == nullptr ? "" : given)
                                + ":detect_leaks=0";
  std::size_t served = 0;
  std::size_t refused = 0;
  for (int limit = 1; limit <= 40; ++limit) {
    const temp_directory directory;
    const fs::path data = directory.path() / "data";
    fs::create_directory(data);
    BOOST_REQUIRE(::chown(data.c_str(), std::stoul(user), std::stoul(user))
                  == 0);
    fs::permissions(directory.path(), fs::perms(0755));
    child_process node({"setpriv", "--reuid=" + user, "--regid=" + user,
                        "--clear-groups", "prlimit",
                        "--nproc=" + std::to_string(limit), "env", sanitizer,
                        binary(), "dev", "--once", "--http", "127.0.0.1:0",
                        "--data-dir", (data / "hub").string()});
    std::string said;
    while (const auto line = node.receive(patience))
      said += *line + '\n';
    const int code = node.wait();
    BOOST_TEST((code == 0 || code == 4), limit << ": " << code << '\n' << said);
    if (code == 0)
      ++served;
    else
      ++refused;
    if (code == 4)
      BOOST_TEST(said.find("refuses to create threads") != said.npos, said);
  }
  BOOST_TEST(refused > 0U);
  BOOST_TEST(served > 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
