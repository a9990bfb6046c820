// SPDX-License-Identifier: Apache-2.0
// The HTTP server without any routes: parsing, limits, time-outs, waiting
// requests, and the stop of the server.
#include "client/http/http_server.hpp"
#include "tests/client/http_caller.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

using namespace perdura::client;
using perdura::persistence::errc;
using perdura::tests::http_answer;
using perdura::tests::http_caller;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// A server on a free port. Unless `handler` is set, it answers with the
/// method, target and body of the request.
struct echo_server {
  echo_server() {
    config.port = 0;
  }

  ~echo_server() {
    if (server)
      server->stop();
  }

  void start() {
    server = std::move(http_server::listen(config).value());
    server->serve([this](http_request request, http_responder responder) {
      if (handler)
        handler(std::move(request), responder);
      else
        responder.respond(
          {200, request.method + " " + request.target + " " + request.body});
    });
  }

  http_caller connect() const {
    return http_caller(server->port());
  }

  http_server_config config;
  http_handler handler;
  std::unique_ptr<http_server> server;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_server_suite, echo_server)

BOOST_AUTO_TEST_CASE(connection_serves_several_requests_in_order) {
  start();
  auto caller = connect();
  BOOST_TEST(caller.request("GET", "/a?b=c").body == "GET /a?b=c ");
  BOOST_TEST(caller.request("POST", "/", "[1]").body == "POST / [1]");
  // Pipelined requests are answered in order.
  caller.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
              "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
              "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  for (const char* expected : {"GET /1 ", "GET /2 ", "GET /3 "})
    BOOST_TEST(caller.receive().body == expected);
  BOOST_TEST(caller.is_closed());
}

