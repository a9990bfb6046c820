// SPDX-License-Identifier: Apache-2.0
// The request that sends an event and starts the instance if it is not live:
// through the C++ client, the HTTP API, and nodes that do not own the instance.
#include "tests/client/cluster_fixture.hpp"
#include "tests/client/http_fixture.hpp"
#include "tests/support/patience.hpp"
#include <perdura/perdura.hpp>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

using nlohmann::json;

namespace {

task<std::vector<int>> collect(orchestration_context& ctx, int count) {
  std::vector<int> got;
  for (int i = 0; i < count; ++i)
    got.push_back(co_await ctx.wait_for_external_event<int>("E"));
  co_return got;
}

void add_collect(actors::registry& functions) {
  functions.add_orchestrator("Collect", collect);
}

struct start_or_raise_fixture : http_fixture {
  start_or_raise_fixture() : http_fixture(add_collect) {}

  orchestration_client client = host->client();

  static std::string path(const std::string& name, const std::string& id,
                          const std::string& event) {
    return "/orchestrators/" + name + '/' + id + "/raiseEvent/" + event;
  }

  std::string output_of(const std::string& id) {
    return client.wait_for_completion(id, patience).value().output;
  }
};

struct three_nodes : cluster_fixture {
  three_nodes() : cluster_fixture(options()) {}

