// SPDX-License-Identifier: Apache-2.0
// The input of a start reaches the gateway in the buffer in which it was
// received, and the callbacks of the client API run where its executor says.
#include "client/api/orchestration_client.hpp"
#include "client/http/management_api.hpp"
#include "tests/client/recording_gateway.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

namespace {

using namespace perdura::client;

/// JSON text that is too large to be stored inside a std::string object, so
/// that its address identifies the buffer.
std::string large_text() {
  return '"' + std::string(100'000, 'x') + '"';
}

/// An HTTP request without a connection. Keeps the response, and the work that
/// is to run on the connection's thread.
class recorded_exchange : public http_exchange {
public:
  void respond(http_response response) override {
    responses.push_back(std::move(response));
  }

  void park(std::chrono::milliseconds,
            std::function<void(park_outcome)>) override {}

  void run(std::function<void()> work) override {
    waiting.push_back(std::move(work));
  }

  std::vector<http_response> responses;
  std::vector<std::function<void()>> waiting;
};

struct start_payload_fixture {
  /// The address of the input that the gateway has received.
  const void* received() const {
    const auto& request = gateway->requests.at(0);
    return std::get<actors::start_instance>(request).input.data();
  }

  std::shared_ptr<recording_gateway> gateway
    = std::make_shared<recording_gateway>();
  orchestration_client client{gateway};
  start_options durable{.until_running = false};
  std::string text = large_text();
  const void* address = text.data();
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(start_payload, start_payload_fixture)

BOOST_AUTO_TEST_CASE(start_json_moves_its_input) {
  BOOST_TEST(bool(client.start_json("A", std::move(text), durable)));
  BOOST_TEST(received() == address);
}

BOOST_AUTO_TEST_CASE(start_new_moves_json_text) {
  json_text input(std::move(text));
  BOOST_TEST(bool(client.start_new("A", std::move(input), durable)));
  BOOST_TEST(received() == address);
}

BOOST_AUTO_TEST_CASE(start_new_moves_the_input_of_a_binding) {
  gateway->answer.started = true;
  start_binding binding{"A", json_text(std::move(text)), "id"};
  BOOST_TEST(bool(client.start_new(std::move(binding))));
  BOOST_TEST(received() == address);
}

BOOST_AUTO_TEST_CASE(start_new_leaves_a_constant_input_unchanged) {
  const json_text input(text);
  BOOST_TEST(bool(client.start_new("A", input, durable)));
  BOOST_TEST(input.text() == text);
  BOOST_TEST(std::get<actors::start_instance>(gateway->requests.at(0)).input
             == text);
}

BOOST_AUTO_TEST_CASE(start_async_moves_its_input) {
  client.start_async("A", std::move(text), {}, [](result<std::string>) {});
  BOOST_TEST(received() == address);
}

BOOST_AUTO_TEST_CASE(http_moves_the_body_into_the_request) {
  management_api api(client, {});
  auto exchange = std::make_shared<recorded_exchange>();
  http_request request{"POST", "/orchestrators/A", {}, std::move(text), "::1"};
  request.headers.push_back({"Host", "127.0.0.1"});
  api.handle(std::move(request), http_responder(exchange));
  BOOST_TEST(received() == address);
  exchange->waiting.clear(); // the work holds the exchange
}

// The answer arrives on a thread that runs partitions. It only passes work to
// the server; URLs are made and the audit line is written there.
BOOST_AUTO_TEST_CASE(http_makes_a_response_on_the_thread_of_the_connection) {
  management_api api(client, {});
  auto exchange = std::make_shared<recorded_exchange>();
  http_request request{"POST", "/orchestrators/A", {}, {}, "::1"};
  request.headers.push_back({"Host", "127.0.0.1"});
  api.handle(std::move(request), http_responder(exchange));
  BOOST_TEST(exchange->responses.empty());
  BOOST_TEST_REQUIRE(exchange->waiting.size() == 1U);
  exchange->waiting.front()();
  BOOST_TEST_REQUIRE(exchange->responses.size() == 1U);
  BOOST_TEST(exchange->responses.front().status == 202);
  exchange->waiting.clear(); // the work holds the exchange
}

// The gateway answers on this thread. The result is made by the executor.
BOOST_AUTO_TEST_CASE(an_executor_makes_the_result) {
  std::vector<std::function<void()>> waiting;
  int results = 0;
  const async_client core = client.async().on(
    [&](std::function<void()> work) { waiting.push_back(std::move(work)); });
  core.start("A", "1", {}, [&](const result<started_instance>& started) {
    BOOST_TEST(bool(started));
    ++results;
  });
  core.start("", "1", {}, [&](const result<started_instance>& started) {
    BOOST_TEST((started.code() == errc::invalid_name));
    ++results;
  });
  BOOST_TEST(results == 0);
  BOOST_TEST_REQUIRE(waiting.size() == 2U);
  for (const auto& work : waiting)
    work();
  BOOST_TEST(results == 2);
}

BOOST_AUTO_TEST_CASE(a_start_without_an_answer_has_an_unknown_outcome) {
  gateway->is_silent = true;
  start_options options = durable;
  options.instance_id = "order-7";
  options.time_out = std::chrono::milliseconds(1);
  const auto started = client.start_json("A", "1", options);
  BOOST_TEST((started.code() == errc::unknown_outcome));
  BOOST_TEST(started.error().message.find("order-7") != std::string::npos);
  BOOST_TEST(gateway->cancelled == 1U);
}

BOOST_AUTO_TEST_CASE(a_read_without_an_answer_is_timed_out) {
  gateway->is_silent = true;
  const auto status
    = client.with({.deadline = std::chrono::milliseconds(1)}).get_status("a");
  BOOST_TEST((status.code() == errc::timed_out));
}

BOOST_AUTO_TEST_CASE(a_wait_may_be_as_long_as_can_be) {
  for (const persistence::wait_time& each :
       {persistence::wait_time(std::chrono::milliseconds::max()),
        persistence::wait_time(std::chrono::hours::max()),
        persistence::wait_time(persistence::duration::max())}) {
    auto unlimited = client.with({.deadline = each});
    BOOST_TEST(bool(unlimited.terminate("a", "why")));
    BOOST_TEST(bool(unlimited.list_instances({})));
    start_options options = durable;
    options.time_out = each;
    BOOST_TEST(bool(client.start_json("A", "1", options)));
  }
  BOOST_TEST(gateway->cancelled == 0U);
}

BOOST_AUTO_TEST_CASE(a_negative_time_out_is_refused_and_nothing_is_sent) {
  const std::size_t before = gateway->requests.size();
  auto late = client.with({.deadline = std::chrono::milliseconds(-5)});
  for (const auto code :
       {late.terminate("a", "why").code(),
        late.raise_event_json("a", "E", "1").code(),
        late.get_status("a").code(), late.list_instances({}).code(),
        late.count_instances().code(),
        client.wait_for_completion("a", std::chrono::hours::min()).code()})
    BOOST_TEST((code == errc::invalid_argument));
  start_options options = durable;
  options.time_out = std::chrono::milliseconds(-1);
  const auto refused = client.start_json("A", "1", options);
  BOOST_TEST(refused.error().message
             == "A time-out may not be negative; this one is -1 ms.");
  BOOST_TEST(gateway->requests.size() == before);
  BOOST_TEST(gateway->queries.empty());
}

// Regression: without a filter by status, canceled instances were left.
BOOST_AUTO_TEST_CASE(purge_all_without_statuses_selects_all_ended_instances) {
  BOOST_TEST(bool(client.purge_all({})));
  BOOST_TEST_REQUIRE(gateway->queries.size() == 1U);
  std::size_t selected = 0;
  for (const runtime_status status : gateway->queries.front().statuses) {
    BOOST_TEST(is_finished(status));
    ++selected;
  }
  std::size_t finished = 0;
  for (std::uint8_t i = 0; i < 8; ++i)
    finished += is_finished(static_cast<runtime_status>(i)) ? 1U : 0U;
  BOOST_TEST(selected == finished);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
