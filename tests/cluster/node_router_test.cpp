#include "tests/cluster/router_fixture.hpp"

#include <boost/test/unit_test.hpp>

namespace perdura::tests {

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

bool names(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(node_router_suite, two_nodes)

// --- Requests ----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_is_here_is_asked_here) {
  ask(one, 7, get_status{"order-2"});
  BOOST_REQUIRE(one.host.requests().size() == 1);
  BOOST_TEST(index_of(one.host.delivered[0].first) == 2U);
  BOOST_TEST(one.router->pending() == 0);
  answer(one, 0);
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST(one.host.answers[0].first.correlation == 7U);
}

BOOST_AUTO_TEST_CASE(what_is_elsewhere_is_asked_there_and_answered_once) {
  ask(one, 7, get_status{"order-3"});
  BOOST_TEST(one.host.requests().empty());
  BOOST_REQUIRE(two.host.requests().size() == 1);
  BOOST_TEST(index_of(two.host.delivered[0].first) == 3U);
  BOOST_TEST(one.router->pending() == 1);
  BOOST_TEST(two.router->incoming() == 1);
  management_answer told;
  told.id = "order-3";
  told.created = true;
  answer(two, 0, told);
  answer(two, 0, told); // the partition says it twice
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST(one.host.answers[0].first.door == 1U);
  BOOST_TEST(one.host.answers[0].first.correlation == 7U);
  BOOST_TEST(one.host.answers[0].second.id == "order-3");
  BOOST_TEST(one.host.answers[0].second.created);
  BOOST_TEST(one.router->pending() == 0);
  BOOST_TEST(two.router->incoming() == 0);
}

BOOST_AUTO_TEST_CASE(an_owner_that_is_away_is_named_at_once) {
  cut(path);
  ask(one, 7, raise_event{"order-3", "Go"});
  BOOST_REQUIRE(one.host.answers.size() == 1);
  const management_answer& no = one.host.answers[0].second;
  BOOST_TEST((no.code == errc::unavailable));
  BOOST_TEST(no.id == "order-3");
  BOOST_TEST(names(no.message, "partition 3"));
  BOOST_TEST(names(no.message, "\"node-2\""));
  BOOST_TEST(names(no.message, "its connection has ended"));
  BOOST_TEST(one.router->pending() == 0);
}

BOOST_AUTO_TEST_CASE(
  a_change_that_was_sent_may_be_done_when_the_owner_is_lost) {
  ask(one, 7, raise_event{"order-3", "Go"});
  ask(one, 8, get_status{"order-3"});
  cut(path);
  BOOST_REQUIRE(one.host.answers.size() == 2);
  BOOST_TEST((one.host.answers[0].second.code == errc::unknown_outcome));
  BOOST_TEST(names(one.host.answers[0].second.message, "request_id"));
  BOOST_TEST((one.host.answers[1].second.code == errc::unavailable));
  BOOST_TEST(one.router->pending() == 0);
}

BOOST_AUTO_TEST_CASE(an_answer_that_comes_after_the_loss_goes_nowhere) {
  ask(one, 7, raise_event{"order-3", "Go"});
  cut(path);
  connect("node-1", "node-2");
  answer(two, 0);
  BOOST_TEST(one.host.answers.size() == 1); // the unknown outcome
  BOOST_TEST(two.router->incoming() == 0);
}

BOOST_AUTO_TEST_CASE(who_does_not_answer_in_time_is_named) {
  ask(one, 7, raise_event{"order-3", "Go"});
  pass(31s);
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST((one.host.answers[0].second.code == errc::unknown_outcome));
  BOOST_TEST(names(one.host.answers[0].second.message, "\"node-2\""));
  answer(two, 0); // too late
  BOOST_TEST(one.host.answers.size() == 1);
}

BOOST_AUTO_TEST_CASE(an_owner_that_does_not_serve_yet_says_so) {
  cut(path);
  two.router = std::make_unique<node_router>(config_of("node-2"), two.host);
  connect("node-1", "node-2");
  ask(one, 7, get_status{"order-3"});
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST((one.host.answers[0].second.code == errc::unavailable));
  BOOST_TEST(two.host.requests().empty());
}

// --- Waits -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_wait_outlives_the_loss_of_its_owner) {
  ask(one, 7, wait_instance{"order-3"});
  BOOST_REQUIRE(two.host.requests().size() == 1);
  cut(path);
  BOOST_TEST(one.host.answers.empty());
  BOOST_TEST(one.router->pending() == 1);
  connect("node-1", "node-2");
  // Asked again, after the owner has forgotten it.
  const auto asked = two.host.requests();
  BOOST_REQUIRE(asked.size() == 3);
  BOOST_TEST(std::holds_alternative<cancel_wait>(asked[1].request));
  BOOST_TEST(asked[1].from.correlation == asked[0].from.correlation);
  BOOST_TEST(std::holds_alternative<wait_instance>(asked[2].request));
  answer(two, 2);
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST(one.host.answers[0].first.correlation == 7U);
}