  static cluster_options options() {
    cluster_options made;
    made.add_functions = [](std::size_t, actors::registry& functions) {
      add_collect(functions);
    };
    return made;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(start_or_raise_calls, start_or_raise_fixture)

// --- C++ --------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(client_starts_and_then_raises) {
  const auto first = client.start_or_raise("Collect", "a", "E", 2, 10).value();
  BOOST_TEST(first.instance_id == "a");
  BOOST_TEST(first.is_new);
  BOOST_TEST(first.has_run);
  BOOST_TEST((first.created_time != persistence::timestamp{}));
  const auto second = client.start_or_raise("Collect", "a", "E", 9, 20).value();
  BOOST_TEST(!second.is_new);
  BOOST_TEST((second.created_time == first.created_time));
  BOOST_TEST(output_of("a") == "[10,20]");
  BOOST_TEST(client.start_or_raise("Collect", "a", "E", 1, 30).value().is_new);
  BOOST_TEST(output_of("a") == "[30]");
}

BOOST_AUTO_TEST_CASE(client_checks_the_arguments) {
  const auto code = [&](std::string_view name, std::string_view id,
                        std::string_view event, std::string input,
                        std::string data, const start_options& options = {}) {
    return client
      .start_or_raise_json(name, id, event, std::move(input), std::move(data),
                           options)
      .code();
  };
  BOOST_TEST((code("", "a", "E", "1", "1") == errc::invalid_name));
  BOOST_TEST((code("Collect", "a", "", "1", "1") == errc::invalid_name));
  BOOST_TEST((code("Collect", "", "E", "1", "1") == errc::invalid_instance_id));
  BOOST_TEST(
    (code("Collect", "@a", "E", "1", "1") == errc::invalid_instance_id));
  BOOST_TEST((code("Collect", "a", "E", "{", "1") == errc::invalid_json));
  BOOST_TEST((code("Collect", "a", "E", "1", "{") == errc::invalid_json));
  start_options later;
  later.scheduled_at = persistence::timestamp(std::chrono::hours(1'000'000));
  BOOST_TEST(
    (code("Collect", "a", "E", "1", "1", later) == errc::invalid_argument));
  start_options other;
  other.instance_id = "b";
  BOOST_TEST(
    (code("Collect", "a", "E", "1", "1", other) == errc::invalid_argument));
  BOOST_TEST((code("Nope", "a", "E", "1", "1") == errc::unknown_orchestrator));
  BOOST_TEST(!client.get_status("a").value());
}

BOOST_AUTO_TEST_CASE(client_repeats_with_a_request_id) {
  start_options options;
  options.request_id = "k";
  const auto raise = [&](int data) {
    return client.start_or_raise("Collect", "a", "E", 2, data, options);
  };
  BOOST_TEST(raise(1).value().is_new);
  BOOST_TEST(raise(1).value().is_new);
  BOOST_TEST((raise(2).code() == errc::request_id_reused));
  // The key of another operation is another key.
  client.raise_event("a", "E", 2, "k").value();
  BOOST_TEST(output_of("a") == "[1,2]");
  BOOST_TEST(raise(1).value().is_new);
  BOOST_TEST(output_of("a") == "[1,2]");
}

// A scheduled instance is live; the call does not wait until it runs.
BOOST_AUTO_TEST_CASE(client_raises_for_a_scheduled_instance) {
  start_options later;
  later.instance_id = "a";
  later.scheduled_at = persistence::timestamp(std::chrono::hours(1'000'000));
  client.start_new("Collect", 1, later).value();
  const auto raised = client.start_or_raise("Collect", "a", "E", 1, 1).value();
  BOOST_TEST(!raised.is_new);
  BOOST_TEST(!raised.has_run);
}

BOOST_AUTO_TEST_CASE(asynchronous_calls_start_one_instance) {
  constexpr std::size_t count = 100;
  std::atomic<std::size_t> started{0};
  std::atomic<std::size_t> left{count};
  std::promise<void> all;
  for (std::size_t i = 0; i < count; ++i)
    client.async().start_or_raise("Collect", "a", "E", std::to_string(count),
                                  std::to_string(i), {},
                                  [&](const result<started_instance>& done) {
                                    started += done && done->is_new ? 1U : 0U;
                                    if (--left == 0)
                                      all.set_value();
                                  });
  all.get_future().get();
  BOOST_TEST(started == 1U);
  BOOST_TEST(json::parse(output_of("a")).size() == count);
}

// The instances end while callers send events; no call fails.
BOOST_AUTO_TEST_CASE(calls_beside_ends_succeed) {
  constexpr int threads = 4;
  constexpr int each = 50;
  std::atomic<int> starts{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < threads; ++t)
    callers.emplace_back([&] {
      orchestration_client own = host->client();
      for (int i = 0; i < each; ++i)
        starts += own.start_or_raise("Collect", "a", "E", 1, i).value().is_new;
    });
  for (std::thread& one : callers)
    one.join();
  // Not more than one for each event; fewer if an event was stored and unread
  // when its instance ended.
  BOOST_TEST(starts > 0);
  BOOST_TEST(starts <= threads * each);
  BOOST_TEST((client.wait_for_completion("a", patience).value().status
              == runtime_status::completed));
}

// --- HTTP -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(http_says_which_happened) {
  const std::string to = path("Collect", "a", "E");
  const http_answer first = request("POST", to, R"({"data": 1, "input": 2})");
  BOOST_TEST(first.status == 202);
  BOOST_TEST(first.json().at("id") == "a");
  BOOST_TEST(first.json().at("started") == true);
  BOOST_TEST(first.header("location") == first.json().at("statusQueryGetUri"));
  const http_answer second = request("POST", to, R"({"data":2})");
  BOOST_TEST(second.status == 202);
  BOOST_TEST(second.json().at("started") == false);
  BOOST_TEST(ended("a").at("output") == json::parse("[1,2]"));
}

// The bytes of both values reach the orchestrator unchanged.
BOOST_AUTO_TEST_CASE(http_keeps_the_bytes_of_the_values) {
  BOOST_TEST(request("POST", path("Approval", "a", "Approval"),
                     R"({"data":{"b":1.0, "a":12345678901234567890}})")
               .status
             == 202);
  BOOST_TEST(output_of("a") == R"({"b":1.0, "a":12345678901234567890})");
}

BOOST_AUTO_TEST_CASE(http_refuses_other_bodies) {
  const std::string to = path("Collect", "a", "E");
  for (const char* body : {"7", "[]", R"({"Input":1})", "{", R"({"x":1})"})
    BOOST_TEST(request("POST", to, body).status == 400, body);
  BOOST_TEST(
    request("POST", to + "?scheduledStartTime=2099-01-01T00:00:00Z").status
    == 400);
  BOOST_TEST(request("POST", path("Nope", "a", "E")).status == 400);
  BOOST_TEST(request("GET", "/instances/a").status == 404);
}

BOOST_AUTO_TEST_CASE(http_repeats_with_a_key) {
  const std::string to = path("Collect", "a", "E");
  const auto raise = [&](const char* body) {
    return request("POST", to, body, "Idempotency-Key: k\r\n");
  };
  for (int i = 0; i < 2; ++i) {
    const http_answer answer = raise(R"({"input":2,"data":1})");
    BOOST_TEST(answer.status == 202);
    BOOST_TEST(answer.json().at("started") == true);
  }
  BOOST_TEST(raise(R"({"input":2,"data":2})").status == 422);
  BOOST_TEST(raise(R"({"input":3,"data":1})").status == 422);
}

BOOST_AUTO_TEST_SUITE_END()

// --- A cluster --------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(start_or_raise_cluster, three_nodes)

BOOST_AUTO_TEST_CASE(any_node_takes_the_request) {
  for (std::size_t owner = 0; owner < 3; ++owner) {
    const std::string id = id_on(owner, "cart");
    const std::string to
      = "/runtime/webhooks/durabletask/orchestrators/Collect/" + id
        + "/raiseEvent/E";
    for (std::size_t i = 0; i < 3; ++i) {
      const http_answer answer
        = request_at_root(i, "POST", to, R"({"input":5,"data":1})");
      BOOST_TEST(answer.status == 202);
      BOOST_TEST(answer.json().at("started") == (i == 0));
    }
    // A client that is no node, and the command line on another node.
    const auto link = connect();
    BOOST_TEST(
      !link->client().start_or_raise("Collect", id, "E", 5, 2).value().is_new);
    const outcome shown = perdura(
      (owner + 1) % 3, {"start-or-raise", "Collect", id, "E", "--data", "3"});
    BOOST_TEST(shown.out == id + " raised\n", shown.err);
    const auto ended
      = host(owner).client().wait_for_completion(id, patience).value();
    BOOST_TEST(ended.output == "[1,1,1,2,3]");
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
