// SPDX-License-Identifier: Apache-2.0
// The supervisor of `cluster up` with small processes in place of nodes.
#include "client/cli/node_supervisor.hpp"
#include "tests/client/supervised_child.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace perdura::tests {

using client::node_supervisor;
using client::supervised_node;
using client::supervisor_times;
using std::chrono::milliseconds;

namespace {

/// An output that calls a function with the whole text after each line. The
/// supervisor flushes after each line.
class watched_output : public std::stringbuf {
public:
  std::function<void(const std::string& text)> on_line;

protected:
  int sync() override {
    if (on_line)
      on_line(str());
    return 0;
  }
};

/// A supervisor whose times are either longer than the test may run, or 0. So
/// no result depends on the speed of the machine.
struct supervisor_fixture {
  supervisor_fixture() {
    times.ready_max = never;
    times.stop_max = never;
    times.restart_wait = milliseconds(1);
    times.restart_wait_max = milliseconds(1);
  }

  /// A node that runs as `run_supervised_child` describes.
  supervised_node node(const std::string& name, const std::string& mode) const {
    return {name, {supervised_child_flag, mode, witness}};
  }

  /// Requests a stop, as Ctrl-C does. The supervisor has blocked the signal.
  static void interrupt() {
    ::kill(::getpid(), SIGINT);
  }

  static bool is_gone(pid_t pid) {
    return ::kill(pid, 0) != 0 && errno == ESRCH;
  }

  /// How many processes were ended by SIGINT.
  std::size_t interrupted() const {
    std::size_t lines = 0;
    std::ifstream file(witness);
    for (std::string line; std::getline(file, line);)
      ++lines;
    return lines;
  }

