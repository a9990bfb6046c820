// SPDX-License-Identifier: Apache-2.0
// One HTTP connection without a server: requests, pipelining, keep-alive, the
// ends of a connection, and its deadlines. The connection runs on the thread of
// the test, and the test passes the time to `check_deadline`.
#include "client/http/http_connection.hpp"

#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>
#include <poll.h>
#include <sys/socket.h>

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace perdura::client;
using std::chrono::milliseconds;

namespace {

using test_acceptor
  = net::basic_socket_acceptor<net::ip::tcp, net::io_context::executor_type>;

/// A connection on a pair of loopback sockets. The test has the other end.
struct connection_fixture {
  /// Makes the connection. The configuration and the limits are set before.
  void connect() {
    test_acceptor acceptor(worker.context,
                           {net::ip::address_v4::loopback(), 0});
    caller.connect(acceptor.local_endpoint());
    state.handler = [this](http_request request, http_responder responder) {
      requests.push_back(std::move(request));
      responders.push_back(std::move(responder));
    };
    state.refused = [this](int status) { refusals.push_back(status); };
    connection = std::make_shared<http_connection>(worker, acceptor.accept());
    connection->start();
  }

  void send(std::string_view bytes) {
    net::write(caller, net::buffer(bytes.data(), bytes.size()));
  }

  /// Runs the connection until `wanted` holds.
  template <class F>
  void run_until(F wanted) {
    while (!wanted()) {
      worker.context.restart();
      worker.context.poll();
      read_available();
    }
  }

  /// Runs the connection until it has called the handler `count` times.
  void await_requests(std::size_t count) {
    run_until([&] { return requests.size() >= count; });
  }

  /// Runs the connection until the caller has received `part`.
  void await_text(std::string_view part) {
    run_until([&] { return received.find(part) != received.npos; });
  }

  /// Runs the connection until the caller sees its end, and returns all that
  /// the caller has received.
  std::string await_close() {
    run_until([&] { return ended; });
    return received;
  }

  /// Runs all that is ready: the connection then waits for the caller or for
  /// the handler.
  void run_ready() {
    worker.context.restart();
    worker.context.poll();
    read_available();
  }

  void read_available() {
    pollfd waits{caller.native_handle(), POLLIN, 0};
    char bytes[4096];
    while (!ended && ::poll(&waits, 1, 0) == 1) {
      const auto got = ::recv(waits.fd, bytes, sizeof bytes, 0);
      ended = got <= 0;
      if (got > 0)
        received.append(bytes, static_cast<std::size_t>(got));
    }
  }

  /// The state of the connection after the deadline of its phase.
  void pass_deadline() {
    connection->check_deadline(connection->deadline());
  }

  http_server_state state;
  http_worker worker{state};
  net::ip::tcp::socket caller{worker.context};
  std::shared_ptr<http_connection> connection;
  std::vector<http_request> requests;    ///< In the order of the calls.
  std::deque<http_responder> responders; ///< One for each request.
  std::vector<int> refusals;             ///< Status codes without the handler.
  std::string received;                  ///< All bytes that the caller got.
  bool ended = false; ///< The caller has seen the end of the connection.
};

std::string get_request(const std::string& target,
                        const std::string& headers = {}) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n";
}

constexpr auto one_tick = std::chrono::steady_clock::duration(1);

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_connection_suite, connection_fixture)

// The handler is called with the second request only after the first response.
BOOST_AUTO_TEST_CASE(pipelined_requests_are_handled_one_after_the_other) {
  connect();
  send(get_request("/1") + get_request("/2") + get_request("/3"));
  for (std::size_t i = 1; i <= 3; ++i) {
    await_requests(i);
    run_ready();
    BOOST_TEST(requests.size() == i);
    BOOST_TEST(requests.back().target == "/" + std::to_string(i));
    BOOST_TEST(state.requests_open == 1U);
    responders.back().respond({200, "answer " + std::to_string(i)});
    await_text("answer " + std::to_string(i));
  }
  BOOST_TEST(state.requests_open == 0U);
  BOOST_TEST(connection->is_idle());
  BOOST_TEST(!ended);
}

