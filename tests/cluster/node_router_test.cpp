// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/router_fixture.hpp"
#include "tests/support/contains.hpp"

#include <boost/test/unit_test.hpp>

namespace perdura::tests {

using namespace cluster;
using namespace persistence;

using namespace std::chrono_literals;
using actors::cancel_wait;
using actors::get_status;
using actors::management_answer;
using actors::partition_acknowledgement;
using actors::partition_message;
using actors::raise_event;
using actors::wait_instance;

namespace {

management_answer refusal(errc code) {
  management_answer answer;
  answer.code = code;
  answer.message = "no";
  return answer;
}

partition_message message_between(unsigned from, unsigned to,
                                  std::uint64_t sequence) {
  partition_message message;
  message.from = partition_id{from};
  message.message.to = partition_id{to};
  message.message.sequence = sequence;
  message.message.body = event_send{"E", "1"};
  return message;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(node_router_suite, two_nodes)

// --- Requests ----------------------------------------------------------------

// The request is for partition 2, which node-1 owns.
BOOST_AUTO_TEST_CASE(request_for_a_local_partition_stays_local) {
  ask(one, 7, get_status{"order-2"});
  BOOST_REQUIRE(one.host.requests().size() == 1);
  BOOST_TEST(index_of(one.host.delivered[0].first) == 2U);
  BOOST_TEST(one.router->pending() == 0);
  answer(one, 0);
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST(one.host.answers[0].first.correlation == 7U);
}

// The request is for partition 3, which node-2 owns. node-2 answers twice; the
// client receives one answer.
BOOST_AUTO_TEST_CASE(remote_request_is_forwarded_and_answered_once) {
  ask(one, 7, get_status{"order-3"});
  BOOST_TEST(one.host.requests().empty());
  BOOST_REQUIRE(two.host.requests().size() == 1);
  BOOST_TEST(index_of(two.host.delivered[0].first) == 3U);
  BOOST_TEST(one.router->pending() == 1);
  BOOST_TEST(two.router->incoming() == 1);
  management_answer reply;
  reply.id = "order-3";
  reply.created = true;
  answer(two, 0, reply);
  answer(two, 0, reply); // a duplicate answer
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST(one.host.answers[0].first.gateway == 1U);
  BOOST_TEST(one.host.answers[0].first.correlation == 7U);
  BOOST_TEST(one.host.answers[0].second.id == "order-3");
  BOOST_TEST(one.host.answers[0].second.created);
  BOOST_TEST(one.router->pending() == 0);
  BOOST_TEST(two.router->incoming() == 0);
}

// The error names the partition, the node and the reason.
BOOST_AUTO_TEST_CASE(request_to_a_lost_owner_fails_at_once_and_names_it) {
  cut(path);
  ask(one, 7, raise_event{"order-3", "Go"});
  BOOST_REQUIRE(one.host.answers.size() == 1);
  const management_answer& no = one.host.answers[0].second;
  BOOST_TEST((no.code == errc::unavailable));
  BOOST_TEST(no.id == "order-3");
  BOOST_TEST(contains(no.message, "partition 3"));
  BOOST_TEST(contains(no.message, "\"node-2\""));
  BOOST_TEST(contains(no.message, "its connection has ended"));
  BOOST_TEST(one.router->pending() == 0);
}

// A change may have been executed, so its outcome is unknown and the error says
// how to repeat it. A read has no effect, so its error is `unavailable`.
BOOST_AUTO_TEST_CASE(sent_change_has_unknown_outcome_when_the_owner_is_lost) {
  ask(one, 7, raise_event{"order-3", "Go"});
  ask(one, 8, get_status{"order-3"});
  cut(path);
  BOOST_REQUIRE(one.host.answers.size() == 2);
  BOOST_TEST((one.host.answers[0].second.code == errc::unknown_outcome));
  BOOST_TEST(contains(one.host.answers[0].second.message, "request_id"));
  BOOST_TEST((one.host.answers[1].second.code == errc::unavailable));
  BOOST_TEST(one.router->pending() == 0);
}

// The request was answered with unknown_outcome when the session was lost; the
// late answer must not reach the client.
BOOST_AUTO_TEST_CASE(answer_after_the_session_loss_is_dropped) {
  ask(one, 7, raise_event{"order-3", "Go"});
  cut(path);
  connect("node-1", "node-2");
  answer(two, 0);
  BOOST_TEST(one.host.answers.size() == 1); // the unknown outcome
  BOOST_TEST(two.router->incoming() == 0);
}

// The request has a time limit of 30 s. The late answer is dropped.
BOOST_AUTO_TEST_CASE(unanswered_request_times_out_and_names_the_owner) {
  ask(one, 7, raise_event{"order-3", "Go"});
  advance_time(31s);
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST((one.host.answers[0].second.code == errc::unknown_outcome));
  BOOST_TEST(contains(one.host.answers[0].second.message, "\"node-2\""));
  answer(two, 0); // too late
  BOOST_TEST(one.host.answers.size() == 1);
}

// The owner is connected and its partitions are still recovering.
BOOST_AUTO_TEST_CASE(starting_owner_answers_unavailable) {
  cut(path);
  two.router = std::make_unique<node_router>(config_of("node-2"), two.host);
  connect("node-1", "node-2");
  ask(one, 7, get_status{"order-3"});
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST((one.host.answers[0].second.code == errc::unavailable));
  BOOST_TEST(two.host.requests().empty());
}

// --- Waits -------------------------------------------------------------------

// A wait request is sent again in the next session. The owner first receives a
// cancellation, in case it still has the wait of the earlier session.
BOOST_AUTO_TEST_CASE(wait_survives_the_loss_of_its_owner) {
  ask(one, 7, wait_instance{"order-3"});
  BOOST_REQUIRE(two.host.requests().size() == 1);
  cut(path);
  BOOST_TEST(one.host.answers.empty());
  BOOST_TEST(one.router->pending() == 1);
  connect("node-1", "node-2");
  // The first wait is cancelled, then the wait is sent again.
  const auto asked = two.host.requests();
  BOOST_REQUIRE(asked.size() == 3);
  BOOST_TEST(std::holds_alternative<cancel_wait>(asked[1].request));
  BOOST_TEST(asked[1].from.correlation == asked[0].from.correlation);
  BOOST_TEST(std::holds_alternative<wait_instance>(asked[2].request));
  answer(two, 2);
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST(one.host.answers[0].first.correlation == 7U);
}

// The cancellation names the same gateway and correlation as the wait, so that
// the owner finds the wait.
BOOST_AUTO_TEST_CASE(cancelled_wait_is_cancelled_at_the_owner) {
  ask(one, 7, wait_instance{"order-3"});
  ask(one, 7, cancel_wait{"order-3"});
  const auto asked = two.host.requests();
  BOOST_REQUIRE(asked.size() == 2);
  BOOST_TEST(std::holds_alternative<cancel_wait>(asked[1].request));
  BOOST_TEST(asked[1].from.gateway == asked[0].from.gateway);
  BOOST_TEST(asked[1].from.correlation == asked[0].from.correlation);
  BOOST_TEST(one.router->pending() == 0);
  BOOST_TEST(two.router->incoming() == 0);
}

// The router repeats the wait; the client receives no error.
BOOST_AUTO_TEST_CASE(wait_refused_by_a_starting_owner_is_sent_again) {
  ask(one, 7, wait_instance{"order-3"});
  answer(two, 0, refusal(errc::unavailable));
  BOOST_TEST(one.host.answers.empty());
  advance_time(1s);
  BOOST_TEST(two.host.requests().size() == 2);
}

// --- Deferrable requests -----------------------------------------------------

// A request with a token is kept while the owner is unreachable. The router
// sets no time limit for it.
BOOST_AUTO_TEST_CASE(deferrable_request_waits_for_the_owner) {
  cut(path);
  ask(one, 7, raise_event{"order-3", "Go"},
      std::make_shared<send_or_cancel_token>());
  advance_time(40s);
  BOOST_TEST(one.host.answers.empty());
  connect("node-1", "node-2");
  BOOST_REQUIRE(two.host.requests().size() == 1);
  answer(two, 0);
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST((one.host.answers[0].second.code == errc::ok));
}

// The client withdraws the token while the request waits; the request is
// dropped.
BOOST_AUTO_TEST_CASE(withdrawn_request_is_never_sent) {
  cut(path);
  const auto token = std::make_shared<send_or_cancel_token>();
  ask(one, 7, raise_event{"order-3", "Go"}, token);
  BOOST_TEST(token->withdraw());
  connect("node-1", "node-2");
  advance_time(2s);
  BOOST_TEST(two.host.requests().empty());
  BOOST_TEST(one.router->pending() == 0);
}

// withdraw() returns false as soon as the request has been sent or delivered
// locally.
BOOST_AUTO_TEST_CASE(sent_request_cannot_be_withdrawn) {
  const auto token = std::make_shared<send_or_cancel_token>();
  ask(one, 7, raise_event{"order-3", "Go"}, token);
  BOOST_TEST(!token->withdraw());
  const auto here = std::make_shared<send_or_cancel_token>();
  ask(one, 8, raise_event{"order-2", "Go"}, here);
  BOOST_TEST(!here->withdraw());
}

// --- Between partitions ------------------------------------------------------

// Partition 0 on node-1 sends a message to partition 2 on the same node and to
// partition 3 on node-2, and an acknowledgement to partition 1.
BOOST_AUTO_TEST_CASE(messages_reach_partitions_through_their_owners) {
  one.router->route_message(message_between(0, 2, 1), partition_id{2});
  one.router->route_message(message_between(0, 3, 1), partition_id{3});
  one.router->route_acknowledgement({partition_id{0}, 9}, partition_id{1});
  deliver_packets();
  BOOST_REQUIRE(one.host.delivered.size() == 1);
  BOOST_TEST(index_of(one.host.delivered[0].first) == 2U);
  BOOST_REQUIRE(two.host.delivered.size() == 2);
  BOOST_TEST(index_of(two.host.delivered[0].first) == 3U);
  const auto& note
    = std::get<partition_acknowledgement>(two.host.delivered[1].second);
  BOOST_TEST(index_of(two.host.delivered[1].first) == 1U);
  BOOST_TEST(index_of(note.from) == 0U);
  BOOST_TEST(note.sequence == 9U);
}

// node-1 sends a message in the name of partition 1, which node-2 owns.
BOOST_AUTO_TEST_CASE(message_from_a_partition_not_owned_is_dropped) {

  one.router->route_message(message_between(1, 3, 1), partition_id{3});
  one.router->route_acknowledgement({partition_id{1}, 9}, partition_id{3});
  deliver_packets();
  BOOST_TEST(two.host.delivered.empty());
}

// Partitions send their outbox messages once for each session. Messages that
// arrive during recovery must therefore be kept.
BOOST_AUTO_TEST_CASE(messages_to_a_starting_node_wait_until_it_serves) {
  cut(path);
  two.host.delivered.clear();
  two.router = std::make_unique<node_router>(config_of("node-2"), two.host);
  connect("node-1", "node-2");
  one.router->route_message(message_between(0, 3, 1), partition_id{3});
  one.router->route_acknowledgement({partition_id{0}, 9}, partition_id{1});
  two.router->route_message(message_between(1, 3, 1), partition_id{3});
  two.router->route_acknowledgement({partition_id{1}, 4}, partition_id{3});
  deliver_packets();
  BOOST_TEST(two.host.delivered.empty());
  two.router->serve(true);
  BOOST_TEST(two.host.delivered.size() == 4);
}

// When a peer returns, partitions send their outbox messages again. A session
// ends on both sides even if packets are lost in one direction only.
BOOST_AUTO_TEST_CASE(each_session_reports_that_the_peer_returned) {
  const std::vector<partition_id> its{partition_id{1}, partition_id{3}};
  BOOST_REQUIRE(one.host.returned.size() == 1);
  BOOST_TEST((one.host.returned[0] == its));
  cut(path);
  connect("node-1", "node-2");
  BOOST_TEST(one.host.returned.size() == 2);
  BOOST_TEST(two.host.returned.size() == 2);
  two.is_silent = true; // packets of node-2 are lost
  advance_time(3s);
  BOOST_TEST(!one.router->is_up("node-2"));
  BOOST_TEST(!two.router->is_up("node-1"));
  two.is_silent = false;
  advance_time(1s);
  BOOST_TEST(one.host.returned.size() == 3);
  BOOST_TEST(two.host.returned.size() == 3);
}

// --- Admission of peers ------------------------------------------------------

// Both nodes refuse the session and continue to run; the status names the other
// hub.
BOOST_AUTO_TEST_CASE(node_of_another_hub_is_refused) {
  router_config config = config_of("node-2");
  config.self.hub_id = "other";
  router_node& other = add("other", std::move(config));
  cut(path);
  connect("node-1", "other", "node-2");
  advance_time(1s);
  BOOST_TEST(!one.router->is_up("node-2"));
  BOOST_TEST(!other.router->is_up("node-1"));
  const auto peers = one.router->peers(now, {});
  BOOST_REQUIRE(peers.size() == 1);
  BOOST_TEST(contains(peers[0].why, "hub other"));
  BOOST_TEST(!one.host.stopped.has_value());
  BOOST_TEST(!other.host.stopped.has_value());
}

// Before the first session there is no time to report. Later the time is that
// of the last begin or end, on the wall clock.
BOOST_AUTO_TEST_CASE(peers_report_the_time_of_the_last_session_change) {
  router_node& lonely = add("lonely", config_of("node-1"));
  BOOST_TEST(
    (lonely.router->peers(now, timestamp(100h))[0].since == timestamp{}));
  BOOST_TEST((one.router->peers(now + 1min, timestamp(100h))[0].since
              == timestamp(100h) - 1min));
  advance_time(1s);
  cut(path);
  const auto peers = one.router->peers(now + 2min, timestamp(100h));
  BOOST_TEST(!peers[0].is_up);
  BOOST_TEST((peers[0].since == timestamp(100h) - 2min));
}

// Requests for the partitions of the refused node fail, and the error names the
// different placement.
BOOST_AUTO_TEST_CASE(node_with_another_placement_is_refused) {
  router_config config = config_of("node-2");
  config.self.owners.owners = {1, 0, 1, 0};
  router_node& other = add("other", std::move(config));
  cut(path);
  connect("node-1", "other", "node-2");
  advance_time(1s);
  BOOST_TEST(!one.router->is_up("node-2"));
  ask(one, 7, get_status{"order-1"});
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST(contains(one.host.answers[0].second.message, "placement"));
  BOOST_TEST(other.host.requests().empty());
}

// The node list of a client has a wrong entry: node-2 listens at the address
// that is listed for node-1.
BOOST_AUTO_TEST_CASE(unexpected_node_at_an_address_is_refused) {
  router_config config = config_of("node-1");
  config.self.owners.nodes = {"node-1", "node-2"};
  config.self.node = "node-2";
  config.peers = {"node-1"};
  cut(path);

  router_node& client = add("client", config_of_client());
  connect("client", "node-2", "node-1");
  advance_time(1s);
  BOOST_TEST(!client.router->is_up("node-1"));
  BOOST_TEST(!client.router->is_up("node-2"));
  ask(client, 7, get_status{"order-0"});
  BOOST_REQUIRE(client.host.answers.size() == 1);
  BOOST_TEST((client.host.answers[0].second.code == errc::unavailable));
  BOOST_TEST(two.host.requests().empty());
}

// node-2 connects with another data directory than before: its data was lost,
// or the directory is a copy. node-2 is ordered to stop; node-1 continues.
BOOST_AUTO_TEST_CASE(node_with_a_replaced_directory_must_stop) {
  router_config config = config_of("node-1");
  config.admit = [](const peer_hello& hello) -> result<void> {
    if (hello.directory == "directory-of-node-2")
      return error{errc::storage_foreign, "it was another directory"};
    return {};
  };
  cut(path);
  one.router = std::make_unique<node_router>(std::move(config), one.host);
  connect("node-1", "node-2");
  advance_time(1s);
  BOOST_TEST(!one.router->is_up("node-2"));
  BOOST_TEST(!one.host.stopped.has_value());
  BOOST_REQUIRE(two.host.stopped.has_value());
  BOOST_TEST((two.host.stopped->code == errc::storage_foreign));
  BOOST_TEST(contains(two.host.stopped->message, "it was another directory"));
}

BOOST_AUTO_TEST_CASE(garbage_packets_do_not_end_a_session) {
  one.router->receive_packet(99, "garbage", now);
  one.router->receive_packet(path, "", now);
  deliver_packets();
  BOOST_TEST(one.router->is_up("node-2"));
}

// --- Clients -----------------------------------------------------------------

// The client knows the placement after its first session and sends each request
// to the owner. A deferred wait is sent once its owner is connected.
BOOST_AUTO_TEST_CASE(client_learns_the_placement_from_the_first_node) {
  router_node& client = add("client", config_of_client());
  BOOST_TEST(!client.router->knows_placement());
  ask(client, 5, get_status{"order-3"});
  BOOST_REQUIRE(client.host.answers.size() == 1); // no session yet
  BOOST_TEST((client.host.answers[0].second.code == errc::unavailable));
  ask(client, 6, wait_instance{"order-3"},
      std::make_shared<send_or_cancel_token>());
  connect("client", "node-1");
  BOOST_TEST(client.router->knows_placement());
  BOOST_TEST(client.router->owners().owners.size() == 4);
  connect("client", "node-2");
  BOOST_REQUIRE(two.host.requests().size() == 1); // the deferred wait
  ask(client, 7, get_status{"order-1"});
  ask(client, 8, get_status{"order-2"});
  BOOST_TEST(two.host.requests().size() == 2);
  BOOST_TEST(one.host.requests().size() == 1);
  answer(two, 1);
  BOOST_TEST(client.host.answers.size() == 2);
  // A client owns no partitions: its router reports no return of a node, and
  // node-1 reports the return of node-2 only.
  BOOST_TEST(client.host.returned.empty());
  BOOST_TEST(one.host.returned.size() == 1);
}

// The owner cancels the wait in its partition and drops the partition's answer.
BOOST_AUTO_TEST_CASE(waits_of_a_disconnected_client_are_cancelled) {
  router_node& client = add("client", config_of_client());
  connect("client", "node-1");
  const path_id to_two = connect("client", "node-2");
  ask(client, 6, wait_instance{"order-3"});
  BOOST_TEST(two.router->incoming() == 1);
  cut(to_two);
  BOOST_TEST(two.router->incoming() == 0);
  const auto asked = two.host.requests();
  BOOST_REQUIRE(asked.size() == 2);
  BOOST_TEST(std::holds_alternative<cancel_wait>(asked[1].request));
  answer(two, 0); // the partition answers nevertheless
  BOOST_TEST(client.host.answers.empty());
}

// The session times out. In the next session the client repeats its waits.
BOOST_AUTO_TEST_CASE(waits_of_a_silent_client_are_cancelled) {
  router_node& client = add("client", config_of_client());
  connect("client", "node-1");
  connect("client", "node-2");
  ask(client, 6, wait_instance{"order-3"});
  client.is_silent = true;
  advance_time(3s);
  BOOST_TEST(two.router->incoming() == 0);
  client.is_silent = false;
  advance_time(1s);
  BOOST_TEST(two.router->incoming() == 1); // sent again
}

// --- Queries -----------------------------------------------------------------

// node-1 sends a count query to node-2.
BOOST_AUTO_TEST_CASE(query_is_answered_by_the_addressed_node) {
  one.router->query_peer("node-2", count_query{}, 5, now);
  deliver_packets();
  BOOST_REQUIRE(two.host.questions.size() == 1);
  two.router->complete_local_query(two.host.questions[0].first,
                                   node_query_answer(counts_answer{{1, 2}}));
  deliver_packets();
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST(one.host.replies[0].first == 5U);
  BOOST_REQUIRE(static_cast<bool>(one.host.replies[0].second));
  BOOST_TEST(std::get<counts_answer>(*one.host.replies[0].second).counts.size()
             == 2);
}

BOOST_AUTO_TEST_CASE(failed_query_returns_the_error) {
  one.router->query_peer("node-2", count_query{}, 5, now);
  deliver_packets();
  two.router->complete_local_query(two.host.questions[0].first,
                                   error{errc::storage_damaged, "row 7"});
  deliver_packets();
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST((one.host.replies[0].second.code() == errc::storage_damaged));
}

// A query fails when the session ends and when there is no session. An answer
// in a later session is dropped.
BOOST_AUTO_TEST_CASE(query_to_a_lost_node_fails) {
  one.router->query_peer("node-2", count_query{}, 5, now);
  deliver_packets();
  cut(path);
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST((one.host.replies[0].second.code() == errc::unavailable));
  one.router->query_peer("node-2", count_query{}, 6, now);
  BOOST_REQUIRE(one.host.replies.size() == 2);
  BOOST_TEST((one.host.replies[1].second.code() == errc::unavailable));
  BOOST_TEST(
    contains(one.host.replies[1].second.error().message, "\"node-2\""));
  // The answer arrives in another session.
  connect("node-1", "node-2");
  two.router->complete_local_query(two.host.questions[0].first,
                                   node_query_answer(counts_answer{}));
  deliver_packets();
  BOOST_TEST(one.host.replies.size() == 2);
}

BOOST_AUTO_TEST_CASE(unanswered_query_times_out) {
  one.router->query_peer("node-2", count_query{}, 5, now);
  advance_time(31s);
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST((one.host.replies[0].second.code() == errc::unavailable));
}

// A node with a new data directory refuses requests until a peer has admitted
// it, because it may replace a directory that held data. A deferrable request
// waits. After the admission the node keeps serving, even if the peer leaves.
BOOST_FIXTURE_TEST_CASE(new_directory_serves_after_a_peer_admits_it,
                        connected_routers) {
  router_config fresh = config_of("node-2");
  fresh.must_be_admitted = true;
  router_node& one = add("node-1", config_of("node-1"));
  router_node& two = add("node-2", std::move(fresh));
  const auto ask_two = [&](std::uint64_t number) {
    two.router->handle_request({{1, number}, raise_event{"order-3", "Go"}},
                               nullptr, now);
  };
  ask_two(1);
  BOOST_TEST(two.host.requests().empty());
  BOOST_REQUIRE(two.host.answers.size() == 1);
  BOOST_TEST((two.host.answers[0].second.code == errc::unavailable));
  BOOST_TEST(contains(two.host.answers[0].second.message, "is new"));
  const auto deferrable = std::make_shared<send_or_cancel_token>();
  two.router->handle_request({{1, 9}, raise_event{"order-3", "Go"}}, deferrable,
                             now);
  BOOST_TEST(two.host.requests().empty());
  const path_id path = connect("node-1", "node-2");
  BOOST_TEST(two.host.requests().size() == 1);
  BOOST_TEST(!deferrable->withdraw());
  ask_two(2);
  BOOST_TEST(two.host.requests().size() == 2);
  cut(path); // the admission remains valid without the peer
  ask_two(3);
  BOOST_TEST(two.host.requests().size() == 3);
  BOOST_TEST(one.router->pending() == 0);
}

// A client cannot admit a node, because it does not know which directories
// existed before.
BOOST_FIXTURE_TEST_CASE(client_cannot_admit_a_new_directory,
                        connected_routers) {
  router_config fresh = config_of("node-2");
  fresh.must_be_admitted = true;
  router_node& two = add("node-2", std::move(fresh));
  router_node& client = add("client", config_of_client());
  connect("client", "node-2");
  BOOST_TEST(client.router->is_up("node-2"));
  client.router->handle_request({{1, 1}, raise_event{"order-3", "Go"}}, nullptr,
                                now);
  deliver_packets();
  BOOST_TEST(two.host.requests().empty());
  BOOST_REQUIRE(client.host.answers.size() == 1);
  BOOST_TEST((client.host.answers[0].second.code == errc::unavailable));
  BOOST_TEST(contains(client.host.answers[0].second.message, "is new"));
}

// Waits have no time limit. The router must find an overdue request even if an
// older wait is still pending.
BOOST_AUTO_TEST_CASE(overdue_request_times_out_behind_older_waits) {
  ask(one, 1, wait_instance{"order-3"});
  ask(one, 2, raise_event{"order-3", "Go"});
  advance_time(31s);
  ask(one, 3, wait_instance{"order-3"});
  ask(one, 4, get_status{"order-3"});
  advance_time(31s);
  BOOST_REQUIRE(one.host.answers.size() == 2);
  BOOST_TEST(one.host.answers[0].first.correlation == 2U);
  BOOST_TEST((one.host.answers[0].second.code == errc::unknown_outcome));
  BOOST_TEST(one.host.answers[1].first.correlation == 4U);
  BOOST_TEST((one.host.answers[1].second.code == errc::unavailable));
  BOOST_TEST(one.router->pending() == 2);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