// TCP delivers a stream: one request can arrive in any number of pieces.
BOOST_AUTO_TEST_CASE(request_may_arrive_byte_by_byte) {
  start();
  auto caller = connect();
  for (const char c : std::string("POST /drip HTTP/1.1\r\nHost: a\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
    caller.send({&c, 1});
  BOOST_TEST(caller.receive().body == "POST /drip abcde");
}

// The server answers headers that are too large with 431, a request line that
// is too long with 414, and a body that is too large with 413. The connection
// is closed, as the rest of the request is not read.
BOOST_AUTO_TEST_CASE(each_size_limit_has_its_own_status) {
  start();
  const auto status_of = [this](const std::string& request) {
    auto caller = connect();
    caller.send(request);
    const http_answer answer = caller.receive();
    BOOST_TEST(answer.header("connection") == "close");
    BOOST_TEST(answer.json().contains("Message"));
    return answer.status;
  };
  const std::string start_line = "GET / HTTP/1.1\r\nHost: a\r\n";
  BOOST_TEST(
    status_of(start_line + "X: " + std::string(17'000, 'x') + "\r\n\r\n")
    == 431);
  std::string many = start_line;
  for (int i = 0; i < 101; ++i)
    many += "X" + std::to_string(i) + ": y\r\n";
  BOOST_TEST(status_of(many + "\r\n") == 431);
  BOOST_TEST(status_of("GET /" + std::string(9'000, 'x')
                       + " HTTP/1.1\r\nHost: a\r\n\r\n")
             == 414);
  BOOST_TEST(status_of("GET /" + std::string(20'000, 'x')) == 414);
  BOOST_TEST(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                       "Content-Length: 4294967296\r\n\r\n")
             == 413);
  BOOST_TEST(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                       "Content-Length: 1048577\r\n\r\n"
                       + std::string(1'048'577, 'x'))
             == 413);
}

BOOST_AUTO_TEST_CASE(body_of_the_maximum_size_is_accepted) {
  start();
  auto caller = connect();
  BOOST_TEST(caller.request("POST", "/", std::string(1'048'576, 'x')).status
             == 200);
}

// Several of these requests are known from request smuggling: two lengths, a
// length together with chunked coding, a blank before the colon.
BOOST_AUTO_TEST_CASE(malformed_requests_are_refused) {
  start();
  for (const char* request :
       {"HELLO\r\n\r\n", "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
        "Content-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "zz\r\n\r\n"}) {
    auto caller = connect();
    caller.send(request);
    BOOST_TEST(caller.receive().status == 400, request);
    BOOST_TEST(caller.is_closed());
  }
}

// Regression: each of these requests ended the process or filled its memory.
BOOST_AUTO_TEST_CASE(chunk_headers_and_trailers_have_limits) {
  start();
  const std::string chunked
    = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto status_of = [&](const std::string& rest) {
    auto caller = connect();
    caller.send(chunked + rest);
    return caller.receive().status;
  };
  const std::string many(70'000, 'a');
  BOOST_TEST(status_of("0\r\nX: " + many + "\r\n\r\n") == 431);
  BOOST_TEST(status_of("1;" + many + many) == 431);
  BOOST_TEST(status_of(std::string(70'000, 'z')) == 431);
  BOOST_TEST(status_of(std::string(70'000, '0')) == 431);
  std::string fields = "0\r\n";
  for (int i = 0; i < 9'000; ++i)
    fields += "X" + std::to_string(i) + ": 1\r\n";
  BOOST_TEST(status_of(fields) == 431);
  BOOST_TEST(status_of("2;a=b\r\nhi\r\n0\r\nX: 1\r\n\r\n") == 200);
}

// RFC 9112, section 6.1: request smuggling is possible where two servers
// disagree about the end of a body.
BOOST_AUTO_TEST_CASE(body_is_never_parsed_as_the_next_request) {
  start();
  for (const char* coding :
       {"xchunked", "identity", "chunked, identity", "gzip, chunked",
        "chunked\r\nTransfer-Encoding: chunked"}) {
    auto caller = connect();
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                + std::string(coding)
                + "\r\n\r\nPOST /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    const int status = caller.receive().status;
    BOOST_TEST((status == 501 || status == 400), coding);
    BOOST_TEST(caller.is_closed());
  }
}

// A header value with a line break would add headers or a second response.
BOOST_AUTO_TEST_CASE(response_header_values_cannot_contain_line_breaks) {
  handler = [](http_request, http_responder responder) {
    responder.respond({200, "x", {{"Location", "a\r\nEvil: yes\r\n\r\nb"}}});
  };
  start();
  const http_answer answer = connect().request("GET", "/");
  BOOST_TEST(!answer.has("evil"));
  BOOST_TEST(answer.body == "x");
}

BOOST_AUTO_TEST_CASE(slow_header_times_out) {
  config.header_time_max = milliseconds(300);
  start();
  auto slow = connect();
  slow.send("GET / HTTP/1.1\r\n");
  BOOST_TEST(slow.receive().status == 408);
}

// Both connections are idle before their first bytes. Only one of them sends
// a request in time, so the other one is closed without a response.
BOOST_AUTO_TEST_CASE(slow_body_times_out_and_idle_connection_is_closed) {
  config.idle_time_max = milliseconds(300);
  start();
  // On a busy machine the first bytes may come too late.
  BOOST_TEST(perdura::tests::eventually([this] {
    auto slow_body = connect();
    slow_body.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123");
    const int status = slow_body.receive().status;
    BOOST_TEST((status == 408 || status == 0));
    return status == 408;
  }));
  auto idle = connect();
  BOOST_TEST(idle.receive().status == 0);
  BOOST_TEST(idle.is_closed());
}

// The second response to a request is ignored.
BOOST_AUTO_TEST_CASE(response_may_be_sent_later_by_another_thread) {
  std::thread later;
  handler = [&](http_request, http_responder responder) {
    later = std::thread([responder] {
      responder.respond({202, "first"});
      responder.respond({500, "never seen"});
    });
  };
  start();
  auto caller = connect();
  const http_answer answer = caller.request("GET", "/");
  later.join();
  BOOST_TEST(answer.status == 202);
  BOOST_TEST(answer.body == "first");
}

// A parked request waits without a thread until it is answered, times out, or
// its connection closes.
BOOST_AUTO_TEST_CASE(parked_request_ends_at_its_time_out) {
  handler = [](http_request, http_responder responder) {
    responder.park(milliseconds(50), [responder](park_outcome why) {
      responder.respond(
        {202, why == park_outcome::timed_out ? "time over" : "something else"});
    });
  };
  start();
  auto caller = connect();
  BOOST_TEST(caller.request("GET", "/").body == "time over");
  BOOST_TEST(caller.request("GET", "/").body == "time over");
}

// A parked request stops counting against the limit when its connection closes,
// and not only at its time-out.
BOOST_AUTO_TEST_CASE(closed_connection_ends_its_parked_request) {
  std::promise<park_outcome> ended;
  std::promise<void> parked;
  handler = [&](http_request, http_responder responder) {
    responder.park(seconds(60), [&ended, responder](park_outcome why) {
      ended.set_value(why);
      responder.respond({202, {}});
    });
    parked.set_value();
  };
  start();
  {
    auto caller = connect();
    caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    parked.get_future().wait();
  }
  auto why = ended.get_future();
  BOOST_REQUIRE(
    (why.wait_for(perdura::tests::patience) == std::future_status::ready));
  BOOST_TEST((why.get() == park_outcome::disconnected));
}

// Three connections: one with a parked request, one with a request in progress,
// and an idle one.
BOOST_AUTO_TEST_CASE(stop_ends_parked_requests_and_finishes_active_ones) {
  std::promise<void> both;
  std::atomic<int> seen{0};
  std::promise<http_responder> busy;
  handler = [&](http_request request, http_responder responder) {
    if (request.target == "/parked")
      responder.park(seconds(60), [responder](park_outcome why) {
        responder.respond(
          {202, why == park_outcome::stopping ? "stopping" : "?"});
      });
    else
      busy.set_value(responder);
    if (++seen == 2)
      both.set_value();
  };
  start();
  auto parked = connect();
  auto working = connect();
  auto idle = connect();
  parked.send("GET /parked HTTP/1.1\r\nHost: a\r\n\r\n");
  working.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
  both.get_future().wait();
  std::thread stopping([this] { server->stop(); });
  BOOST_TEST(parked.receive().body == "stopping");
  busy.get_future().get().respond({200, "done"});
  BOOST_TEST(working.receive().body == "done");
  stopping.join();
  BOOST_TEST(idle.is_closed());
  BOOST_TEST(server->connections() == 0U);
}

// In this test the responder outlives the server.
BOOST_AUTO_TEST_CASE(response_after_the_stop_is_ignored) {
  std::promise<http_responder> late;
  config.stop_patience = milliseconds(20);
  handler = [&](http_request, http_responder responder) {
    late.set_value(responder);
  };
  start();
  auto caller = connect();
  caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  http_responder responder = late.get_future().get();
  server.reset();
  responder.respond({200, "x"});
  responder.park(seconds(1), [](park_outcome) { BOOST_ERROR("parked"); });
  BOOST_TEST(caller.receive().status == 0);
}

BOOST_AUTO_TEST_CASE(exception_in_a_handler_becomes_status_500) {
  handler = [](http_request, const http_responder&) {
    throw std::runtime_error("kaboom");
  };
  start();
  const http_answer answer = connect().request("GET", "/");
  BOOST_TEST(answer.status == 500);
  BOOST_TEST(answer.json().at("Code") == "internal");
}

BOOST_AUTO_TEST_CASE(handler_that_ends_without_a_response_becomes_status_500) {
  // At once, and later on another thread.
  std::promise<http_responder> later;
  handler = [&](const http_request& request, http_responder responder) {
    if (request.target == "/later")
      later.set_value(std::move(responder));
  };
  start();
  auto caller = connect();
  const http_answer answer = caller.request("GET", "/now");
  BOOST_TEST(answer.status == 500);
  BOOST_TEST(answer.json().at("Code") == "internal");
  caller.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  std::thread([got = later.get_future().get()] {}).join();
  later = {};
  BOOST_TEST(caller.receive().status == 500);
}

BOOST_AUTO_TEST_CASE(requests_above_the_limit_get_503_with_retry_after) {
  config.requests_max = 1;
  std::promise<http_responder> first;
  handler = [&](http_request, http_responder responder) {
    first.set_value(responder);
  };
  start();
  auto holder = connect();
  holder.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  http_responder responder = first.get_future().get();
  auto caller = connect();
  const http_answer refused = caller.request("GET", "/");
  BOOST_TEST(refused.status == 503);
  BOOST_TEST(refused.header("retry-after") == "1");
  responder.respond({200, "x"});
  BOOST_TEST(holder.receive().status == 200);
}

BOOST_AUTO_TEST_CASE(connection_limit_closes_the_longest_idle_connection) {
  config.connections_max = 2;
  config.threads = 1;
  start();
  auto first = connect();
  BOOST_TEST(first.request("GET", "/").status == 200);
  auto second = connect();
  BOOST_TEST(second.request("GET", "/").status == 200);
  auto third = connect();
  BOOST_TEST(third.request("GET", "/").status == 200);
  BOOST_TEST(first.is_closed());
  BOOST_TEST(second.request("GET", "/").status == 200);
}

// The error message shows the cause to a user who starts a second node on the
// same port.
BOOST_AUTO_TEST_CASE(error_names_the_port_that_is_in_use) {
  start();
  http_server_config same = config;
  same.port = server->port();
  const auto second = http_server::listen(same);
  BOOST_TEST((second.code() == errc::unavailable));
  BOOST_TEST(second.error().message.find("Port " + std::to_string(same.port))
             != std::string::npos);
  http_server_config odd = config;
  odd.address = "here";
  BOOST_TEST((http_server::listen(odd).code() == errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(expect_100_continue_is_answered) {
  start();
  auto caller = connect();
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
              "Content-Length: 2\r\n\r\n");
  BOOST_TEST(caller.receive().status == 100);
  caller.send("ok");
  BOOST_TEST(caller.receive().body == "POST / ok");
}

BOOST_AUTO_TEST_SUITE_END()
