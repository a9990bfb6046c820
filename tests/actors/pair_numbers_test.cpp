// SPDX-License-Identifier: Apache-2.0
// The numbers of the messages between two partitions: which differences show an
// older copy of a data directory, gaps, and the agreement after an adoption.
#include "actors/partition/pair_numbers.hpp"
#include "actors/partition/steps.hpp"
#include "persistence/journal/adopt_hub.hpp"
#include "tests/actors/partition_fixture.hpp"
#include "tests/support/contains.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;
using namespace std::chrono_literals;

namespace {

partition_acknowledgement statement_of(partition_id from,
                                       const pair_numbers& its,
                                       bool has_agreed = true) {
  partition_acknowledgement note{from, its.mark};
  note.stated = outbox_statement{its.oldest, its.newest, has_agreed};
  return note;
}

partition_message event_of(partition_id from, std::uint64_t sequence,
                           const instance_id& to) {
  return {from, {partition_id{0}, sequence, to, event_send{"E", "1"}}};
}

struct pair_fixture : two_partitions {
  /// The sentences about the partition itself.
  std::vector<std::string> faults(partition_id id) {
    std::vector<std::string> found;
    for (const auto& [instance, sentence] : node.partition(id).stuck())
      if (instance.empty())
        found.push_back(sentence);
    return found;
  }

  /// Partition 0 sends 3 messages to partition 1, which accepts them.
  void exchange() {
    const instance_id receiver = id_in(p1);
    start_and_wait(receiver, "Collect", "3");
    start_and_wait(id_in(p0), "Sender",
                   R"({"to":")" + receiver + R"(","count":3})");
    node.run_until_idle();
    node.advance_time(2s);
    BOOST_REQUIRE(
      (numbers_of(node.partition(p0).durable(), p1) == pair_numbers{4, 3, 0}));
    BOOST_REQUIRE(
      (numbers_of(node.partition(p1).durable(), p0) == pair_numbers{1, 0, 3}));
  }
};

/// A node with partitions 0 and 1, of which a cluster gives partition 1 to
/// another node, after an adoption.
struct adopted_fixture : partition_fixture {
  adopted_fixture() : partition_fixture(adopted_options()) {}

  static node_options adopted_options() {
    hub_identity hub;
    hub.hub_id = std::string(32, '0');
    hub.name = "test";
    hub.partition_count = 2;
    auto disk = std::make_shared<memory_disk>(hub);
    hub.node = "node-1";
    hub.nodes = {"node-1", "node-2"};
    hub.owners = {0, 1};
    const auto rows = disk->at(0).rows.write();
    adopt_rows(*rows, hub, 0);
    rows->commit();
    node_options options;
    options.partitions = 2;
    options.open = make_memory_opener(disk);
    return options;
  }

  instance_id id_in(partition_id partition) {
    for (int i = 0;; ++i)
      if (const instance_id id = "id-" + std::to_string(i);
          node.partition_of(id) == partition)
        return id;
  }

