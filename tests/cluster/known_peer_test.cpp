// SPDX-License-Identifier: Apache-2.0
// Which hello continues what is remembered about a node, and the number of its
// starts.
#include "cluster/placement/known_peer.hpp"
#include "cluster/placement/peer_register.hpp"
#include "cluster/placement/start_number.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace perdura::tests {

using cluster::begin_start;
using cluster::continue_peer;
using cluster::known_peer;
using cluster::peer_hello;
using cluster::peer_register;
using persistence::errc;

namespace {

persistence::timestamp microseconds(int count) {
  return persistence::timestamp(persistence::duration(count));
}

peer_hello hello_with(const std::string& directory, std::uint64_t start,
                      const std::string& run, int adopted = 0) {
  peer_hello hello;
  hello.node = "node-2";
  hello.directory = directory;
  hello.start_number = start;
  hello.run = run;
  hello.adopted_at = microseconds(adopted);
  return hello;
}

} // namespace

BOOST_AUTO_TEST_SUITE(known_peers)

BOOST_AUTO_TEST_CASE(hello_must_continue_what_is_known) {
  const known_peer known{"d", 5, "run", microseconds(0)};

  struct row {
    peer_hello hello;
    std::string refusal; ///< A part of the sentence; empty if it is accepted.
  };

  const std::vector<row> rows{
    {hello_with("d", 5, "run"), ""},
    {hello_with("d", 6, "other"), ""},
    {hello_with("d", 500, "other"), ""},
    {hello_with("d", 4, "run"), "start 5 of it was connected before"},
    {hello_with("d", 4, "other"), "start 5 of it was connected before"},
    {hello_with("d", 1, "other"), "older copy"},
    {hello_with("d", 0, ""), "older copy"},
    {hello_with("d", 5, "other"), "two copies"},
    {hello_with("e", 6, "other"), "another data directory"},
    {hello_with("e", 1, "other"), "another data directory"},
    {hello_with("e", 1, "other", 1), ""}, // adopted
  };
  for (const row& each : rows) {
    const auto next = continue_peer(&known, each.hello);
    BOOST_TEST_CONTEXT(each.hello.directory << ' ' << each.hello.start_number
                                            << ' ' << each.hello.run) {
      if (each.refusal.empty()) {
        BOOST_REQUIRE(static_cast<bool>(next));
        BOOST_TEST(next->directory == each.hello.directory);
        BOOST_TEST(next->start_number == each.hello.start_number);
        BOOST_TEST(next->run == each.hello.run);
        continue;
      }
      BOOST_REQUIRE(!next);
      BOOST_TEST((next.code() == errc::storage_foreign));
      BOOST_TEST(contains(next.error().message, each.refusal));
      BOOST_TEST(contains(next.error().message, "node-2"));
      BOOST_TEST(contains(next.error().message, "hub adopt"));
    }
  }
}

// The directory that an adopted one has replaced does not come back, unless it
// is adopted later.
BOOST_AUTO_TEST_CASE(later_adoption_replaces_an_earlier_one) {
  const known_peer known{"adopted", 2, "run", microseconds(7)};
  BOOST_TEST(!continue_peer(&known, hello_with("first", 100, "r")));
  BOOST_TEST(!continue_peer(&known, hello_with("other", 100, "r", 6)));
  BOOST_TEST(!continue_peer(&known, hello_with("other", 100, "r", 7)));
  BOOST_TEST(
    static_cast<bool>(continue_peer(&known, hello_with("other", 1, "r", 8))));
}

BOOST_AUTO_TEST_CASE(any_first_hello_is_remembered) {
  const auto first = continue_peer(nullptr, hello_with("d", 3, "r", 4));
  BOOST_REQUIRE(static_cast<bool>(first));
  BOOST_TEST((*first == known_peer{"d", 3, "r", microseconds(4)}));
}