BOOST_AUTO_TEST_CASE(nobody_waits_any_more_and_the_owner_hears_of_it) {
  ask(one, 7, wait_instance{"order-3"});
  ask(one, 7, cancel_wait{"order-3"});
  const auto asked = two.host.requests();
  BOOST_REQUIRE(asked.size() == 2);
  BOOST_TEST(std::holds_alternative<cancel_wait>(asked[1].request));
  BOOST_TEST(asked[1].from.door == asked[0].from.door);
  BOOST_TEST(asked[1].from.correlation == asked[0].from.correlation);
  BOOST_TEST(one.router->pending() == 0);
  BOOST_TEST(two.router->incoming() == 0);
}

BOOST_AUTO_TEST_CASE(a_wait_for_a_node_that_begins_is_asked_again) {
  ask(one, 7, wait_instance{"order-3"});
  answer(two, 0, refusal(errc::unavailable));
  BOOST_TEST(one.host.answers.empty());
  pass(1s);
  BOOST_TEST(two.host.requests().size() == 2);
}

// --- Patience ----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(who_is_patient_waits_for_the_owner) {
  cut(path);
  ask(one, 7, raise_event{"order-3", "Go"}, std::make_shared<request_claim>());
  pass(40s);
  BOOST_TEST(one.host.answers.empty());
  connect("node-1", "node-2");
  BOOST_REQUIRE(two.host.requests().size() == 1);
  answer(two, 0);
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST((one.host.answers[0].second.code == errc::ok));
}

BOOST_AUTO_TEST_CASE(what_is_taken_back_is_never_sent) {
  cut(path);
  const auto claim = std::make_shared<request_claim>();
  ask(one, 7, raise_event{"order-3", "Go"}, claim);
  BOOST_TEST(claim->withdraw());
  connect("node-1", "node-2");
  pass(2s);
  BOOST_TEST(two.host.requests().empty());
  BOOST_TEST(one.router->pending() == 0);
}

BOOST_AUTO_TEST_CASE(what_was_sent_cannot_be_taken_back) {
  const auto claim = std::make_shared<request_claim>();
  ask(one, 7, raise_event{"order-3", "Go"}, claim);
  BOOST_TEST(!claim->withdraw());
  const auto here = std::make_shared<request_claim>();
  ask(one, 8, raise_event{"order-2", "Go"}, here);
  BOOST_TEST(!here->withdraw());
}

// --- Between partitions ------------------------------------------------------