  temp_directory directory;
  const std::string witness = directory.path() / "witness";
  std::istringstream in;
  watched_output out_text;
  watched_output err_text;
  std::ostream out{&out_text};
  std::ostream err{&err_text};
  client::terminal io{in, out, err};
  supervisor_times times;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(node_supervisor_suite, supervisor_fixture)

BOOST_AUTO_TEST_CASE(start_returns_when_all_nodes_serve) {
  node_supervisor supervisor(io, times);
  const auto started
    = supervisor.start({node("a", "serve"), node("b", "serve")});
  BOOST_TEST_REQUIRE(static_cast<bool>(started));
  BOOST_TEST(supervisor.pid_of("a") > 0);
  BOOST_TEST(supervisor.pid_of("b") > 0);
  BOOST_TEST(supervisor.pid_of("a") != supervisor.pid_of("b"));
  BOOST_TEST(supervisor.pid_of("c") == -1);
  BOOST_TEST(!supervisor.stop_requested());
  supervisor.stop();
}

// SIGINT goes to all nodes. stop() returns after all of them have ended.
BOOST_AUTO_TEST_CASE(stop_interrupts_all_nodes_and_waits_for_their_ends) {
  node_supervisor supervisor(io, times);
  BOOST_TEST_REQUIRE(static_cast<bool>(
    supervisor.start({node("a", "serve"), node("b", "serve")})));
  const std::vector<pid_t> pids{supervisor.pid_of("a"), supervisor.pid_of("b")};
  supervisor.stop();
  BOOST_TEST(interrupted() == 2U);
  BOOST_TEST(supervisor.pid_of("a") == -1);
  BOOST_TEST(supervisor.pid_of("b") == -1);
  BOOST_TEST(std::all_of(pids.begin(), pids.end(), is_gone));
  BOOST_TEST(err_text.str() == "");
}

// The banner is not shown; each later line has the name of its node.
BOOST_AUTO_TEST_CASE(lines_after_the_banner_are_printed_with_the_name) {
  node_supervisor supervisor(io, times);
  BOOST_TEST_REQUIRE(static_cast<bool>(
    supervisor.start({node("a", "serve"), node("b", "serve")})));
  supervisor.stop();
  std::vector<std::string> lines;
  std::istringstream shown(out_text.str());
  for (std::string line; std::getline(shown, line);)
    lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  BOOST_TEST((lines == std::vector<std::string>{"a | working", "b | working"}),
             out_text.str());
}

BOOST_AUTO_TEST_CASE(node_that_ends_before_it_serves_fails_the_start) {
  node_supervisor supervisor(io, times);
  const auto started
    = supervisor.start({node("a", "serve"), node("b", "refuse")});
  BOOST_TEST((started.code() == persistence::errc::unavailable));
  BOOST_TEST(
    started.error().message
    == "b ended with exit code 3 before the cluster was ready; see its "
       "output above.");
  BOOST_TEST(out_text.str().find("b | cannot serve\n") != std::string::npos,
             out_text.str());
  BOOST_TEST(supervisor.pid_of("b") == -1);
  const pid_t other = supervisor.pid_of("a");
  supervisor.stop();
  BOOST_TEST(is_gone(other));
}

BOOST_AUTO_TEST_CASE(nodes_that_are_not_ready_in_time_are_named) {
  times.ready_max = milliseconds(0);
  node_supervisor supervisor(io, times);
  const auto started
    = supervisor.start({node("a", "silent"), node("b", "silent")});
  BOOST_TEST((started.code() == persistence::errc::unavailable));
  BOOST_TEST(started.error().message == "Not ready after 0 s: a, b.");
}

// The killed node gets a new process; the other one keeps its process.
BOOST_AUTO_TEST_CASE(killed_node_is_restarted) {
  node_supervisor supervisor(io, times);
  BOOST_TEST_REQUIRE(static_cast<bool>(
    supervisor.start({node("a", "serve"), node("b", "serve")})));
  const pid_t killed = supervisor.pid_of("a");
  const pid_t other = supervisor.pid_of("b");
  err_text.on_line = [](const std::string& text) {
    if (text.find("serves again") != text.npos)
      interrupt();
  };
  BOOST_TEST(::kill(killed, SIGKILL) == 0);
  supervisor.serve();
  err_text.on_line = {};
  const pid_t restarted = supervisor.pid_of("a");
  BOOST_TEST(supervisor.stop_requested());
  BOOST_TEST(restarted > 0);
  BOOST_TEST(restarted != killed);
  BOOST_TEST(supervisor.pid_of("b") == other);
  BOOST_TEST(
    err_text.str()
    == "perdura: a (pid " + std::to_string(killed)
         + ") was ended by signal 9 (Killed); it starts again in 0 s.\n"
           "perdura: a serves again (pid "
         + std::to_string(restarted) + ").\n");
  supervisor.stop();
  BOOST_TEST(interrupted() == 2U);
}

// Each end leads to one restart.
BOOST_AUTO_TEST_CASE(node_is_restarted_each_time_it_ends) {
  node_supervisor supervisor(io, times);
  BOOST_TEST_REQUIRE(static_cast<bool>(supervisor.start({node("a", "serve")})));
  std::vector<pid_t> pids{supervisor.pid_of("a")};
  err_text.on_line = [&](const std::string& text) {
    if (!text.ends_with(").\n"))
      return; // The sentence about the end.
    pids.push_back(supervisor.pid_of("a"));
    if (pids.size() == 4)
      interrupt();
    else
      ::kill(pids.back(), SIGKILL);
  };
  ::kill(pids.front(), SIGKILL);
  supervisor.serve();
  err_text.on_line = {};
  std::sort(pids.begin(), pids.end());
  BOOST_TEST(pids.size() == 4U);
  BOOST_TEST((std::adjacent_find(pids.begin(), pids.end()) == pids.end()));
  supervisor.stop();
  BOOST_TEST(interrupted() == 1U);
}

// The node has ended, and the signal arrives before its restart.
BOOST_AUTO_TEST_CASE(no_node_is_restarted_after_a_stop_was_requested) {
  times.restart_wait = never;
  node_supervisor supervisor(io, times);
  BOOST_TEST_REQUIRE(static_cast<bool>(supervisor.start({node("a", "serve")})));
  err_text.on_line = [](const std::string&) { interrupt(); };
  ::kill(supervisor.pid_of("a"), SIGKILL);
  supervisor.serve();
  err_text.on_line = {};
  BOOST_TEST(err_text.str().find("it starts again in 3600 s.\n")
               != std::string::npos,
             err_text.str());
  BOOST_TEST(supervisor.pid_of("a") == -1);
  supervisor.stop();
}

BOOST_AUTO_TEST_CASE(stop_request_ends_the_start) {
  node_supervisor supervisor(io, times);
  interrupt();
  BOOST_TEST(static_cast<bool>(supervisor.start({node("a", "silent")})));
  BOOST_TEST(supervisor.stop_requested());
  supervisor.stop();
  BOOST_TEST(supervisor.pid_of("a") == -1);
}

BOOST_AUTO_TEST_CASE(node_that_ignores_the_interrupt_is_killed) {
  times.stop_max = milliseconds(0);
  node_supervisor supervisor(io, times);
  BOOST_TEST_REQUIRE(
    static_cast<bool>(supervisor.start({node("a", "stubborn")})));
  const pid_t pid = supervisor.pid_of("a");
  supervisor.stop();
  BOOST_TEST(is_gone(pid));
  BOOST_TEST(interrupted() == 0U);
  BOOST_TEST(err_text.str()
             == "perdura: a did not end within 0 s and is killed. Unfinished "
                "work runs again at the next start.\n");
}

BOOST_AUTO_TEST_CASE(destruction_kills_nodes_that_still_run) {
  pid_t pid = -1;
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, nullptr, &before);
  {
    node_supervisor supervisor(io, times);
    BOOST_TEST_REQUIRE(
      static_cast<bool>(supervisor.start({node("a", "stubborn")})));
    pid = supervisor.pid_of("a");
    BOOST_TEST(!is_gone(pid));
  }
  BOOST_TEST(is_gone(pid));
  sigset_t after;
  ::sigprocmask(SIG_BLOCK, nullptr, &after);
  BOOST_TEST(::sigismember(&after, SIGINT) == ::sigismember(&before, SIGINT));
  BOOST_TEST(::sigismember(&after, SIGCHLD) == ::sigismember(&before, SIGCHLD));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