// A node that has restarted refuses an older copy of another one.
BOOST_AUTO_TEST_CASE(starts_are_remembered_after_reopening) {
  temp_directory home;
  {
    auto peers = peer_register::open(home.path()).value();
    BOOST_TEST(static_cast<bool>(peers->admit(hello_with("d", 7, "a"))));
    BOOST_TEST(static_cast<bool>(peers->admit(hello_with("d", 8, "b"))));
  }
  auto peers = peer_register::open(home.path()).value();
  BOOST_TEST(
    (peers->admit(hello_with("d", 7, "a")).code() == errc::storage_foreign));
  BOOST_TEST(
    (peers->admit(hello_with("d", 8, "c")).code() == errc::storage_foreign));
  BOOST_TEST(static_cast<bool>(peers->admit(hello_with("d", 8, "b"))));
  BOOST_TEST(static_cast<bool>(peers->admit(hello_with("e", 1, "x", 9))));
  peers = peer_register::open(home.path()).value();
  BOOST_TEST(!peers->admit(hello_with("d", 9, "b")));
  BOOST_TEST(static_cast<bool>(peers->admit(hello_with("e", 1, "x", 9))));
}

// A file of the first release has no starts: the next one is accepted.
BOOST_AUTO_TEST_CASE(file_of_format_1_is_read) {
  temp_directory home;
  std::ofstream(home.path() / "peers")
    << "perdura peers, format 1\nnode-2 d\n. admitted\n";
  auto peers = peer_register::open(home.path()).value();
  BOOST_TEST(peers->was_admitted());
  BOOST_TEST(!peers->admit(hello_with("e", 1, "r")));
  BOOST_TEST(static_cast<bool>(peers->admit(hello_with("d", 1, "r"))));
  std::ifstream in(home.path() / "peers");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  BOOST_TEST(text == "perdura peers, format 2\nnode-2 d 1 r 0\n. admitted\n");
}

BOOST_AUTO_TEST_CASE(malformed_peers_file_is_damaged) {
  for (const char* line :
       {"node-2", "node-2 d", "node-2 d 1", "node-2 d 1 r", "node-2 d x r 0",
        "node-2 d 1 r 0 more", "node-2 d 1 r x", ""}) {
    temp_directory home;
    std::ofstream(home.path() / "peers") << "perdura peers, format 2\n"
                                         << line << '\n';
    BOOST_TEST(
      (peer_register::open(home.path()).code() == errc::storage_damaged), line);
  }
}

// --- The number of starts ----------------------------------------------------

BOOST_AUTO_TEST_CASE(each_start_has_a_greater_number_and_another_run) {
  temp_directory home;
  std::string last_run;
  for (std::uint64_t i = 1; i <= 12; ++i) {
    const auto start = begin_start(home.path()).value();
    BOOST_TEST(start.number == i);
    BOOST_TEST(start.run != last_run);
    last_run = start.run;
  }
}

// A copy continues with the number of the directory that was copied.
BOOST_AUTO_TEST_CASE(copy_continues_with_the_number_of_its_original) {
  temp_directory home;
  const auto original = home.path() / "a";
  const auto copy = home.path() / "b";
  std::filesystem::create_directory(original);
  begin_start(original).value();
  begin_start(original).value();
  std::filesystem::copy(original, copy);
  const auto one = begin_start(original).value();
  const auto two = begin_start(copy).value();
  BOOST_TEST(one.number == two.number);
  BOOST_TEST(one.run != two.run);
}

// To begin with 1 again would let the other nodes refuse the node.
BOOST_AUTO_TEST_CASE(damaged_start_file_is_reported_and_kept) {
  for (const char* text :
       {"", "7\n", "perdura start, format 1\n", "perdura start, format 1\nx\n",
        "perdura start, format 1\n7 8\n", "perdura start, format 2\n7\n",
        "perdura start, format 1\n18446744073709551615\n"}) {
    temp_directory home;
    std::ofstream(home.path() / "start") << text;
    const auto start = begin_start(home.path());
    BOOST_TEST((start.code() == errc::storage_damaged), text);
    std::ifstream in(home.path() / "start");
    BOOST_TEST(std::string(std::istreambuf_iterator<char>(in), {}) == text);
  }
  temp_directory home;
  std::filesystem::create_directory(home.path() / "start");
  BOOST_TEST((begin_start(home.path()).code() == errc::storage_failed));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