BOOST_AUTO_TEST_CASE(partitions_reach_each_other_through_their_owners) {
  one.router->take_message(message_between(0, 2, 1), partition_id{2});
  one.router->take_message(message_between(0, 3, 1), partition_id{3});
  one.router->take_acknowledgement({partition_id{0}, 9}, partition_id{1});
  flow();
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

BOOST_AUTO_TEST_CASE(nobody_speaks_for_a_partition_that_is_not_its_own) {
  // Partition 1 is of node-2, and node-1 speaks for it.
  one.router->take_message(message_between(1, 3, 1), partition_id{3});
  one.router->take_acknowledgement({partition_id{1}, 9}, partition_id{3});
  flow();
  BOOST_TEST(two.host.delivered.empty());
}

// Recovery sends what its outbox holds, and so do the others; none of it comes
// again before the next session.
BOOST_AUTO_TEST_CASE(what_is_sent_to_a_node_that_begins_is_not_lost) {
  cut(path);
  two.host.delivered.clear();
  two.router = std::make_unique<node_router>(config_of("node-2"), two.host);
  connect("node-1", "node-2");
  one.router->take_message(message_between(0, 3, 1), partition_id{3});
  one.router->take_acknowledgement({partition_id{0}, 9}, partition_id{1});
  two.router->take_message(message_between(1, 3, 1), partition_id{3});
  two.router->take_acknowledgement({partition_id{1}, 4}, partition_id{3});
  flow();
  BOOST_TEST(two.host.delivered.empty());
  two.router->serve(true);
  BOOST_TEST(two.host.delivered.size() == 4);
}

BOOST_AUTO_TEST_CASE(each_session_tells_that_the_peer_has_returned) {
  const std::vector<partition_id> its{partition_id{1}, partition_id{3}};
  BOOST_REQUIRE(one.host.returned.size() == 1);
  BOOST_TEST((one.host.returned[0] == its));
  cut(path);
  connect("node-1", "node-2");
  BOOST_TEST(one.host.returned.size() == 2);
  BOOST_TEST(two.host.returned.size() == 2);
  two.is_silent = true; // one way
  pass(3s);
  BOOST_TEST(!one.router->is_up("node-2"));
  BOOST_TEST(!two.router->is_up("node-1"));
  two.is_silent = false;
  pass(1s);
  BOOST_TEST(one.host.returned.size() == 3);
  BOOST_TEST(two.host.returned.size() == 3);
}

// --- Who may come ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(another_hub_is_refused_with_both_names) {
  router_config config = config_of("node-2");
  config.self.hub_id = "other";
  party& other = add("other", std::move(config));
  cut(path);
  connect("node-1", "other", "node-2");
  pass(1s);
  BOOST_TEST(!one.router->is_up("node-2"));
  BOOST_TEST(!other.router->is_up("node-1"));
  const auto peers = one.router->peers(now, {});
  BOOST_REQUIRE(peers.size() == 1);
  BOOST_TEST(names(peers[0].why, "hub other"));
  BOOST_TEST(!one.host.stopped.has_value());
  BOOST_TEST(!other.host.stopped.has_value());
}

BOOST_AUTO_TEST_CASE(another_placement_is_refused) {
  router_config config = config_of("node-2");
  config.self.owners.owners = {1, 0, 1, 0};
  party& other = add("other", std::move(config));
  cut(path);
  connect("node-1", "other", "node-2");
  pass(1s);
  BOOST_TEST(!one.router->is_up("node-2"));
  ask(one, 7, get_status{"order-1"});
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST(names(one.host.answers[0].second.message, "placement"));
  BOOST_TEST(other.host.requests().empty());
}

BOOST_AUTO_TEST_CASE(another_node_at_the_address_is_refused) {
  router_config config = config_of("node-1");
  config.self.owners.nodes = {"node-1", "node-2"};
  config.self.node = "node-2";
  config.peers = {"node-1"};
  cut(path);
  // A client's list is wrong: it calls node-2 by the name of node-1.
  party& client = add("client", config_of_client());
  connect("client", "node-2", "node-1");
  pass(1s);
  BOOST_TEST(!client.router->is_up("node-1"));
  BOOST_TEST(!client.router->is_up("node-2"));
  ask(client, 7, get_status{"order-0"});
  BOOST_REQUIRE(client.host.answers.size() == 1);
  BOOST_TEST((client.host.answers[0].second.code == errc::unavailable));
  BOOST_TEST(two.host.requests().empty());
}

// A directory that was lost, or a copy that stands in for another.
BOOST_AUTO_TEST_CASE(who_is_not_the_one_it_was_must_stop) {
  router_config config = config_of("node-1");
  config.admit = [](const peer_hello& hello) -> result<void> {
    if (hello.directory == "directory-of-node-2")
      return error{errc::storage_foreign, "it was another directory"};
    return {};
  };
  cut(path);
  one.router = std::make_unique<node_router>(std::move(config), one.host);
  connect("node-1", "node-2");
  pass(1s);
  BOOST_TEST(!one.router->is_up("node-2"));
  BOOST_TEST(!one.host.stopped.has_value());
  BOOST_REQUIRE(two.host.stopped.has_value());
  BOOST_TEST((two.host.stopped->code == errc::storage_foreign));
  BOOST_TEST(names(two.host.stopped->message, "it was another directory"));
}

