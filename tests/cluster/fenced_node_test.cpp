// SPDX-License-Identifier: Apache-2.0
// Two processes with the name of one node: only one of them has sessions, and
// the other says what to do.
#include "cluster/placement/known_peer.hpp"
#include "tests/cluster/router_fixture.hpp"
#include "tests/support/contains.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>

namespace perdura::tests {

using namespace std::chrono_literals;
using namespace cluster;
using persistence::errc;
using persistence::index_of;

namespace {

/// node-1 remembers the starts of the others. "node-2" and "copy" are processes
/// with the name node-2.
struct fenced_routers : connected_routers {
  fenced_routers() {
    router_config config = config_of("node-1");
    config.admit = [this](const peer_hello& hello) -> result<void> {
      const auto next = continue_peer(known_ ? &*known_ : nullptr, hello);
      if (!next)
        return next.error();
      known_ = *next;
      return {};
    };
    config.self.run = "one";
    add("node-1", std::move(config));
  }

  router_node& start(const std::string& as, std::uint64_t number,
                     const std::string& run,
                     const std::string& directory = "d") {
    router_config config = config_of("node-2");
    config.self.directory = directory;
    config.self.start_number = number;
    config.self.run = run;
    config.admission_wait = 2s;
    return add(as, std::move(config));
  }

  router_node& one() {
    return *nodes_by_name.at("node-1");
  }

  /// The path from node-1 to the process. Only node-1 expects a name.
  path_id connect_to(const std::string& as) {
    return connect("node-1", as, "node-2");
  }

  /// A path that the process opens to node-1.
  path_id connect_from(const std::string& as) {
    return connect(as, "node-1", "node-1");
  }

