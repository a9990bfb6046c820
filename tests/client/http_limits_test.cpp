// SPDX-License-Identifier: Apache-2.0
// The memory and the connections that callers of the HTTP server can use up,
// and the routes that answer while other callers occupy the node.
#include "client/http/http_server.hpp"
#include "client/http/management_api.hpp"
#include "tests/client/http_caller.hpp"
#include "tests/client/recording_gateway.hpp"
#include "tests/support/loopback_peer.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace perdura::tests {

using client::http_request;
using client::http_responder;
using client::http_response;

namespace {

constexpr std::size_t kilobyte = 1024;
constexpr std::size_t megabyte = 1024 * kilobyte;

/// A server on a free port with one thread.
struct limits_fixture {
  limits_fixture() {
    config.port = 0;
    config.threads = 1;
    config.body_bytes_max = 4 * megabyte;
    handler = [](http_request request, const http_responder& responder) {
      responder.respond({200, std::to_string(request.body.size())});
    };
  }

  ~limits_fixture() {
    if (server)
      server->stop();
  }

  void start() {
    server = std::move(client::http_server::listen(config).value());
    server->serve(
      [this](http_request request, const http_responder& responder) {
        ++handled;
        handler(std::move(request), responder);
      },
      [this](int status) {
        const std::lock_guard lock(mutex);
        refused.push_back(status);
      },
      admit);
  }

  std::unique_ptr<http_caller> connect() const {
    return std::make_unique<http_caller>(server->port());
  }

  bool eventually_buffered(std::size_t least, std::size_t most) const {
    return eventually([&] {
      const std::size_t now = server->buffered_bytes();
      return now >= least && now <= most;
    });
  }

  client::http_server_config config;
  client::http_handler handler;
  client::http_admission admit;
  std::unique_ptr<client::http_server> server;
  std::atomic<int> handled{0};
  std::mutex mutex;
  std::vector<int> refused;
};

std::string post_head(std::size_t length, const std::string& more = {}) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + more
         + "Content-Length: " + std::to_string(length) + "\r\n\r\n";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_limits, limits_fixture)

// Regression: 1,000 connections without a key that sent bodies used 818 MiB.
// The caller is refused with its header, and its body is never read.
BOOST_AUTO_TEST_CASE(refused_body_is_not_read) {
  admit = [](const http_request& request) -> std::optional<http_response> {
    if (request.header("key") == "good")
      return std::nullopt;
    return http_response{401, request.body};
  };
  start();
  const std::string chunked
    = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::vector<std::string> heads{
    post_head(megabyte),
    post_head(1),
    post_head(megabyte, "key: bad\r\n"),
    chunked,
    chunked + "100000\r\n",
    post_head(7) + "partial",
    "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    post_head(5, "Expect: 100-continue\r\n")};
  for (const std::string& head : heads) {
    auto caller = connect();
    caller->send(head);
    const http_answer answer = caller->receive();
    BOOST_TEST(answer.status == 401, head);
    BOOST_TEST(answer.header("connection") == "close");
    BOOST_TEST(caller->is_closed());
  }
  BOOST_TEST(handled == 0);
  BOOST_TEST(server->buffered_bytes() == 0U);
  auto caller = connect();
  BOOST_TEST(caller->request("POST", "/", "12345", "key: good\r\n").body
             == "5");
}

BOOST_AUTO_TEST_CASE(failing_admission_is_answered) {
  admit = [](const http_request&) -> std::optional<http_response> {
    throw std::runtime_error("kaboom");
  };
  start();
  BOOST_TEST(connect()->request("POST", "/", "x").status == 500);
}

// 200 connections announce 800 MiB.
BOOST_AUTO_TEST_CASE(announced_content_length_is_not_allocated) {
  start();
  const peak_memory used;
  std::vector<std::unique_ptr<http_caller>> callers;
  for (int i = 0; i < 200; ++i) {
    callers.push_back(connect());
    callers.back()->send(post_head(4 * megabyte) + "x");
  }
  // The last one has been served, so the others have been, too.
  BOOST_TEST(connect()->request("POST", "/", "x").status == 200);
  BOOST_TEST(server->buffered_bytes() < 64 * kilobyte);
  BOOST_TEST(used.growth() < 64 * megabyte);
}

// A chunk announces its size, too.
BOOST_AUTO_TEST_CASE(announced_chunk_is_not_allocated) {
  start();
  const peak_memory used;
  for (const char* size : {"3fffff", "ffffffff", "ffffffffffffffff",
                           "00000000000000000001", "7fffffffffffffff"}) {
    auto caller = connect();
    caller->send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                 "\r\n"
                 + std::string(size) + "\r\nx");
  }
  BOOST_TEST(connect()->request("POST", "/", "x").status == 200);
  BOOST_TEST(used.growth() < 16 * megabyte);
}