  const durable_partition& durable() {
    return node.partition(p0).durable();
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(pair_numbering)

BOOST_AUTO_TEST_CASE(numbers_show_which_partition_is_older) {
  struct row {
    pair_numbers own;
    pair_numbers theirs;
    pair_verdict verdict;
  };
  using enum pair_verdict;
  const std::vector<row> rows{
    {{1, 0, 0}, {1, 0, 0}, consistent},
    {{4, 3, 0}, {1, 0, 3}, consistent},
    {{2, 3, 0}, {1, 0, 2}, consistent}, // not acknowledged
    {{2, 3, 0}, {1, 0, 3}, consistent}, // its acknowledgement is on its way
    {{2, 3, 0}, {1, 0, 1}, consistent},
    {{1, 0, 3}, {4, 3, 0}, consistent},
    {{1, 0, 3}, {1, 3, 0}, consistent},
    {{1, 0, 3}, {3, 9, 0}, consistent},
    {{6, 8, 4}, {4, 9, 6}, consistent},
    // The other one lost messages that were accepted here.
    {{1, 0, 3}, {1, 0, 0}, other_is_older},
    {{1, 0, 3}, {1, 2, 0}, other_is_older},
    {{1, 0, 3}, {3, 2, 0}, other_is_older},
    // The other one lost marks of messages that are deleted here.
    {{4, 3, 0}, {1, 0, 0}, other_is_older},
    {{4, 3, 0}, {1, 0, 2}, other_is_older},
    {{4, 9, 0}, {1, 0, 2}, other_is_older},
    // This one lost messages that were accepted there.
    {{1, 0, 0}, {1, 0, 3}, this_is_older},
    {{1, 2, 0}, {1, 0, 3}, this_is_older},
    // This one lost marks of messages that are deleted there.
    {{1, 0, 0}, {4, 3, 0}, this_is_older},
    {{1, 0, 2}, {4, 9, 0}, this_is_older},
  };
  for (const row& each : rows) {
    BOOST_TEST(
      (compare_numbers(each.own, each.theirs) == each.verdict),
      describe_fault(partition_id(1), each.own, partition_id(2), each.theirs));
    // The other partition comes to the same result.
    const pair_verdict other = each.verdict == consistent ? consistent
                               : each.verdict == other_is_older
                                 ? this_is_older
                                 : other_is_older;
    BOOST_TEST((compare_numbers(each.theirs, each.own) == other));
    const std::string sentence
      = describe_fault(partition_id(1), each.own, partition_id(2), each.theirs);
    BOOST_TEST(sentence.empty() == (each.verdict == consistent), sentence);
  }
}

BOOST_FIXTURE_TEST_CASE(consistent_statement_changes_nothing, pair_fixture) {
  exchange();
  node.partition(p0).resend(std::vector{p1});
  node.partition(p1).resend(std::vector{p0});
  node.run_until_idle();
  BOOST_TEST(faults(p0).empty());
  BOOST_TEST(faults(p1).empty());
  BOOST_TEST(counters().messages_repeated == 0U);
  BOOST_TEST(node.partition(p0).damage().streams_broken == 0U);
}

// The other node was restored from an older copy.
BOOST_FIXTURE_TEST_CASE(older_sender_is_a_fault, pair_fixture) {
  exchange();
  for (const std::uint64_t newest : {0, 1, 2}) {
    node.inject(p1, statement_of(p0, {newest + 1, newest, 0}));
    node.run_until_idle();
    BOOST_REQUIRE(faults(p1).size() == 1U);
    BOOST_TEST(contains(faults(p1)[0], "message 3 was accepted"));
    BOOST_TEST(node.partition(p1).damage().streams_broken == 1U);
  }
  node.inject(p1, statement_of(p0, {4, 3, 0})); // the newest directory
  node.run_until_idle();
  BOOST_TEST(faults(p1).empty());
}

BOOST_FIXTURE_TEST_CASE(older_receiver_is_a_fault, pair_fixture) {
  exchange();
  for (const std::uint64_t mark : {0, 1, 2}) {
    node.inject(p0, statement_of(p1, {1, 0, mark}));
    node.run_until_idle();
    BOOST_REQUIRE(faults(p0).size() == 1U);
    BOOST_TEST(contains(faults(p0)[0], "up to 3 that were acknowledged"));
  }
}

BOOST_FIXTURE_TEST_CASE(own_older_directory_is_a_fault, pair_fixture) {
  exchange();
  node.inject(p0, statement_of(p1, {1, 0, 4}));
  node.inject(p1, statement_of(p0, {6, 5, 0}));
  node.run_until_idle();
  BOOST_TEST(faults(p0).size() == 1U);
  BOOST_TEST(faults(p1).size() == 1U);
}

// Numbers that no partition has, from a peer that does not follow the protocol.
BOOST_FIXTURE_TEST_CASE(impossible_statements_are_ignored, adopted_fixture) {
  constexpr std::uint64_t most = ~std::uint64_t{0};
  for (const pair_numbers& each :
       {pair_numbers{0, 0, 0}, pair_numbers{3, 1, 0}, pair_numbers{1, most, 0},
        pair_numbers{1, 0, most}, pair_numbers{most, 2, 1}}) {
    node.inject(p0, statement_of(p1, each));
    node.run_until_idle();
    BOOST_TEST(durable().meta.unmatched.size() == 1U);
    BOOST_TEST((numbers_of(durable(), p1) == pair_numbers{1, 0, 0}));
  }
}

// --- Gaps --------------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(gap_that_does_not_close_is_reported, pair_fixture) {
  const instance_id receiver = id_in(p0);
  start_and_wait(receiver, "Collect", "9");
  node.inject(p0, event_of(p1, 3, receiver));
  node.run_until_idle();
  BOOST_TEST(faults(p0).empty()); // the source may still send the others
  BOOST_TEST(counters().messages_out_of_order == 1U);
  BOOST_TEST(counters().messages_repeated == 0U);
  node.advance_time(16s);
  BOOST_REQUIRE(faults(p0).size() == 1U);
  BOOST_TEST(contains(faults(p0)[0], "message 1 of partition 1"));
  BOOST_TEST(node.partition(p0).damage().streams_broken == 1U);
  for (const std::uint64_t sequence : {1, 2, 3})
    node.inject(p0, event_of(p1, sequence, receiver));
  node.run_until_idle();
  BOOST_TEST(faults(p0).empty());
  BOOST_TEST(node.partition(p0).damage().streams_broken == 0U);
}

BOOST_FIXTURE_TEST_CASE(repeat_is_no_gap, pair_fixture) {
  const instance_id receiver = id_in(p0);
  start_and_wait(receiver, "Collect", "9");
  for (const std::uint64_t sequence : {1, 2, 1, 2, 2})
    node.inject(p0, event_of(p1, sequence, receiver));
  node.run_until_idle();
  node.advance_time(30s);
  BOOST_TEST(counters().messages_repeated == 3U);
  BOOST_TEST(counters().messages_out_of_order == 0U);
  BOOST_TEST(faults(p0).empty());
}

// --- After an adoption -------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(adopted_partition_serves_after_the_agreement,
                        adopted_fixture) {
  const instance_id id = id_in(p0);
  auto refused = node.ask(start_request(id, "Collect", "1"));
  BOOST_TEST((refused.code == errc::unavailable));
  BOOST_TEST(contains(refused.message, "was adopted"));
  node.inject(p0, event_of(p1, 1, id)); // not accepted
  node.run_until_idle();
  BOOST_TEST(durable().mark(p1) == 0U);
  // The other partition has accepted 5 messages of the lost directory, and has
  // deleted 7 of its own.
  node.inject(p0, statement_of(p1, {8, 9, 5}));
  node.run_until_idle();
  BOOST_TEST((numbers_of(durable(), p1) == pair_numbers{6, 5, 7}));
  BOOST_TEST(durable().meta.unmatched.empty());
  start_and_wait(id, "Collect", "1");
  node.inject(p0, event_of(p1, 8, id));
  node.run_until_idle();
  BOOST_TEST(durable().mark(p1) == 8U);
  BOOST_TEST((status_of(id) == runtime_status::completed));
  node.crash_and_recover();
  BOOST_TEST((numbers_of(durable(), p1) == pair_numbers{6, 5, 8}));
}

BOOST_FIXTURE_TEST_CASE(agreement_survives_a_crash, adopted_fixture) {
  node.crash_and_recover();
  BOOST_TEST(durable().meta.unmatched.size() == 1U);
  node.inject(p0, statement_of(p1, {3, 2, 4}));
  node.process_mailbox(p0);
  BOOST_TEST(durable().meta.unmatched.empty());
  node.crash_and_recover(); // before the commit
  BOOST_TEST(durable().meta.unmatched.size() == 1U);
  node.inject(p0, statement_of(p1, {3, 2, 4}));
  node.inject(p0, statement_of(p1, {3, 2, 4}));
  node.run_until_idle();
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST(durable().meta.unmatched.empty());
    BOOST_TEST((numbers_of(durable(), p1) == pair_numbers{5, 4, 2}));
    node.flush_views();
    node.crash_and_recover();
  }
}