// @source RFC 9112, section 2.2.
BOOST_AUTO_TEST_CASE(empty_lines_before_a_request_are_ignored) {
  connect();
  std::size_t count = 0;
  for (const char* before : {"\r\n", "\r\n\r\n\r\n", ""}) {
    send(before + get_request("/a"));
    await_requests(++count);
    responders.back().respond({200, "answer " + std::to_string(count)});
    await_text("answer " + std::to_string(count));
  }
  send("\r");
  run_ready();
  send("\n" + get_request("/b"));
  await_requests(++count);
  BOOST_TEST(requests.back().target == "/b");
}

// Regression: an empty line began a header, so that an idle connection lived
// for the time of a header longer, and was answered with 408.
BOOST_AUTO_TEST_CASE(empty_lines_do_not_extend_an_idle_connection) {
  connect();
  const auto first = connection->deadline();
  for (const char* line : {"\r\n", "\r", "\n\r\n\r\n"}) {
    send(line);
    run_ready();
    BOOST_TEST((connection->deadline() == first));
    BOOST_TEST(connection->is_idle());
  }
  send(get_request("/a"));
  await_requests(1);
  responders.back().respond({200, "answer"});
  await_text("answer");
  run_until([&] { return connection->is_idle(); });
  const auto idle = connection->deadline();
  send("\r\n");
  run_ready();
  BOOST_TEST((connection->deadline() == idle));
  pass_deadline();
  const std::string all = await_close();
  BOOST_TEST(all.find("408") == all.npos);
  BOOST_TEST(refusals.empty());
}

// @source RFC 9110, section 10.1.1.
BOOST_AUTO_TEST_CASE(old_protocol_gets_no_interim_response) {
  connect();
  send("POST /a HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
  run_ready();
  BOOST_TEST(received.empty());
  send("x");
  await_requests(1);
  BOOST_TEST(requests.back().body == "x");
}

BOOST_AUTO_TEST_CASE(encoded_body_is_refused) {
  for (const char* encoding : {"gzip", "br", "identity, gzip", "x"}) {
    connection_fixture each;
    each.connect();
    each.send(std::string("POST /a HTTP/1.1\r\nHost: a\r\nContent-Encoding: ")
              + encoding + "\r\nContent-Length: 1\r\n\r\nx");
    const std::string answer = each.await_close();
    BOOST_TEST(answer.starts_with("HTTP/1.1 415 "), encoding);
    BOOST_TEST(answer.find("Accept-Encoding: identity\r\n") != answer.npos);
    BOOST_TEST(each.requests.empty());
  }
  connect();
  send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Encoding: Identity\r\n"
       "Content-Length: 1\r\n\r\nx");
  await_requests(1);
}

// @source RFC 9112, section 3.2.2.
BOOST_AUTO_TEST_CASE(authority_of_the_target_replaces_the_host) {
  connect();
  send("GET http://other:81/a?b HTTP/1.1\r\nX: 1\r\nHost: a\r\n\r\n");
  await_requests(1);
  BOOST_TEST(requests.back().header("Host") == "other:81");
  BOOST_TEST(requests.back().header("X") == "1");
  BOOST_TEST(requests.back().headers.size() == 2U);
}

// Regression: the whole body had to arrive within the idle time.
BOOST_AUTO_TEST_CASE(body_may_take_long_at_the_minimum_rate) {
  state.config.idle_time_max = std::chrono::minutes(1);
  connect();
  send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  run_ready();
  const auto silent = connection->deadline();
  // One byte does not reach the rate.
  send("x");
  run_ready();
  BOOST_TEST((connection->deadline() == silent));
  // 60 KiB have another minute beside the idle time.
  send(std::string(std::size_t{60} * 1024, 'x'));
  run_until([&] { return connection->deadline() > silent; });
  const auto later = connection->deadline();
  BOOST_TEST((later <= silent + std::chrono::minutes(1)));
  connection->check_deadline(silent);
  BOOST_TEST(!ended);
  pass_deadline();
  BOOST_TEST(await_close().starts_with("HTTP/1.1 408 "));
}

// The request is cut into two parts at each of its bytes.
BOOST_AUTO_TEST_CASE(request_may_be_cut_at_every_byte) {
  connect();
  const std::string request
    = "POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    send(std::string_view(request).substr(0, cut));
    run_ready();
    BOOST_TEST_REQUIRE(requests.size() == cut - 1);
    send(std::string_view(request).substr(cut));
    await_requests(cut);
    BOOST_TEST(requests.back().method == "POST");
    BOOST_TEST(requests.back().target == "/cut");
    BOOST_TEST(requests.back().body == "abc");
    BOOST_TEST(requests.back().peer == "127.0.0.1");
    const std::string text = "answer " + std::to_string(cut) + '.';
    responders.back().respond({200, text});
    await_text(text);
  }
}

