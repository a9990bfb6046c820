// SPDX-License-Identifier: Apache-2.0
/// The parts of node_router, each alone. Two processes are connected by packets
/// that the test delivers.
#include "tests/cluster/router_fixture.hpp"

#include <boost/test/unit_test.hpp>

namespace perdura::tests {

using namespace cluster;
using namespace persistence;

using namespace std::chrono_literals;
using actors::management_answer;
using actors::management_inbound;
using actors::partition_acknowledgement;
using actors::partition_message;

/// The sessions of one process, and what they report.
struct process_sessions : session_listener {
  explicit process_sessions(router_config settings)
    : config(std::move(settings)),
      owners(config.partition_of, config.self.node, config.is_client),
      sessions(config, host, owners, *this) {}

  void session_began(const peer_ptr& with) override {
    began.push_back(with);
  }

  void session_ended(const peer_ptr&, const std::string& why) override {
    ended.push_back(why);
  }

  void received(const peer_ptr& from, envelope what, steady_time) override {
    last_sender = from;
    arrived.push_back(std::move(what));
  }

  recording_host host;
  serving_state state;
  router_config config;
  owner_table owners;
  peer_sessions sessions;
  std::vector<peer_ptr> began;
  std::vector<std::string> ended;
  std::vector<envelope> arrived;
  peer_ptr last_sender;
};

/// "node-1", which owns the partitions 0 and 2, and another process.
struct two_processes {
  explicit two_processes(router_config other) : two(std::move(other)) {
    one.state.serves = one.state.has_served = true;
  }

  two_processes() : two_processes(connected_routers().config_of("node-2")) {}

  void connect() {
    two.sessions.path_opened(path, "node-1", now);
    deliver();
  }

  void cut() {
    one.sessions.path_closed(path, now);
    two.sessions.path_closed(path, now);
  }

  void deliver() {
    for (bool any = true; any;)
      any = deliver(one, two) || deliver(two, one);
  }

  bool deliver(process_sessions& from, process_sessions& to) {
    from.sessions.flush(now);
    const auto packets = std::exchange(from.host.sent, {});
    for (const auto& [at, bytes] : packets)
      to.sessions.receive_packet(at, bytes, now);
    return !packets.empty();
  }

  router_peer& peer() {
    return *one.sessions.find("node-2");
  }

