// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/partition_fixture.hpp"

// Tests of messages between partitions: order, duplicates, marks, and messages
// between parents and children. The receiving partition stores one mark for
// each source partition: the sequence of the last message that it has accepted
// from that source.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(partition_messages, two_partitions)

namespace {

partition_message event_from(partition_id from, std::uint64_t sequence,
                             const instance_id& to, const std::string& data) {
  return {from, {p0, sequence, to, event_send{"E", data}}};
}

} // namespace

// Setup: messages 1 and 2 from partition 1 start turns of two instances, and
// the turn of message 2 ends first. The mark may reach 2 only if message 1 is
// durable too, so message 1 is committed without its turn.
BOOST_AUTO_TEST_CASE(turns_finishing_out_of_order_keep_marks_contiguous) {
  const instance_id x = id_in(p0);
  const instance_id y = id_in(p0, 1);
  start_and_wait(x, "Collect", "1");
  start_and_wait(y, "Collect", "1");
  node.inject(p0, event_from(p1, 1, x, "1"));
  node.inject(p0, event_from(p1, 2, y, "2"));
  node.process_mailbox(p0);
  BOOST_REQUIRE(node.turns.size() == 2U);
  std::swap(node.turns[0], node.turns[1]);
  node.run_turn(); // the turn of message 2
  node.process_mailbox(p0);
  node.commit();
  BOOST_TEST(node.model().durable(p0).marks.at(p1) == 2U);
  BOOST_TEST(output_of(y) == "[2]");
  // Message 1 is durable, its turn is not. The crash loses the turn; recovery
  // runs it again.
  node.turns.clear();
  node.crash_and_recover();
  node.run_until_idle();
  BOOST_TEST(output_of(x) == "[1]");
}

// Regression test for a fault found by random_walk_test.cpp: instance x was
// persisted early because of message 1. Message 3, which is also for x, became
// durable at the same time. The mark then passed message 2, which was not
// durable.
BOOST_AUTO_TEST_CASE(early_persist_advances_no_mark_past_other_messages) {
  const instance_id x = id_in(p0);
  const instance_id y = id_in(p0, 1);
  start_and_wait(x, "Collect", "2");
  start_and_wait(y, "Collect", "2");
  node.inject(p0, event_from(p1, 1, x, "1"));
  node.inject(p0, event_from(p1, 2, y, "2"));
  node.inject(p0, event_from(p1, 3, x, "3"));
  node.process_mailbox(p0);
  BOOST_REQUIRE(node.turns.size() == 2U);
  // A turn of x and a turn of y are running.
  node.inject(p0, event_from(p1, 4, y, "4"));
  node.inject(p0, event_from(p1, 5, x, "5"));
  node.process_mailbox(p0);
  const auto turns = node.model().now(p0).meta.sequence;
  std::swap(node.turns[0], node.turns[1]);
  node.run_turn(); // the turn of y
  node.process_mailbox(p0);
  // All five messages are written in one journal turn. With two turns, a crash
  // between them would lose a message.
  BOOST_TEST(node.model().now(p0).meta.sequence == turns + 1);
  BOOST_TEST(node.model().now(p0).marks.at(p1) == 5U);
  node.commit();
  node.turns.clear();
  node.crash_and_recover();
  node.run_until_idle();
  BOOST_TEST(output_of(x) == "[1,3]");
  BOOST_TEST(output_of(y) == "[2,4]");
}

// Setup: the message's turn has not ended, so neither message nor mark is
// durable. After a crash the source sends the message again.
BOOST_AUTO_TEST_CASE(mark_waits_for_the_turn_of_its_message) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Collect", "2");
  node.inject(p0, event_from(p1, 1, x, "1"));
  node.process_mailbox(p0);
  node.commit();
  BOOST_TEST(node.model().durable(p0).marks.count(p1) == 0U);
  node.crash_and_recover();
  node.inject(p0, event_from(p1, 1, x, "1"));
  node.run_until_idle();
  BOOST_TEST(node.model().durable(p0).marks.at(p1) == 1U);
  BOOST_TEST(count(x, "EventRaised") == 1U);
}