BOOST_AUTO_TEST_CASE(connection_close_ends_the_connection_after_the_response) {
  connect();
  send(get_request("/", "Connection: close\r\n") + get_request("/never"));
  await_requests(1);
  responders.back().respond({200, "last"});
  const std::string text = await_close();
  BOOST_TEST(text.find("Connection: close\r\n") != text.npos);
  BOOST_TEST(text.ends_with("last"));
  BOOST_TEST(requests.size() == 1U);
}

// HTTP/1.0 closes by default; keep-alive is requested and confirmed.
BOOST_AUTO_TEST_CASE(http_1_0_keeps_alive_only_on_request) {
  connect();
  send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  await_requests(1);
  responders.back().respond({200, "first"});
  await_text("first");
  BOOST_TEST(received.find("Connection: keep-alive\r\n") != received.npos);
  send("GET /2 HTTP/1.0\r\n\r\n");
  await_requests(2);
  responders.back().respond({200, "second"});
  BOOST_TEST(await_close().ends_with("second"));
}

BOOST_AUTO_TEST_CASE(response_to_head_has_a_length_and_no_body) {
  connect();
  send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  await_requests(1);
  responders.back().respond({200, "four"});
  await_text("\r\n\r\n");
  BOOST_TEST(received.find("Content-Length: 4\r\n") != received.npos);
  BOOST_TEST(received.ends_with("\r\n\r\n"));
}

// A caller may close its sending direction after its request.
BOOST_AUTO_TEST_CASE(half_closed_caller_receives_its_response) {
  connect();
  send(get_request("/"));
  caller.shutdown(net::ip::tcp::socket::shutdown_send);
  await_requests(1);
  run_ready();
  responders.back().respond({200, "answer"});
  BOOST_TEST(await_close().ends_with("answer"));
}

BOOST_AUTO_TEST_CASE(half_close_ends_an_idle_connection) {
  connect();
  caller.shutdown(net::ip::tcp::socket::shutdown_send);
  BOOST_TEST(await_close().empty());
  BOOST_TEST(requests.empty());
}

// A parked request learns that its caller has disconnected, and stops counting.
BOOST_AUTO_TEST_CASE(half_close_ends_a_parked_request) {
  connect();
  send(get_request("/"));
  await_requests(1);
  std::vector<park_outcome> outcomes;
  responders.back().park(std::chrono::hours(1),
                         [&](park_outcome why) { outcomes.push_back(why); });
  run_ready();
  BOOST_TEST(state.requests_open == 0U);
  BOOST_TEST(outcomes.empty());
  caller.shutdown(net::ip::tcp::socket::shutdown_send);
  run_until([&] { return !outcomes.empty(); });
  BOOST_TEST((outcomes == std::vector{park_outcome::disconnected}));
}