  path_id path = 1;
  steady_time now = 1h;
  process_sessions one{connected_routers().config_of("node-1")};
  process_sessions two;
};

namespace {

partition_message a_message(unsigned from, unsigned to) {
  partition_message message;
  message.from = partition_id{from};
  message.message.to = partition_id{to};
  message.message.sequence = 1;
  message.message.body = event_send{"E", "1"};
  return message;
}

} // namespace

// --- owner_table -------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(owner_table_suite)

BOOST_AUTO_TEST_CASE(each_partition_is_local_or_owned_by_its_peer) {
  two_processes nodes;
  const owner_table& owners = nodes.one.owners;
  BOOST_TEST(owners.is_known());
  BOOST_TEST(owners.owns(partition_id{2}));
  BOOST_TEST(!owners.owns(partition_id{3}));
  BOOST_TEST((owners.owner_of(partition_id{3}) == &nodes.peer()));
  BOOST_TEST((owners.owner_of(partition_id{2}) == nullptr));
  BOOST_TEST((owners.owner_of(partition_id{99}) == nullptr));
  BOOST_TEST(nodes.peer().partitions.size() == 2U);
}

BOOST_AUTO_TEST_CASE(an_empty_table_owns_nothing) {
  const owner_table empty(partition_by_digit, "", true);
  BOOST_TEST(!empty.is_known());
  BOOST_TEST(index_of(empty.partition_for("order-3")) == 0U);
  BOOST_TEST(!empty.owns(partition_id{0}));
}

BOOST_AUTO_TEST_SUITE_END()

// --- peer_sessions -----------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(peer_sessions_suite, two_processes)

BOOST_AUTO_TEST_CASE(messages_of_a_session_arrive_in_order) {
  connect();
  BOOST_REQUIRE(one.began.size() == 1);
  BOOST_REQUIRE(two.began.size() == 1);
  one.sessions.send(peer(), remote_cancel{1});
  one.sessions.send(peer(), remote_cancel{2});
  BOOST_TEST(one.sessions.has_output());
  deliver();
  BOOST_TEST(!one.sessions.has_output());
  BOOST_REQUIRE(two.arrived.size() == 2);
  BOOST_TEST(std::get<remote_cancel>(two.arrived[0]).number == 1U);
  BOOST_TEST(std::get<remote_cancel>(two.arrived[1]).number == 2U);
}

BOOST_AUTO_TEST_CASE(a_message_without_a_session_is_dropped) {
  one.sessions.send(peer(), remote_cancel{1});
  connect();
  BOOST_TEST(two.arrived.empty());
}

BOOST_AUTO_TEST_CASE(close_ends_the_session_once) {
  connect();
  one.sessions.close("It stops.", now);
  one.sessions.close("It stops.", now);
  BOOST_REQUIRE(one.ended.size() == 1);
  BOOST_TEST(one.ended[0] == "It stops.");
  BOOST_TEST(peer().why_down == "It stops.");
}

BOOST_AUTO_TEST_CASE(a_refused_peer_gets_no_session_and_is_logged_once) {
  router_config other = connected_routers().config_of("node-2");
  other.self.hub_id = "other";
  two_processes foreign(other);
  foreign.connect();
  foreign.now += 1s;
  foreign.two.sessions.tick(foreign.now);
  foreign.deliver();
  BOOST_TEST(foreign.one.began.empty());
  BOOST_TEST(foreign.two.began.empty());
  BOOST_TEST(foreign.one.host.lines.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_client_takes_the_placement_from_the_first_node) {
  two_processes served(connected_routers().config_of_client());
  BOOST_TEST(!served.two.owners.is_known());
  served.connect();
  BOOST_TEST(served.two.owners.is_known());
  BOOST_TEST(!served.two.owners.owns(partition_id{0}));
  BOOST_TEST((served.two.owners.owner_of(partition_id{0})
              == served.two.sessions.find("node-1")));
}

BOOST_AUTO_TEST_SUITE_END()

// --- outgoing_requests -------------------------------------------------------

struct sent_requests : two_processes {
  void submit(std::uint64_t correlation, actors::management_request what,
              send_or_cancel_ptr token = nullptr) {
    requests.submit({{1, correlation}, std::move(what)}, std::move(token), now);
    deliver();
  }

  errc code_of_answer(std::size_t n) const {
    return one.host.answers.at(n).second.code;
  }

  outgoing_requests requests{one.config, one.host, one.state, one.owners,
                             one.sessions};
};

BOOST_FIXTURE_TEST_SUITE(outgoing_requests_suite, sent_requests)

BOOST_AUTO_TEST_CASE(a_request_waits_for_its_owner_only_with_a_token) {
  submit(1, actors::raise_event{"order-3"});
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST((code_of_answer(0) == errc::unavailable));
  submit(2, actors::raise_event{"order-3"},
         std::make_shared<send_or_cancel_token>());
  BOOST_TEST(requests.size() == 1U);
  connect();
  requests.forward_waiting(peer());
  deliver();
  BOOST_REQUIRE(two.arrived.size() == 1);
  BOOST_TEST(
    actors::instance_of(std::get<remote_request>(two.arrived[0]).request)
    == "order-3");
}

BOOST_AUTO_TEST_CASE(a_request_that_survives_its_session_is_sent_again_whole) {
  connect();
  submit(1, actors::raise_event{"order-3", "Go", "\"data\""},
         std::make_shared<send_or_cancel_token>());
  cut();
  requests.session_ended(peer());
  connect();
  requests.forward_waiting(peer());
  deliver();
  BOOST_REQUIRE(two.arrived.size() == 2);
  const auto& again = std::get<actors::raise_event>(
    std::get<remote_request>(two.arrived[1]).request);
  BOOST_TEST(again.id == "order-3");
  BOOST_TEST(again.name == "Go");
  BOOST_TEST(again.data == "\"data\"");
}

BOOST_AUTO_TEST_CASE(an_answer_counts_only_if_the_owner_sends_it) {
  connect();
  submit(1, actors::get_status{"order-3"});
  const auto number = std::get<remote_request>(two.arrived.at(0)).number;
  const router_peer other("node-9", {}, [] { return 1; });
  remote_answer answer;
  answer.number = number;
  requests.answered(other, answer, now);
  BOOST_TEST(one.host.answers.empty());
  requests.answered(peer(), answer, now);
  requests.answered(peer(), answer, now);
  BOOST_TEST(one.host.answers.size() == 1U);
  BOOST_TEST(requests.size() == 0U);
}

BOOST_AUTO_TEST_CASE(an_overdue_change_has_an_unknown_outcome) {
  connect();
  submit(1, actors::raise_event{"order-3"});
  now += 31s;
  requests.tick(now);
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST((code_of_answer(0) == errc::unknown_outcome));
}

BOOST_AUTO_TEST_CASE(a_request_with_a_token_waits_for_the_admission) {
  one.state.is_admitted = false;
  submit(1, actors::raise_event{"order-2"});
  BOOST_REQUIRE(one.host.answers.size() == 1);
  BOOST_TEST((code_of_answer(0) == errc::unavailable));
  submit(2, actors::raise_event{"order-2"},
         std::make_shared<send_or_cancel_token>());
  BOOST_TEST(one.host.delivered.empty());
  one.state.is_admitted = true;
  requests.deliver_admitted();
  BOOST_TEST(one.host.delivered.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

// --- incoming_requests -------------------------------------------------------

struct received_requests : two_processes {
  received_requests() {
    connect();
    sender = one.began.at(0);
  }

  peer_ptr sender;
  incoming_requests requests{one.config, one.host, one.state, one.owners,
                             one.sessions};
};

BOOST_FIXTURE_TEST_SUITE(incoming_requests_suite, received_requests)

BOOST_AUTO_TEST_CASE(an_answer_carries_the_number_of_the_peer) {
  requests.request(sender, {77, actors::get_status{"order-2"}});
  const auto delivered = one.host.requests();
  BOOST_REQUIRE(delivered.size() == 1);
  BOOST_TEST(delivered[0].from.gateway == peers_gateway_number);
  requests.answer(delivered[0].from.correlation, {});
  requests.answer(delivered[0].from.correlation, {});
  deliver();
  BOOST_REQUIRE(two.arrived.size() == 1);
  BOOST_TEST(std::get<remote_answer>(two.arrived[0]).number == 77U);
  BOOST_TEST(requests.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_request_for_another_partition_is_refused) {
  requests.request(sender, {77, actors::get_status{"order-3"}});
  deliver();
  BOOST_TEST(one.host.delivered.empty());
  BOOST_REQUIRE(two.arrived.size() == 1);
  BOOST_TEST(
    (std::get<remote_answer>(two.arrived[0]).code == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(the_end_of_a_session_cancels_its_waits_only) {
  requests.request(sender, {1, actors::wait_instance{"order-2"}});
  requests.request(sender, {2, actors::get_status{"order-2"}});
  requests.session_ended(*sender);
  BOOST_TEST(requests.size() == 0U);
  const auto delivered = one.host.requests();
  BOOST_REQUIRE(delivered.size() == 3);
  BOOST_TEST(std::holds_alternative<actors::cancel_wait>(delivered[2].request));
  BOOST_TEST(delivered[2].from.correlation == delivered[0].from.correlation);
}

BOOST_AUTO_TEST_SUITE_END()

// --- partition_mail ----------------------------------------------------------

struct mail_between_nodes : two_processes {
  partition_mail mail{one.host, one.state, one.owners, one.sessions};
};

BOOST_FIXTURE_TEST_SUITE(partition_mail_suite, mail_between_nodes)

BOOST_AUTO_TEST_CASE(messages_are_kept_until_the_node_serves) {
  one.state = {};
  mail.route(a_message(0, 2), partition_id{2});
  BOOST_TEST(one.host.delivered.empty());
  one.state.serves = one.state.has_served = true;
  mail.serving_changed();
  BOOST_TEST(one.host.delivered.size() == 1U);
  one.state.serves = false;
  mail.serving_changed();
  mail.route(a_message(0, 2), partition_id{2});
  one.state.serves = true;
  mail.serving_changed();
  BOOST_TEST(one.host.delivered.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_message_for_another_node_is_sent_to_its_owner) {
  mail.route(a_message(0, 3), partition_id{3}); // no session: dropped
  connect();
  mail.route(a_message(0, 3), partition_id{3});
  mail.route(partition_acknowledgement{partition_id{0}, 5}, partition_id{1});
  deliver();
  BOOST_REQUIRE(two.arrived.size() == 2);
  BOOST_TEST(index_of(std::get<remote_message>(two.arrived[0]).to) == 3U);
  BOOST_TEST(std::get<remote_acknowledgement>(two.arrived[1]).sequence == 5U);
}

BOOST_AUTO_TEST_CASE(a_message_that_its_owner_did_not_send_is_ignored) {
  const auto message = a_message(0, 2).message; // partition 0 is local
  mail.received(peer(),
                remote_message{partition_id{0}, partition_id{2}, message});
  mail.received(peer(),
                remote_acknowledgement{partition_id{0}, partition_id{2}, 1});
  BOOST_TEST(one.host.delivered.empty());
  mail.received(peer(),
                remote_message{partition_id{1}, partition_id{2}, message});
  BOOST_TEST(one.host.delivered.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

// --- node_queries ------------------------------------------------------------

struct queries_between_nodes : two_processes {
  node_queries queries{one.config, one.host, one.sessions};
};

BOOST_FIXTURE_TEST_SUITE(node_queries_suite, queries_between_nodes)

BOOST_AUTO_TEST_CASE(a_query_of_an_unreachable_node_fails_at_once) {
  queries.send("node-2", count_query{}, 1, now);
  queries.send("node-9", count_query{}, 2, now);
  BOOST_REQUIRE(one.host.replies.size() == 2);
  BOOST_TEST((one.host.replies[0].second.code() == errc::unavailable));
  BOOST_TEST((one.host.replies[1].second.code() == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(a_query_is_completed_once) {
  connect();
  queries.send("node-2", count_query{}, 7, now);
  deliver();
  remote_query_answer answer;
  answer.number = std::get<remote_query>(two.arrived.at(0)).number;
  answer.answer = counts_answer{{1}};
  queries.answered(peer(), answer);
  queries.answered(peer(), answer);
  queries.session_ended(peer());
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST(one.host.replies[0].first == 7U);
  BOOST_TEST(static_cast<bool>(one.host.replies[0].second));
}

BOOST_AUTO_TEST_CASE(a_query_fails_when_it_is_overdue_or_its_session_ends) {
  connect();
  queries.send("node-2", count_query{}, 1, now);
  now += 31s;
  queries.send("node-2", count_query{}, 2, now);
  queries.tick(now);
  BOOST_REQUIRE(one.host.replies.size() == 1);
  BOOST_TEST(one.host.replies[0].first == 1U);
  queries.session_ended(peer());
  BOOST_REQUIRE(one.host.replies.size() == 2);
  BOOST_TEST(one.host.replies[1].first == 2U);
}

BOOST_AUTO_TEST_CASE(an_answer_is_not_sent_in_a_later_session) {
  connect();
  queries.request(one.began.at(0), {5, count_query{}});
  const auto ticket = one.host.questions.at(0).first;
  cut();
  connect();
  queries.complete_local(ticket, node_query_answer(counts_answer{{1}}));
  deliver();
  BOOST_TEST(two.arrived.empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