// A message whose sequence is not above the mark is a repeated one.
BOOST_AUTO_TEST_CASE(repeated_message_is_applied_once) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Collect", "3");
  node.inject(p0, event_from(p1, 1, x, "1"));
  node.inject(p0, event_from(p1, 1, x, "1"));
  node.run_until_idle();
  node.inject(p0, event_from(p1, 1, x, "1"));
  node.run_until_idle();
  BOOST_TEST(count(x, "EventRaised") == 1U);
  BOOST_TEST(counters().messages_repeated == 2U);
}

// A message is accepted only if its sequence is the mark plus one. The source
// sends the missing messages again.
BOOST_AUTO_TEST_CASE(message_after_a_gap_is_not_accepted) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Collect", "3");
  node.inject(p0, event_from(p1, 2, x, "2"));
  node.run_until_idle();
  BOOST_TEST(count(x, "EventRaised") == 0U);
  node.inject(p0, event_from(p1, 1, x, "1"));
  node.inject(p0, event_from(p1, 2, x, "2"));
  node.inject(p0, event_from(p1, 3, x, "3"));
  node.run_until_idle();
  BOOST_TEST(output_of(x) == "[1,2,3]");
}

// A message for an instance that does not exist is dropped, but the mark
// advances. Otherwise the source would send the message for ever.
BOOST_AUTO_TEST_CASE(message_for_an_unknown_instance_is_acknowledged) {
  node.inject(p0, event_from(p1, 1, "missing-instance", "1"));
  node.run_until_idle();
  BOOST_TEST(node.model().durable(p0).marks.at(p1) == 1U);
  BOOST_TEST(counters().events_discarded == 1U);
}

// Setup: the instance has children and grandchildren on two partitions.
BOOST_AUTO_TEST_CASE(recursive_terminate_reaches_grandchildren) {
  start_and_wait("a", "Family",
                 R"({"name":"Family","count":2,
              "input":{"name":"Waits","input":null,"count":2}})");
  node.run_until_idle();
  BOOST_TEST((status_of("a-1-1") == runtime_status::running));
  node.ask(terminate_instance{"a", "all of you", true, "t"});
  node.run_until_idle();
  for (const char* const id :
       {"a", "a-0", "a-1", "a-0-0", "a-0-1", "a-1-0", "a-1-1"}) {
    BOOST_TEST((status_of(id) == runtime_status::terminated), id);
    BOOST_TEST(output_of(id) == "\"all of you\"", id);
  }
  node.check_at_rest();
}

// The children continue, and their outcome is not delivered to the terminated
// parent.
BOOST_AUTO_TEST_CASE(terminate_without_recursion_keeps_the_children) {
  start_and_wait("a", "Family", R"({"name":"Waits","input":null,"count":2})");
  node.run_until_idle();
  node.ask(terminate_instance{"a", "me alone", false, "t"});
  node.run_until_idle();
  BOOST_TEST((status_of("a") == runtime_status::terminated));
  BOOST_TEST((status_of("a-0") == runtime_status::running));
  node.ask(raise_event{"a-0", "Go", "1", "r"});
  node.run_until_idle();
  BOOST_TEST(output_of("a-0") == "1");
  BOOST_TEST(history_of("a").back() == "ExecutionTerminated \"me alone\"");
  node.ask(terminate_instance{"a-1", "", false, "t2"});
  node.check_at_rest();
}

// Setup: an instance with the ID of the child already runs.
BOOST_AUTO_TEST_CASE(child_start_with_a_live_id_fails_the_parent) {
  start_and_wait("a-0", "Waits");
  start_and_wait("a", "Family", R"({"name":"Waits","input":null,"count":1})");
  node.run_until_idle();
  BOOST_TEST((status_of("a") == runtime_status::failed));
  BOOST_TEST((status_of("a-0") == runtime_status::running));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
