// SPDX-License-Identifier: Apache-2.0
// The binary on a terminal: its width, its colours, and the variables COLUMNS,
// NO_COLOR and TERM.
#include "client/cli/text_width.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/dev_server.hpp"

#include <boost/test/unit_test.hpp>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

using namespace perdura::tests;

namespace {

/// Runs the binary on a terminal with this number of columns, and returns its
/// output. `environment` has entries "NAME=value"; the test's own variables for
/// terminals have no effect.
std::string run_on_terminal(const std::vector<std::string>& arguments,
                            unsigned short columns,
                            std::vector<std::string> environment = {}) {
  environment.insert(environment.begin(), "TERM=xterm");
  winsize size{24, columns, 0, 0};
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    for (const char* name : {"COLUMNS", "LINES", "NO_COLOR"})
      ::unsetenv(name);
    for (std::string& each : environment)
      ::putenv(each.data());
    std::vector<char*> argv{const_cast<char*>("perdura")};
    for (const std::string& each : arguments)
      argv.push_back(const_cast<char*>(each.c_str()));
    argv.push_back(nullptr);
    ::execv(PERDURA_BINARY, argv.data());
    ::_exit(127);
  }
  BOOST_REQUIRE(child > 0);
  std::string out;
  char bytes[4096];
  // At the end of the child, a read of the terminal fails.
  for (ssize_t got = 0; (got = ::read(terminal, bytes, sizeof bytes)) > 0;)
    out.append(bytes, static_cast<std::size_t>(got));
  ::close(terminal);
  int status = 0;
  ::waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
  return out;
}

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    while (line.ends_with('\r'))
      line.pop_back();
    widest = std::max(widest, perdura::client::display_width(line));
  }
  return widest;
}

} // namespace

BOOST_AUTO_TEST_SUITE(terminal)

BOOST_AUTO_TEST_CASE(lists_fit_the_terminal_and_have_colours_on_request_only) {
  const dev_server server;
  const std::string id(150, 'x');
  child_process start(
    {PERDURA_BINARY, "start", "Approval", "--id", id, "--url", server.url()});
  BOOST_TEST(start.wait() == 0);
  const std::vector<std::string> list{"list", "--url", server.url()};
  for (const unsigned short columns : {60, 100}) {
    const std::string shown = run_on_terminal(list, columns, {"NO_COLOR=1"});
    BOOST_TEST(widest_line(shown) <= columns);
    BOOST_TEST(shown.find("xxx…") != std::string::npos);
    BOOST_TEST(shown.find('\x1b') == std::string::npos);
  }
  BOOST_TEST(
    widest_line(run_on_terminal(list, 200, {"COLUMNS=70", "NO_COLOR=1"}))
    <= 70U);
  BOOST_TEST(run_on_terminal(list, 100).find("\x1b[34mRunning\x1b[0m")
             != std::string::npos);
  BOOST_TEST(run_on_terminal(list, 100, {"NO_COLOR="}).find('\x1b')
             != std::string::npos);
  BOOST_TEST(run_on_terminal(list, 100, {"TERM=dumb"}).find('\x1b')
             == std::string::npos);
  // In a pipe, nothing is cut or coloured.
  child_process piped({PERDURA_BINARY, "list", "--url", server.url()},
                      {"TERM=xterm", "COLUMNS=40"});
  std::string all;
  while (const auto line = piped.receive(std::chrono::seconds(30)))
    all += *line + '\n';
  BOOST_TEST(piped.wait() == 0);
  BOOST_TEST(all.find(id + "  Approval") != std::string::npos);
  BOOST_TEST(all.find('\x1b') == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