// The other directory was adopted, too: its statement is answered, and its
// older numbers are no fault.
BOOST_FIXTURE_TEST_CASE(statement_of_an_adopted_partition_is_answered,
                        pair_fixture) {
  exchange();
  node.inject(p0, statement_of(p1, {1, 0, 0}, false));
  node.process_mailbox(p0);
  BOOST_TEST(faults(p0).empty());
  BOOST_REQUIRE(node.mailboxes[1].size() == 1U);
  const auto& answer
    = std::get<partition_acknowledgement>(node.mailboxes[1].front());
  BOOST_REQUIRE(answer.stated.has_value());
  BOOST_TEST((*answer.stated == outbox_statement{4, 3, true}));
  BOOST_TEST(answer.sequence == 0U);
}

// The last acknowledgements were in memory only. The other node may have lost
// its directory between the sessions, and then takes over what is stated.
BOOST_FIXTURE_TEST_CASE(session_begins_with_the_durable_numbers, pair_fixture) {
  exchange();
  const instance_id receiver = id_in(p1);
  start_and_wait(id_in(p0), "Sender",
                 R"({"to":")" + receiver + R"(","count":2})");
  node.run_until_idle();
  const auto left = [&] {
    return actors::unacknowledged(node.partition(p0).durable(),
                                  node.partition(p0).live(), p1);
  };
  BOOST_TEST(left() == 0U);
  const pair_numbers durable = numbers_of(node.partition(p0).durable(), p1);
  BOOST_REQUIRE((durable == pair_numbers{4, 5, 0}));
  node.partition(p0).resend(std::vector{p1});
  BOOST_TEST(left() == 2U);
  std::vector<std::uint64_t> sent;
  std::optional<outbox_statement> stated;
  for (const inbound& message : node.mailboxes[1])
    if (const auto* each = std::get_if<partition_message>(&message))
      sent.push_back(each->message.sequence);
    else if (const auto* note
             = std::get_if<partition_acknowledgement>(&message);
             note != nullptr && sent.empty())
      stated = note->stated;
  BOOST_REQUIRE(stated.has_value());
  BOOST_TEST((*stated == outbox_statement{4, 5, true}));
  BOOST_TEST((sent == std::vector<std::uint64_t>{4, 5}));
  node.advance_time(2s);
  BOOST_TEST(
    (numbers_of(node.partition(p0).durable(), p1) == pair_numbers{6, 5, 0}));
}

BOOST_FIXTURE_TEST_CASE(orchestrator_is_not_paused_before_the_agreement,
                        adopted_fixture) {
  const auto refused
    = node.ask(pause_orchestrator{"@pause/0", "Collect", true, ""});
  BOOST_TEST((refused.code == errc::unavailable));
  BOOST_TEST(
    contains(refused.message, "Orchestrator \"Collect\" was not changed"));
  BOOST_TEST(durable().meta.rules.pauses.empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
