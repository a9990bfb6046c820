// SPDX-License-Identifier: Apache-2.0
// Messages from other partitions to an instance whose rows are damaged (finding
// S3): they are stored, wait for its repair, and block no other instance.
#include "tests/actors/damaged_fixture.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(messages_to_damaged_suite, damaged_fixture)

BOOST_AUTO_TEST_CASE(messages_are_stored_and_delivered_after_a_repair) {
  for (const bool restarts : {false, true}) {
    const int at = restarts ? 2 : 0;
    const instance_id x = id_in(p0, at);
    const instance_id y = id_in(p0, at + 1);
    start_and_wait(x, "Collect", "3");
    start_and_wait(y, "Collect", "1");
    damage(x);
    const std::uint64_t mark = node.partition(p0).durable().mark(p1);
    for (std::uint64_t i = 1; i <= 3; ++i)
      node.inject(p0, event_from_p1(mark + i, x, std::to_string(i)));
    node.inject(p0, event_from_p1(mark + 4, y, "4"));
    node.run_until_idle();
    // The message after them is not blocked, and the mark is durable.
    BOOST_TEST(output_of(y) == "[4]");
    BOOST_TEST(node.model().durable(p0).marks.at(p1) == mark + 4);
    BOOST_TEST(node.partition(p0).damage().messages == 3U);
    restart();
    BOOST_TEST(node.partition(p0).damage().messages == 3U);
    BOOST_TEST(node.partition(p0).damage().bytes > 0U);
    repair(x);
    if (restarts)
      restart();
    else
      node.advance_time(2min);
    BOOST_TEST(output_of(x) == "[1,2,3]");
    BOOST_TEST(node.partition(p0).damage().messages == 0U);
    BOOST_TEST(node.partition(p0).damage().bytes == 0U);
    BOOST_TEST(count(x, "EventRaised") == 3U);
  }
  node.check_at_rest();
}

// The quarantine is read again, and a lost message is sent again, after an
// interval. A step of the wall clock changes neither.
BOOST_AUTO_TEST_CASE(wall_clock_does_not_change_when_messages_are_retried) {
  int at = 0;
  std::uint64_t mark = 0;
  for (const duration by : {duration(-24h), duration(24h), duration(-10s)}) {
    const instance_id x = id_in(p0, at++);
    start_and_wait(x, "Collect", "1");
    damage(x);
    node.inject(p0, event_from_p1(++mark, x, "1"));
    node.run_until_idle();
    node.clock.step_wall(by);
    node.wake_all();
    repair(x);
    node.advance_time(30s);
    BOOST_TEST(node.partition(p0).damage().messages == 1U);
    node.advance_time(31s);
    BOOST_TEST(output_of(x) == "[1]");
  }
}

BOOST_AUTO_TEST_CASE(wall_clock_does_not_change_when_a_source_asks_again) {
  int at = 0;
  for (const duration by : {duration(-24h), duration(24h), duration(-2s)}) {
    const instance_id x = id_in(p1, at);
    start_and_wait(x, "Collect", "1");
    node.submit(start_request(id_in(p0, at++), "Sender",
                              R"({"to":")" + x + R"(","count":1})"));
    while (node.process_mailbox(p0) || node.run_turn() || node.commit()) {
    }
    BOOST_REQUIRE(!node.mailboxes[1].empty());
    node.mailboxes[1].clear();
    node.run_until_idle();
    node.clock.step_wall(by);
    node.wake_all();
    node.run_until_idle();
    // The state of the outbox is compared at two probes.
    node.advance_time(4s);
    BOOST_TEST((status_of(x) == runtime_status::running));
    node.advance_time(7s);
    BOOST_TEST((status_of(x) == runtime_status::completed));
  }
}

// Crashes at every commit between the arrival of the messages and their
// delivery: each message arrives once and in order.
BOOST_AUTO_TEST_CASE(crashes_lose_and_repeat_no_quarantined_message) {
  for (int steps = 0; steps < 12; ++steps) {
    damaged_fixture now;
    const instance_id x = now.id_in(p0);
    const instance_id z = now.id_in(p0, 1);
    now.start_and_wait(x, "Collect", "2");
    now.start_and_wait(z, "Collect", "1");
    now.damage(x);
    now.damage(z);
    now.node.inject(p0, now.event_from_p1(1, x, "1"));
    now.node.inject(p0, now.event_from_p1(2, z, "7"));
    now.node.inject(p0, now.event_from_p1(3, x, "2"));
    now.node.run_until_idle();
    now.repair(x);
    now.node.turns.clear();
    now.node.crash_and_recover();
    for (int i = 0; i < steps; ++i)
      now.node.step();
    now.restart();
    BOOST_TEST(now.output_of(x) == "[1,2]", "after " << steps << " steps");
    BOOST_TEST(now.node.partition(p0).damage().messages == 1U);
    now.repair(z);
    now.restart();
    BOOST_TEST(now.output_of(z) == "[7]");
    now.node.check_at_rest();
  }
}

