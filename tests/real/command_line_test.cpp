// SPDX-License-Identifier: Apache-2.0
#include "tests/support/child_process.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

using perdura::tests::temp_directory;

namespace {

int run_shell(const std::string& line) {
  const int status = std::system(line.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const std::string binary = std::string("'") + PERDURA_BINARY + "'";

} // namespace

BOOST_AUTO_TEST_SUITE(command_line)

// Regression: `perdura dev | head -1` did not end and left its directory
// behind.
BOOST_AUTO_TEST_CASE(dev_ends_when_its_output_is_closed_and_removes_its_data) {
  temp_directory directory;
  const std::string place = "TMPDIR='" + directory.path().string() + "' ";
  BOOST_TEST(run_shell(place + binary
                       + " dev --http 127.0.0.1:0 2>/dev/null | head -1"
                         " | grep -q '^Perdura '")
             == 0);
  BOOST_TEST(std::filesystem::is_empty(directory.path()));
}

// Sends the SIGINT of Ctrl-C to `perdura list --watch`.
BOOST_AUTO_TEST_CASE(ctrl_c_ends_a_watch_with_130) {
  temp_directory directory;
  const std::string out = directory.path().string() + "/out";
  const std::string script = "mkfifo '" + out + "'; " + binary
                             + " dev --http 127.0.0.1:0 > '" + out
                             + "' 2>/dev/null & node=$!; exec 3< '" + out
                             + "'; url=; while read -r word rest <&3; do"
                               " [ \"$word\" = HTTP ] && url=$rest;"
                               " [ \"$word\" = '[\"Hello' ] && break; done; "
                             + binary + " list --watch --url \"$url\" > '" + out
                             + ".list' & watch=$!;"
                               " while ! grep -q HelloSequence '"
                             + out
                             + ".list' 2>/dev/null; do sleep 0.05; done;"
                               " kill -INT $watch; wait $watch; code=$?;"
                               " kill -INT $node; wait $node; exit $code";
  // Background jobs of a script ignore SIGINT unless job control (-m) is on.
  BOOST_TEST(run_shell("bash -mc \"$(cat <<'END'\n" + script + "\nEND\n)\"")
             == 130);
}

BOOST_AUTO_TEST_CASE(bench_starts_its_own_nodes_and_removes_their_data) {
  temp_directory directory;
  const std::string place = directory.path().string();
  BOOST_TEST(run_shell("TMPDIR='" + place + "' " + binary
                       + " bench hello event --nodes 2 --in-flight 4 --seconds"
                         " 0.2 --rounds 1 --warm-up 0 2>/dev/null"
                         " | grep -q '^hello  *4 in flight'")
             == 0);
  BOOST_TEST(std::filesystem::is_empty(directory.path()));
}

// 130 is 128 plus the number of SIGINT, as shells report it.
BOOST_AUTO_TEST_CASE(ctrl_c_ends_a_bench_and_its_nodes_with_130) {
  temp_directory directory;
  perdura::tests::child_process bench({PERDURA_BINARY, "bench", "--data-dir",
                                       directory.path().string(), "--seconds",
                                       "30", "--warm-up", "30"});
  // Without a terminal the command prints a progress line every 5 s.
  BOOST_REQUIRE(bench.receive(std::chrono::seconds(30)));
  bench.interrupt();
  BOOST_TEST(bench.wait() == 130);
  BOOST_TEST(std::filesystem::is_empty(directory.path()));
}

BOOST_AUTO_TEST_SUITE_END()