BOOST_AUTO_TEST_CASE(garbage_is_nobody) {
  one.router->take_packet(99, "garbage", now);
  one.router->take_packet(path, "", now);
  flow();
  BOOST_TEST(one.router->is_up("node-2"));
}

// --- Clients -----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_client_learns_from_the_first_node_where_everything_is) {
  party& client = add("client", config_of_client());
  BOOST_TEST(!client.router->knows_placement());
  ask(client, 5, get_status{"order-3"});
  BOOST_REQUIRE(client.host.answers.size() == 1); // nobody is there
  BOOST_TEST((client.host.answers[0].second.code == errc::unavailable));
  ask(client, 6, wait_instance{"order-3"}, std::make_shared<request_claim>());
  connect("client", "node-1");
  BOOST_TEST(client.router->knows_placement());
  BOOST_TEST(client.router->owners().owners.size() == 4);
  connect("client", "node-2");
  BOOST_REQUIRE(two.host.requests().size() == 1); // what has waited
  ask(client, 7, get_status{"order-1"});
  ask(client, 8, get_status{"order-2"});
  BOOST_TEST(two.host.requests().size() == 2);
  BOOST_TEST(one.host.requests().size() == 1);
  answer(two, 1);
  BOOST_TEST(client.host.answers.size() == 2);
  // A client owns nothing that could have been lost.
  BOOST_TEST(client.host.returned.empty());
  BOOST_TEST(one.host.returned.size() == 1);
}

BOOST_AUTO_TEST_CASE(the_waits_of_a_client_that_has_gone_are_forgotten) {
  party& client = add("client", config_of_client());
  connect("client", "node-1");
  const path_id to_two = connect("client", "node-2");
  ask(client, 6, wait_instance{"order-3"});
  BOOST_TEST(two.router->incoming() == 1);
  cut(to_two);
  BOOST_TEST(two.router->incoming() == 0);
  const auto asked = two.host.requests();
  BOOST_REQUIRE(asked.size() == 2);
  BOOST_TEST(std::holds_alternative<cancel_wait>(asked[1].request));
  answer(two, 0); // on its way already
  BOOST_TEST(client.host.answers.empty());
}

BOOST_AUTO_TEST_CASE(a_client_that_falls_silent_is_forgotten) {
  party& client = add("client", config_of_client());
  connect("client", "node-1");
  connect("client", "node-2");
  ask(client, 6, wait_instance{"order-3"});
  client.is_silent = true;
  pass(3s);
  BOOST_TEST(two.router->incoming() == 0);
  client.is_silent = false;
  pass(1s);
  BOOST_TEST(two.router->incoming() == 1); // asked again
}

// --- Questions ---------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_question_is_answered_by_the_node_that_was_asked) {
  one.router->ask("node-2", count_question{}, 5, now);
  flow();
  BOOST_REQUIRE(two.host.questions.size() == 1);
  two.router->looked_up(two.host.questions[0].first,
                        question_answer(counts_answer{{1, 2}}));
  flow();
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST(one.host.replies[0].first == 5U);
  BOOST_REQUIRE(static_cast<bool>(one.host.replies[0].second));
  BOOST_TEST(std::get<counts_answer>(*one.host.replies[0].second).counts.size()
             == 2);
}

BOOST_AUTO_TEST_CASE(a_question_that_fails_there_fails_here) {
  one.router->ask("node-2", count_question{}, 5, now);
  flow();
  two.router->looked_up(two.host.questions[0].first,
                        error{errc::storage_damaged, "row 7"});
  flow();
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST((one.host.replies[0].second.code() == errc::storage_damaged));
}

