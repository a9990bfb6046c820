#include "client/http/http_server.hpp"
#include "tests/client/http_caller.hpp"

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

/// A server on a free port that answers with what it was asked.
struct echoing_server {
  echoing_server() {
    config.port = 0;
  }

  ~echoing_server() {
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

  http_caller call() const {
    return http_caller(server->port());
  }

  http_server_config config;
  http_handler handler;
  std::unique_ptr<http_server> server;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(an_http_server, echoing_server)

BOOST_AUTO_TEST_CASE(a_connection_serves_one_request_after_the_other) {
  start();
  auto caller = call();
  BOOST_TEST(caller.ask("GET", "/a?b=c").body == "GET /a?b=c ");
  BOOST_TEST(caller.ask("POST", "/", "[1]").body == "POST / [1]");
  // All at once, answered in order.
  caller.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
              "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
              "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  for (const char* expected : {"GET /1 ", "GET /2 ", "GET /3 "})
    BOOST_TEST(caller.receive().body == expected);
  BOOST_TEST(caller.is_closed());
}

BOOST_AUTO_TEST_CASE(bytes_may_drip) {
  start();
  auto caller = call();
  for (const char c : std::string("POST /drip HTTP/1.1\r\nHost: a\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
    caller.send({&c, 1});
  BOOST_TEST(caller.receive().body == "POST /drip abcde");
}

BOOST_AUTO_TEST_CASE(what_is_too_large_has_a_code_of_its_own) {
  start();
  const auto status_of = [this](const std::string& request) {
    auto caller = call();
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

BOOST_AUTO_TEST_CASE(a_body_at_the_limit_is_taken) {
  start();
  auto caller = call();
  BOOST_TEST(caller.ask("POST", "/", std::string(1'048'576, 'x')).status
             == 200);
}

BOOST_AUTO_TEST_CASE(what_is_not_http_is_refused) {
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
    auto caller = call();
    caller.send(request);
    BOOST_TEST(caller.receive().status == 400, request);
    BOOST_TEST(caller.is_closed());
  }
}

// Each ended the process, or filled its memory.
BOOST_AUTO_TEST_CASE(what_stands_round_a_body_has_limits_too) {
  start();
  const std::string chunked
    = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto status_of = [&](const std::string& rest) {
    auto caller = call();
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

// RFC 9112, section 6.1: who disagrees about a body's end can be smuggled past.
BOOST_AUTO_TEST_CASE(a_body_is_never_taken_for_the_next_request) {
  start();
  for (const char* coding :
       {"xchunked", "identity", "chunked, identity", "gzip, chunked",
        "chunked\r\nTransfer-Encoding: chunked"}) {
    auto caller = call();
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                + std::string(coding)
                + "\r\n\r\nPOST /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    const int status = caller.receive().status;
    BOOST_TEST((status == 501 || status == 400), coding);
    BOOST_TEST(caller.is_closed());
  }
}

BOOST_AUTO_TEST_CASE(no_header_value_can_end_its_line) {
  handler = [](http_request, http_responder responder) {
    responder.respond({200, "x", {{"Location", "a\r\nEvil: yes\r\n\r\nb"}}});
  };
  start();
  const http_answer answer = call().ask("GET", "/");
  BOOST_TEST(!answer.has("evil"));
  BOOST_TEST(answer.body == "x");
}

BOOST_AUTO_TEST_CASE(slow_headers_time_out_and_idle_callers_are_closed) {
  config.header_time_max = milliseconds(300);
  config.idle_time_max = milliseconds(300);
  start();
  auto slow = call();
  slow.send("GET / HTTP/1.1\r\n");
  auto slow_body = call();
  slow_body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123");
  auto idle = call();
  BOOST_TEST(slow.receive().status == 408);
  BOOST_TEST(slow_body.receive().status == 408);
  BOOST_TEST(idle.is_closed());
}

BOOST_AUTO_TEST_CASE(an_answer_may_come_later_from_another_thread) {
  std::thread later;
  handler = [&](http_request, http_responder responder) {
    later = std::thread([responder] {
      responder.respond({202, "first"});
      responder.respond({500, "never seen"});
    });
  };
  start();
  auto caller = call();
  const http_answer answer = caller.ask("GET", "/");
  later.join();
  BOOST_TEST(answer.status == 202);
  BOOST_TEST(answer.body == "first");
}

BOOST_AUTO_TEST_CASE(a_parked_request_ends_when_its_time_is_over) {
  handler = [](http_request, http_responder responder) {
    responder.park(milliseconds(50), [responder](park_end why) {
      responder.respond(
        {202, why == park_end::time_over ? "time over" : "something else"});
    });
  };
  start();
  auto caller = call();
  BOOST_TEST(caller.ask("GET", "/").body == "time over");
  BOOST_TEST(caller.ask("GET", "/").body == "time over");
}

BOOST_AUTO_TEST_CASE(a_caller_who_goes_ends_his_wait) {
  std::promise<park_end> ended;
  std::promise<void> parked;
  handler = [&](http_request, http_responder responder) {
    responder.park(seconds(60), [&ended, responder](park_end why) {
      ended.set_value(why);
      responder.respond({202, {}});
    });
    parked.set_value();
  };
  start();
  {
    auto caller = call();
    caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    parked.get_future().wait();
  }
  auto why = ended.get_future();
  BOOST_REQUIRE((why.wait_for(seconds(20)) == std::future_status::ready));
  BOOST_TEST((why.get() == park_end::caller_gone));
}

BOOST_AUTO_TEST_CASE(stopping_ends_waits_and_answers_what_is_under_way) {
  std::promise<void> both;
  std::atomic<int> seen{0};
  std::promise<http_responder> busy;
  handler = [&](http_request request, http_responder responder) {
    if (request.target == "/parked")
      responder.park(seconds(60), [responder](park_end why) {
        responder.respond({202, why == park_end::stopping ? "stopping" : "?"});
      });
    else
      busy.set_value(responder);
    if (++seen == 2)
      both.set_value();
  };
  start();
  auto parked = call();
  auto working = call();
  auto idle = call();
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

BOOST_AUTO_TEST_CASE(an_answer_after_the_end_goes_nowhere) {
  std::promise<http_responder> late;
  config.stop_patience = milliseconds(20);
  handler = [&](http_request, http_responder responder) {
    late.set_value(responder);
  };
  start();
  auto caller = call();
  caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  http_responder responder = late.get_future().get();
  server.reset();
  responder.respond({200, "x"});
  responder.park(seconds(1), [](park_end) { BOOST_ERROR("parked"); });
  BOOST_TEST(caller.receive().status == 0);
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_is_an_answer) {
  handler = [](http_request, const http_responder&) {
    throw std::runtime_error("kaboom");
  };
  start();
  const http_answer answer = call().ask("GET", "/");
  BOOST_TEST(answer.status == 500);
  BOOST_TEST(answer.json().at("Code") == "internal");
}

BOOST_AUTO_TEST_CASE(too_many_requests_are_told_to_come_back) {
  config.requests_max = 1;
  std::promise<http_responder> first;
  handler = [&](http_request, http_responder responder) {
    first.set_value(responder);
  };
  start();
  auto holder = call();
  holder.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  http_responder responder = first.get_future().get();
  auto caller = call();
  const http_answer refused = caller.ask("GET", "/");
  BOOST_TEST(refused.status == 503);
  BOOST_TEST(refused.header("retry-after") == "1");
  responder.respond({200, "x"});
  BOOST_TEST(holder.receive().status == 200);
}

BOOST_AUTO_TEST_CASE(when_full_the_longest_idle_makes_room) {
  config.connections_max = 2;
  config.threads = 1;
  start();
  auto first = call();
  BOOST_TEST(first.ask("GET", "/").status == 200);
  auto second = call();
  BOOST_TEST(second.ask("GET", "/").status == 200);
  auto third = call();
  BOOST_TEST(third.ask("GET", "/").status == 200);
  BOOST_TEST(first.is_closed());
  BOOST_TEST(second.ask("GET", "/").status == 200);
}

BOOST_AUTO_TEST_CASE(a_port_in_use_is_named) {
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

BOOST_AUTO_TEST_CASE(an_upload_that_asks_first_is_told_to_go_on) {
  start();
  auto caller = call();
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
              "Content-Length: 2\r\n\r\n");
  BOOST_TEST(caller.receive().status == 100);
  caller.send("ok");
  BOOST_TEST(caller.receive().body == "POST / ok");
}

BOOST_AUTO_TEST_SUITE_END()