// A message that arrives directly after the repair does not overtake those that
// waited.
BOOST_AUTO_TEST_CASE(later_messages_follow_those_that_waited) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Collect", "3");
  damage(x);
  node.inject(p0, event_from_p1(1, x, "1"));
  node.inject(p0, event_from_p1(2, x, "2"));
  node.run_until_idle();
  repair(x);
  node.clock.advance(2min);
  node.check_time(p0);
  node.inject(p0, event_from_p1(3, x, "3"));
  node.run_until_idle();
  BOOST_TEST(output_of(x) == "[1,2,3]");
}

// Each kind of message: the end of a child, the start of a child under the
// damaged ID, terminate and rewind.
BOOST_AUTO_TEST_CASE(all_kinds_of_messages_wait) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Waits");
  damage(x);
  const parent_link parent{"parent", "execution", 1};
  child_start start;
  start.name = "Waits";
  start.parent = parent;
  const std::vector<outbox_body> bodies{
    start, child_ended{"execution", 1, false, "1", {}},
    child_rewind{"reason", parent}, child_terminate{"reason", parent},
    event_send{"E", "1"}};
  for (std::size_t i = 0; i < bodies.size(); ++i)
    node.inject(p0, partition_message{p1, {p0, i + 1, x, bodies[i]}});
  node.run_until_idle();
  BOOST_TEST(node.partition(p0).damage().messages == bodies.size());
  BOOST_TEST(node.model().durable(p0).marks.at(p1) == bodies.size());
}

// At the bound the stream waits, and its source asks again although there is no
// new connection.
BOOST_AUTO_TEST_CASE(full_quarantine_makes_the_stream_wait) {
  const instance_id x = id_in(p0);
  const instance_id y = id_in(p0, 1);
  const std::size_t many = quarantined_messages_max + 500;
  start_and_wait(x, "Collect", std::to_string(many));
  start_and_wait(y, "Collect", "1");
  damage(x);
  node.ask(start_request(id_in(p1), "Sender",
                         R"({"to":")" + x + R"(","count":)"
                           + std::to_string(many) + "}"));
  node.ask(start_request(id_in(p1, 1), "Sender",
                         R"({"to":")" + y + R"(","count":1})"));
  node.advance_time(30s);
  BOOST_TEST(node.partition(p0).damage().messages == quarantined_messages_max);
  BOOST_TEST(node.partition(p0).damage().streams_waiting == 1U);
  BOOST_TEST(!is_finished(status_of(y)));
  // A restart changes nothing.
  restart();
  node.advance_time(30s);
  BOOST_TEST(node.partition(p0).damage().messages == quarantined_messages_max);
  repair(x);
  node.advance_time(5min);
  BOOST_TEST(node.partition(p0).damage().streams_waiting == 0U);
  BOOST_TEST((status_of(x) == runtime_status::completed));
  BOOST_TEST((status_of(y) == runtime_status::completed));
  BOOST_TEST(count(x, "EventRaised") == many);
  node.check_at_rest();
}

BOOST_AUTO_TEST_CASE(large_messages_reach_the_bound_of_bytes) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Waits");
  damage(x);
  const std::string large = '"' + std::string(1U << 20U, 'x') + '"';
  for (std::uint64_t i = 1; i <= 6; ++i)
    node.inject(p0, event_from_p1(i, x, large));
  node.run_until_idle();
  BOOST_TEST(node.partition(p0).damage().messages == 3U);
  BOOST_TEST(node.partition(p0).damage().streams_waiting == 1U);
  BOOST_TEST(node.model().durable(p0).marks.at(p1) == 3U);
}

// A message that was lost on the way is sent again without a new connection.
BOOST_AUTO_TEST_CASE(lost_message_is_sent_again) {
  const instance_id x = id_in(p1);
  start_and_wait(x, "Collect", "1");
  node.submit(
    start_request(id_in(p0), "Sender", R"({"to":")" + x + R"(","count":1})"));
  while (node.process_mailbox(p0) || node.run_turn() || node.commit()) {
  }
  BOOST_REQUIRE(!node.mailboxes[1].empty());
  node.mailboxes[1].clear();
  node.run_until_idle();
  BOOST_TEST((status_of(x) == runtime_status::running));
  node.advance_time(30s);
  BOOST_TEST((status_of(x) == runtime_status::completed));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