BOOST_AUTO_TEST_CASE(a_question_for_a_node_that_is_lost_fails) {
  one.router->ask("node-2", count_question{}, 5, now);
  flow();
  cut(path);
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST((one.host.replies[0].second.code() == errc::unavailable));
  one.router->ask("node-2", count_question{}, 6, now);
  BOOST_REQUIRE(one.host.replies.size() == 2);
  BOOST_TEST((one.host.replies[1].second.code() == errc::unavailable));
  BOOST_TEST(names(one.host.replies[1].second.error().message, "\"node-2\""));
  // The answer comes into another session.
  connect("node-1", "node-2");
  two.router->looked_up(two.host.questions[0].first,
                        question_answer(counts_answer{}));
  flow();
  BOOST_TEST(one.host.replies.size() == 2);
}

BOOST_AUTO_TEST_CASE(a_question_that_is_not_answered_in_time_fails) {
  one.router->ask("node-2", count_question{}, 5, now);
  pass(31s);
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST((one.host.replies[0].second.code() == errc::unavailable));
}

// One that nobody has met may stand in for a directory that held data.
BOOST_FIXTURE_TEST_CASE(a_new_directory_serves_when_a_peer_has_let_it_in,
                        connected_routers) {
  router_config fresh = config_of("node-2");
  fresh.must_be_admitted = true;
  party& one = add("node-1", config_of("node-1"));
  party& two = add("node-2", std::move(fresh));
  const auto ask_two = [&](std::uint64_t number) {
    two.router->take_request({{1, number}, raise_event{"order-3", "Go"}},
                             nullptr, now);
  };
  ask_two(1);
  BOOST_TEST(two.host.requests().empty());
  BOOST_REQUIRE(two.host.answers.size() == 1);
  BOOST_TEST((two.host.answers[0].second.code == errc::unavailable));
  BOOST_TEST(names(two.host.answers[0].second.message, "is new"));
  const auto patient = std::make_shared<request_claim>();
  two.router->take_request({{1, 9}, raise_event{"order-3", "Go"}}, patient,
                           now);
  BOOST_TEST(two.host.requests().empty());
  const path_id path = connect("node-1", "node-2");
  BOOST_TEST(two.host.requests().size() == 1);
  BOOST_TEST(!patient->withdraw());
  ask_two(2);
  BOOST_TEST(two.host.requests().size() == 2);
  cut(path); // it has been let in: that one leaves changes nothing
  ask_two(3);
  BOOST_TEST(two.host.requests().size() == 3);
  BOOST_TEST(one.router->pending() == 0);
}

// A client comes from anywhere; it knows nothing of what a node held.
BOOST_FIXTURE_TEST_CASE(a_client_lets_no_new_directory_in, connected_routers) {
  router_config fresh = config_of("node-2");
  fresh.must_be_admitted = true;
  party& two = add("node-2", std::move(fresh));
  party& client = add("client", config_of_client());
  connect("client", "node-2");
  BOOST_TEST(client.router->is_up("node-2"));
  client.router->take_request({{1, 1}, raise_event{"order-3", "Go"}}, nullptr,
                              now);
  flow();
  BOOST_TEST(two.host.requests().empty());
  BOOST_REQUIRE(client.host.answers.size() == 1);
  BOOST_TEST((client.host.answers[0].second.code == errc::unavailable));
  BOOST_TEST(names(client.host.answers[0].second.message, "is new"));
}

// What is kept lies in the way of nothing that comes later.
BOOST_AUTO_TEST_CASE(an_overdue_request_is_found_behind_waits) {
  ask(one, 1, wait_instance{"order-3"});
  ask(one, 2, raise_event{"order-3", "Go"});
  pass(31s);
  ask(one, 3, wait_instance{"order-3"});
  ask(one, 4, get_status{"order-3"});
  pass(31s);
  BOOST_REQUIRE(one.host.answers.size() == 2);
  BOOST_TEST(one.host.answers[0].first.correlation == 2U);
  BOOST_TEST((one.host.answers[0].second.code == errc::unknown_outcome));
  BOOST_TEST(one.host.answers[1].first.correlation == 4U);
  BOOST_TEST((one.host.answers[1].second.code == errc::unavailable));
  BOOST_TEST(one.router->pending() == 2);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