// Bytes that a caller sends while its request is parked are kept up to 64 KiB.
BOOST_AUTO_TEST_CASE(too_many_early_bytes_close_a_parked_connection) {
  connect();
  send(get_request("/"));
  await_requests(1);
  std::vector<park_outcome> outcomes;
  responders.back().park(std::chrono::hours(1),
                         [&](park_outcome why) { outcomes.push_back(why); });
  run_ready();
  send(std::string(60'000, 'x'));
  run_ready();
  BOOST_TEST(!ended);
  send(std::string(10'000, 'x'));
  await_close();
  BOOST_TEST((outcomes == std::vector{park_outcome::disconnected}));
}

// The second response to a request, and a response to an earlier request, are
// not sent.
BOOST_AUTO_TEST_CASE(only_the_first_response_to_a_request_is_sent) {
  connect();
  send(get_request("/1"));
  await_requests(1);
  responders[0].respond({200, "first"});
  await_text("first");
  send(get_request("/2"));
  await_requests(2);
  responders[0].respond({200, "late"});
  run_ready();
  responders[1].respond({200, "second"});
  await_text("second");
  BOOST_TEST(received.find("late") == received.npos);
}

BOOST_AUTO_TEST_CASE(request_above_the_limit_is_refused_and_the_next_served) {
  state.config.requests_max = 0;
  connect();
  send(get_request("/1"));
  await_text("Retry-After: 1\r\n");
  BOOST_TEST(received.starts_with("HTTP/1.1 503 "));
  BOOST_TEST((refusals == std::vector{503}));
  state.config.requests_max = 1;
  send(get_request("/2"));
  await_requests(1);
  BOOST_TEST(requests.back().target == "/2");
}

// The response is sent although the caller still sends; what it sends is
// dropped until the deadline of the phase.
BOOST_AUTO_TEST_CASE(refused_caller_may_send_the_rest_of_its_request) {
  state.config.body_bytes_max = 10;
  connect();
  send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
  const std::string text = await_close();
  BOOST_TEST(text.starts_with("HTTP/1.1 413 "));
  BOOST_TEST((refusals == std::vector{413}));
  send("0123456789");
  run_ready();
  send("0");
  run_ready();
  BOOST_TEST(requests.empty());
  pass_deadline();
}

BOOST_AUTO_TEST_CASE(idle_connection_is_closed_at_its_deadline) {
  connect();
  run_ready();
  connection->check_deadline(connection->deadline() - one_tick);
  run_ready();
  BOOST_TEST(!ended);
  pass_deadline();
  BOOST_TEST(await_close().empty());
}

// A byte that arrives later does not extend the deadline.
BOOST_AUTO_TEST_CASE(slow_header_is_refused_at_its_deadline) {
  connect();
  send("GET / HTTP/1.1\r\n");
  run_until([&] { return !connection->is_idle(); });
  const auto deadline = connection->deadline();
  send("Host: a\r\n");
  run_ready();
  BOOST_TEST((connection->deadline() == deadline));
  connection->check_deadline(deadline - one_tick);
  run_ready();
  BOOST_TEST(received.empty());
  pass_deadline();
  BOOST_TEST(await_close().starts_with("HTTP/1.1 408 "));
  BOOST_TEST((refusals == std::vector{408}));
}

BOOST_AUTO_TEST_CASE(slow_body_is_refused_at_its_deadline) {
  connect();
  send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
  run_until([&] { return !connection->is_idle(); });
  pass_deadline();
  BOOST_TEST(await_close().starts_with("HTTP/1.1 408 "));
  BOOST_TEST(received.find("body") != received.npos);
}

// A handler may take any time: the connection has no deadline then.
BOOST_AUTO_TEST_CASE(request_in_progress_has_no_deadline) {
  connect();
  send(get_request("/"));
  await_requests(1);
  BOOST_TEST((connection->deadline() == steady_time::max()));
  responders.back().respond({200, "answer"});
  await_text("answer");
}

BOOST_AUTO_TEST_CASE(drain_closes_an_idle_connection_at_once) {
  connect();
  worker.stopping = true;
  connection->drain();
  BOOST_TEST(await_close().empty());
}

BOOST_AUTO_TEST_CASE(drain_finishes_the_request_in_progress) {
  connect();
  send(get_request("/1") + get_request("/2"));
  await_requests(1);
  worker.stopping = true;
  connection->drain();
  run_ready();
  BOOST_TEST(!ended);
  responders.back().respond({200, "answer"});
  const std::string text = await_close();
  BOOST_TEST(text.find("Connection: close\r\n") != text.npos);
  BOOST_TEST(text.ends_with("answer"));
  BOOST_TEST(requests.size() == 1U);
}

BOOST_AUTO_TEST_CASE(drain_ends_a_parked_request) {
  connect();
  send(get_request("/"));
  await_requests(1);
  responders.back().park(std::chrono::hours(1), [this](park_outcome why) {
    responders.back().respond(
      {202, why == park_outcome::stopping ? "stopping" : "something else"});
  });
  run_ready();
  worker.stopping = true;
  connection->drain();
  BOOST_TEST(await_close().ends_with("stopping"));
}

// A handler may keep its responder. The connection is freed nevertheless.
BOOST_AUTO_TEST_CASE(closed_connection_is_freed_and_ignores_a_response) {
  connect();
  send(get_request("/"));
  await_requests(1);
  connection->close();
  BOOST_TEST(await_close().empty());
  BOOST_TEST(state.requests_open == 0U);
  run_ready();
  const std::weak_ptr<http_connection> left = connection;
  connection.reset();
  run_ready();
  BOOST_TEST(left.expired());
  responders.back().respond({200, "late"});
  run_ready();
  BOOST_TEST(received.empty());
}

BOOST_AUTO_TEST_SUITE_END()