BOOST_AUTO_TEST_CASE(bodies_beyond_the_budget_get_503) {
  config.buffered_bytes_max = megabyte;
  start();
  std::vector<std::unique_ptr<http_caller>> callers;
  for (int i = 0; i < 2; ++i) {
    callers.push_back(connect());
    callers.back()->send(post_head(2 * megabyte)
                         + std::string(400 * kilobyte, 'x'));
  }
  BOOST_TEST(eventually_buffered(800 * kilobyte, megabyte));
  for (const std::string& head :
       {post_head(megabyte),
        std::string("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n100000\r\n")}) {
    auto caller = connect();
    caller->send(head + std::string(megabyte, 'x'));
    const http_answer answer = caller->receive();
    BOOST_TEST(answer.status == 503);
    BOOST_TEST(answer.header("retry-after") == "1");
    BOOST_TEST(answer.json().at("Code") == "overloaded");
  }
  // Small requests are still served.
  BOOST_TEST(connect()->request("POST", "/", "12").body == "2");
  callers.clear();
  BOOST_TEST(eventually_buffered(0, 0));
  BOOST_TEST(connect()->request("POST", "/", std::string(900'000, 'x')).body
             == "900000");
  BOOST_TEST(eventually_buffered(0, 0));
}

// Regression: a body of 900,000 bytes was refused or not, depending on the
// parts in which it arrived, because the memory for it was doubled.
BOOST_AUTO_TEST_CASE(announced_body_takes_no_more_memory_than_its_length) {
  config.buffered_bytes_max = megabyte;
  start();
  for (const std::size_t first :
       {1'000U, 300'000U, 449'999U, 500'000U, 600'000U, 899'999U}) {
    auto caller = connect();
    caller->send(post_head(900'000) + std::string(first, 'x'));
    BOOST_TEST(eventually_buffered(first, 900'000), first);
    caller->send(std::string(900'000 - first, 'x'));
    BOOST_TEST(caller->receive().body == "900000", first);
    caller.reset();
    BOOST_TEST(eventually_buffered(0, 0), first);
  }
}

// Regression: 300 callers that did not read answers of 10 MB used 2.1 GiB.
BOOST_AUTO_TEST_CASE(unread_answers_beyond_the_budget_get_503) {
  config.buffered_bytes_max = 40 * megabyte;
  handler = [](const http_request& request, const http_responder& responder) {
    responder.respond(
      {200, std::string(request.target == "/small" ? kilobyte : 16 * megabyte,
                        'x')});
  };
  start();
  std::vector<std::unique_ptr<http_caller>> callers;
  for (int i = 0; i < 2; ++i) {
    callers.push_back(connect());
    callers.back()->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    BOOST_TEST(eventually_buffered((i + 1) * 16 * megabyte, 40 * megabyte));
  }
  for (int i = 0; i < 3; ++i) {
    const http_answer answer = connect()->request("GET", "/");
    BOOST_TEST(answer.status == 503);
    BOOST_TEST(answer.header("retry-after") == "1");
  }
  // A request that was done must not be reported as refused.
  const http_answer done = connect()->request("POST", "/", "x");
  BOOST_TEST(done.status == 504);
  BOOST_TEST(done.json().at("Code") == "unknown_outcome");
  BOOST_TEST(connect()->request("GET", "/small").body.size() == kilobyte);
  // Both callers read their answers in the end.
  for (const auto& each : callers)
    BOOST_TEST(each->receive().body.size() == 16 * megabyte);
  BOOST_TEST(eventually_buffered(0, 0));
  BOOST_TEST(connect()->request("GET", "/").status == 200);
}

BOOST_AUTO_TEST_CASE(connections_without_a_header_are_limited) {
  config.headers_pending_max = 3;
  start();
  std::vector<std::unique_ptr<http_caller>> silent;
  for (int i = 0; i < 5; ++i) {
    silent.push_back(connect());
    if (i % 2 == 0)
      silent.back()->send("GET / HT");
    BOOST_TEST(eventually([&] {
      return server->connections() == std::min<std::size_t>(i + 1, 3);
    }));
  }
  // The oldest ones were closed, and a new caller is served.
  BOOST_TEST(silent[0]->is_closed());
  BOOST_TEST(silent[1]->is_closed());
  BOOST_TEST(connect()->request("GET", "/").status == 200);
  // A connection that has been served does not count.
  auto served = connect();
  BOOST_TEST(served->request("GET", "/").status == 200);
  for (int i = 0; i < 5; ++i)
    silent.push_back(connect());
  BOOST_TEST(eventually([&] { return server->connections() == 4; }));
  BOOST_TEST(served->request("GET", "/").status == 200);
}

BOOST_AUTO_TEST_CASE(bodies_that_are_received_are_limited) {
  config.bodies_pending_max = 2;
  start();
  std::vector<std::unique_ptr<http_caller>> slow;
  for (int i = 0; i < 2; ++i) {
    slow.push_back(connect());
    slow.back()->send(post_head(10, "Expect: 100-continue\r\n"));
    BOOST_TEST(slow.back()->receive().status == 100);
  }
  auto further = connect();
  further->send(post_head(10));
  BOOST_TEST(further->receive().status == 503);
  BOOST_TEST(connect()->request("GET", "/").status == 200);
  slow.front()->send("0123456789");
  BOOST_TEST(slow.front()->receive().body == "10");
  BOOST_TEST(connect()->request("POST", "/", "123").body == "3");
}

BOOST_AUTO_TEST_CASE(callers_that_do_not_read_are_limited) {
  config.answers_pending_max = 2;
  handler = [](const http_request&, const http_responder& responder) {
    responder.respond({200, std::string(16 * megabyte, 'x')});
  };
  start();
  std::vector<std::unique_ptr<http_caller>> callers;
  for (int i = 0; i < 6; ++i) {
    callers.push_back(connect());
    callers.back()->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  BOOST_TEST(
    eventually([&] { return handled == 6 && server->connections() == 2; }));
  BOOST_TEST(eventually_buffered(32 * megabyte, 33 * megabyte));
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

/// A gateway whose queries wait until the test lets them go on.
class blocking_gateway final : public recording_gateway {
public:
  persistence::result<persistence::instance_page>
  query(const persistence::instance_query&, persistence::duration) override {
    ++waiting;
    released.wait();
    return persistence::instance_page{};
  }

  std::atomic<int> waiting{0};
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
};

/// Keeps the response to one request.
class waiting_exchange final : public client::http_exchange {
public:
  void respond(http_response response) override {
    answer.set_value(std::move(response));
  }

  void park(std::chrono::milliseconds,
            std::function<void(client::park_outcome)>) override {}

  std::promise<http_response> answer;
};

} // namespace

BOOST_AUTO_TEST_SUITE(http_priority)

// Regression: /metrics waited for more than a minute behind 100 lists.
BOOST_AUTO_TEST_CASE(operators_are_answered_behind_blocked_lists) {
  const auto gateway = std::make_shared<blocking_gateway>();
  client::management_api_config config;
  config.reports = [] { return std::vector<cluster::reported_node>(); };
  client::management_api api(client::orchestration_client(gateway), config);
  const auto ask = [&](const std::string& method, const std::string& target) {
    http_request request;
    request.method = method;
    request.target = target;
    request.headers = {{"Host", "127.0.0.1"}};
    auto exchange = std::make_shared<waiting_exchange>();
    auto answer = exchange->answer.get_future();
    api.handle(std::move(request), http_responder(exchange));
    return answer;
  };
  std::vector<std::future<http_response>> lists;
  for (int i = 0; i < 100; ++i)
    lists.push_back(ask("GET", "/durabletask/instances"));
  BOOST_TEST(eventually([&] { return gateway->waiting > 0; }));
  for (const auto& [method, target] :
       std::vector<std::pair<std::string, std::string>>{
         {"GET", "/metrics"},
         {"GET", "/healthz"},
         {"GET", "/readyz"},
         {"HEAD", "/healthz"},
         {"HEAD", "/readyz"},
         {"GET", "/perdura/cluster"},
         {"GET", "/perdura/stuck"}}) {
    auto answer = ask(method, target);
    BOOST_REQUIRE_MESSAGE(answer.wait_for(patience)
                            == std::future_status::ready,
                          method << ' ' << target);
    BOOST_TEST(answer.get().status == 200, method << ' ' << target);
  }
  gateway->release.set_value();
  for (auto& each : lists)
    BOOST_TEST(each.get().status == 200);
}

// A report that waits for a node must not delay the metrics.
BOOST_AUTO_TEST_CASE(metrics_are_answered_behind_a_blocked_report) {
  std::promise<void> release;
  client::management_api_config config;
  config.reports = [released = release.get_future().share()] {
    released.wait();
    return std::vector<cluster::reported_node>();
  };
  const auto gateway = std::make_shared<recording_gateway>();
  client::management_api api(client::orchestration_client(gateway), config);
  std::vector<std::future<http_response>> answers;
  for (const char* target : {"/perdura/cluster", "/metrics"}) {
    http_request request;
    request.method = "GET";
    request.target = target;
    request.headers = {{"Host", "127.0.0.1"}};
    auto exchange = std::make_shared<waiting_exchange>();
    answers.push_back(exchange->answer.get_future());
    api.handle(std::move(request), http_responder(exchange));
  }
  BOOST_TEST(answers[1].get().status == 200);
  release.set_value();
  BOOST_TEST(answers[0].get().status == 200);
}

BOOST_AUTO_TEST_CASE(readiness_has_reasons) {
  std::vector<cluster::unready_reason> reasons;
  client::management_api_config config;
  config.unready_reasons = [&] { return reasons; };
  client::management_api api(
    client::orchestration_client(std::make_shared<recording_gateway>()),
    config);
  const auto ask = [&] {
    http_request request;
    request.method = "GET";
    request.target = "/readyz";
    auto exchange = std::make_shared<waiting_exchange>();
    auto answer = exchange->answer.get_future();
    api.handle(std::move(request), http_responder(exchange));
    return answer.get();
  };
  BOOST_TEST(ask().body == R"({"status":"ready"})");
  reasons = {{"disk_full", "No \"space\"."}, {"no_thread", "b"}};
  const http_response answer = ask();
  BOOST_TEST(answer.status == 503);
  BOOST_TEST(answer.body
             == R"({"status":"not ready","reasons":[)"
                R"({"code":"disk_full","message":"No \"space\"."},)"
                R"({"code":"no_thread","message":"b"}]})");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