  std::optional<known_peer> known_;
};

bool accepts_request(router_node& one, steady_time now) {
  const std::size_t before = one.host.requests().size();
  one.router->handle_request({{1, 77}, actors::raise_event{"order-3", "Go"}},
                             nullptr, now);
  return one.host.requests().size() > before;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(fenced_node, fenced_routers)

// The copy was made while node-2 ran, so both have the same next start number.
BOOST_AUTO_TEST_CASE(copy_beside_a_connected_node_must_stop) {
  router_node& two = start("node-2", 5, "original");
  connect_from("node-2");
  router_node& copy = start("copy", 6, "copy");
  connect_from("copy");
  BOOST_TEST(!accepts_request(copy, now));
  BOOST_TEST(one().router->is_up("node-2"));
  BOOST_TEST(!copy.host.stopped.has_value()); // node-2 may be about to end
  advance_time(4s);
  BOOST_TEST(one().router->is_up("node-2"));
  BOOST_TEST(two.router->is_up("node-1"));
  BOOST_TEST(!two.host.stopped.has_value());
  BOOST_REQUIRE(copy.host.stopped.has_value());
  BOOST_TEST((copy.host.stopped->code == errc::storage_foreign));
  BOOST_TEST(contains(copy.host.stopped->message, "start 5"));
  BOOST_TEST(contains(copy.host.stopped->message, "remove the other"));
  BOOST_TEST(!accepts_request(copy, now));
  const auto peers = one().router->peers(now, {});
  BOOST_REQUIRE(peers.size() == 1U);
  BOOST_TEST(peers[0].is_up);
  BOOST_TEST(contains(peers[0].why, "another process"));
}

BOOST_AUTO_TEST_CASE(refused_copy_does_not_serve_on_its_own) {
  start("node-2", 5, "original");
  connect_from("node-2");
  router_node& copy = start("copy", 6, "copy");
  const path_id path = connect_from("copy");
  BOOST_REQUIRE(copy.host.refusals.size() == 1U);
  BOOST_TEST(contains(copy.host.refusals[0], "another process"));
  cut(path);
  advance_time(10s);
  BOOST_TEST(!copy.host.is_admission_assumed);
  BOOST_TEST(!accepts_request(copy, now));
}

// The old process ended without the end of its connection being noticed.
BOOST_AUTO_TEST_CASE(restarted_node_replaces_its_silent_predecessor) {
  router_node& two = start("node-2", 5, "before");
  connect_from("node-2");
  two.is_silent = true;
  router_node& next = start("copy", 6, "after");
  connect_from("copy");
  advance_time(4s);
  BOOST_TEST(one().router->is_up("node-2"));
  BOOST_TEST(next.router->is_up("node-1"));
  BOOST_TEST(!next.host.stopped.has_value());
  BOOST_TEST(accepts_request(next, now));
  BOOST_TEST(one().router->peers(now, {})[0].why == "");
}

// The copy has run in between, so the start of the original is an older one.
BOOST_AUTO_TEST_CASE(node_with_an_older_start_must_stop) {
  start("copy", 9, "copy");
  const path_id path = connect_from("copy");
  cut(path);
  nodes_by_name.erase("copy");
  router_node& two = start("node-2", 8, "original");
  connect_from("node-2");
  BOOST_TEST(!one().router->is_up("node-2"));
  BOOST_REQUIRE(two.host.stopped.has_value());
  BOOST_TEST(contains(two.host.stopped->message, "older copy"));
  BOOST_TEST(contains(two.host.stopped->message, "hub adopt"));
  BOOST_TEST(!accepts_request(two, now));
}

// If only the record of its start cannot be written, the node is sound.
BOOST_AUTO_TEST_CASE(node_whose_start_cannot_be_recorded_goes_on) {
  router_config config = config_of("node-1");
  bool is_full = true;
  config.admit = [&](const peer_hello&) -> result<void> {
    if (is_full)
      return error{errc::storage_failed, "The disk is full."};
    return {};
  };
  add("node-1", std::move(config));
  router_node& two = start("node-2", 5, "r");
  connect_from("node-2");
  BOOST_TEST(!one().router->is_up("node-2"));
  BOOST_TEST(!two.host.stopped.has_value());
  is_full = false;
  advance_time(1s);
  BOOST_TEST(one().router->is_up("node-2"));
}

// --- A node that no other node answers ---------------------------------------

BOOST_AUTO_TEST_CASE(node_alone_serves_after_a_wait) {
  router_node& two = start("node-2", 5, "r");
  const auto waits = std::make_shared<send_or_cancel_token>();
  two.router->handle_request({{1, 9}, actors::raise_event{"order-3", "Go"}},
                             waits, now);
  BOOST_TEST(!accepts_request(two, now));
  BOOST_REQUIRE(!two.host.answers.empty());
  BOOST_TEST((two.host.answers[0].second.code == errc::unavailable));
  BOOST_TEST(contains(two.host.answers[0].second.message, "just started"));
  advance_time(1s);
  BOOST_TEST(!accepts_request(two, now));
  BOOST_TEST(!two.host.is_admission_assumed);
  advance_time(2s);
  BOOST_TEST(two.host.is_admission_assumed);
  BOOST_TEST(two.host.requests().size() == 1U);
  BOOST_TEST(accepts_request(two, now));
}

BOOST_AUTO_TEST_CASE(new_directory_never_serves_on_its_own) {
  router_config fresh = config_of("node-2");
  fresh.must_be_admitted = true;
  fresh.admission_wait = 2s;
  router_node& two = add("node-2", std::move(fresh));
  advance_time(10s);
  BOOST_TEST(!two.host.is_admission_assumed);
  BOOST_TEST(!accepts_request(two, now));
}

// --- Numbers of messages that are not consistent -----------------------------

BOOST_AUTO_TEST_CASE(node_with_older_numbers_is_excluded_until_it_restarts) {
  router_node& two = start("node-2", 5, "r");
  const path_id path = connect_from("node-2");
  one().router->end_inconsistent_session(
    {partition_id{1}, false, "r", "partition 1 has lost message 4"}, now);
  deliver_packets();
  BOOST_TEST(!one().router->is_up("node-2"));
  BOOST_TEST(!one().host.stopped.has_value());
  BOOST_REQUIRE(two.host.stopped.has_value());
  BOOST_TEST(
    contains(two.host.stopped->message, "\"node-2\" runs on an older"));
  BOOST_TEST(contains(two.host.stopped->message, "lost message 4"));
  advance_time(3s);
  BOOST_TEST(!one().router->is_up("node-2"));
  BOOST_TEST(contains(one().router->peers(now, {})[0].why, "lost message 4"));
  cut(path);
  nodes_by_name.erase("node-2");
  start("node-2", 6, "s");
  connect_from("node-2");
  BOOST_TEST(one().router->is_up("node-2"));
}

// Regression: a statement of the older copy, handled after the adoption, ended
// the session with the adopted directory.
BOOST_AUTO_TEST_CASE(numbers_of_an_earlier_process_are_ignored) {
  const router_node& two = start("node-2", 5, "r");
  connect_from("node-2");
  for (const char* run : {"q", "", "one", "R", "rr"})
    for (const bool this_is_older : {false, true})
      one().router->end_inconsistent_session(
        {partition_id{1}, this_is_older, run, "lost message 4"}, now);
  deliver_packets();
  BOOST_TEST(one().router->is_up("node-2"));
  BOOST_TEST(!one().host.stopped.has_value());
  BOOST_TEST(!two.host.stopped.has_value());
}

BOOST_AUTO_TEST_CASE(node_that_finds_itself_older_stops) {
  router_node& two = start("node-2", 5, "r");
  connect_from("node-2");
  two.router->end_inconsistent_session(
    {partition_id{0}, true, "one", "partition 1 has lost message 4"}, now);
  deliver_packets();
  BOOST_REQUIRE(two.host.stopped.has_value());
  BOOST_TEST(
    contains(two.host.stopped->message, "\"node-2\" runs on an older"));
  BOOST_TEST(!one().host.stopped.has_value());
  BOOST_TEST(contains(one().router->peers(now, {})[0].why, "lost message 4"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
