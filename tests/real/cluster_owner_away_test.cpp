// SPDX-License-Identifier: Apache-2.0
// The node that owns the requested instances is down for a while.
#include "client/load/http_load.hpp"
#include "tests/support/patience.hpp"
#include <perdura/client/api/cluster_client.hpp>

#include "real/cluster_harness.hpp"
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string number_of(std::size_t i) {
  return "{\"n\":" + std::to_string(i) + '}';
}

/// Repeats the request until it is answered with 202.
void request_accepted(const http_endpoint& endpoint,
                      const endpoint_request& wanted) {
  BOOST_REQUIRE_MESSAGE(request_until(endpoint, wanted,
                                      [](const client::http_reply& reply) {
                                        return reply.status == 202;
                                      }),
                        wanted.target);
}

/// The requests carry idempotency keys, so that they can be repeated.
endpoint_request start_of(const std::string& name, const std::string& id) {
  return {.method = "POST",
          .target = "/orchestrators/" + name + '/' + id,
          .body = "null",
          .key = id + "-start"};
}

endpoint_request approval_of(const std::string& id, std::size_t i) {
  return {.method = "POST",
          .target = "/instances/" + id + "/raiseEvent/Approval",
          .body = number_of(i),
          .key = id + "-event"};
}

/// The number of pending waits, from the metric perdura_http_waits.
std::size_t waits_of(const http_endpoint& endpoint) {
  const auto page = send_request(endpoint, {.target = "/metrics"});
  const std::string name = "\nperdura_http_waits ";
  const auto found = page ? page->body.find(name) : std::string::npos;
  return found == std::string::npos
           ? 0
           : std::strtoul(page->body.c_str() + found + name.size(), nullptr,
                          10);
}

/// Waits for the completion of many instances through one node, each wait on a
/// connection of its own.
class many_waits {
public:
  many_waits(std::uint16_t port, const std::vector<std::string>& ids)
    : load_(port, ids.size()), answered_at_(ids.size()) {
    std::string text;
    load_.send_all([&](std::size_t i) {
      text
        = client::request_text("GET", "/runtime/webhooks/durabletask/instances/"
                                        + ids[i] + "?waitSeconds=300");
      return std::string_view(text);
    });
    outcome_ = std::async(std::launch::async, [this] {
      return load_.collect(
        [this](std::size_t i, int status, std::string_view body) {
          answered_at_[i] = steady_clock::now();
          const json status_object = json::parse(body, nullptr, false);
          const bool is_expected
            = status == 200 && status_object.is_object()
              && status_object["runtimeStatus"] == "Completed"
              && status_object["output"] == json{{"n", i}};
          const std::lock_guard lock(mutex_);
          if (!is_expected && wrong_.empty())
            wrong_ = std::to_string(status) + ' ' + std::string(body);
          return is_expected;
        });
    });
  }

  client::load_outcome get() {
    return outcome_.get();
  }

  const std::string& wrong() const {
    return wrong_;
  }

  /// How many waits were answered before a point of time.
  std::size_t answered_before(steady_clock::time_point at) const {
    return static_cast<std::size_t>(
      std::count_if(answered_at_.begin(), answered_at_.end(),
                    [&](auto each) { return each < at; }));
  }

  steady_clock::time_point last() const {
    return *std::max_element(answered_at_.begin(), answered_at_.end());
  }

private:
  client::http_load load_;
  std::vector<steady_clock::time_point> answered_at_;
  std::mutex mutex_;
  std::string wrong_;
  std::future<client::load_outcome> outcome_;
};

/// Three connected nodes.
struct three_running_nodes : local_cluster {
  three_running_nodes() {
    start();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cluster_owner_away, three_running_nodes)

// A quarter of the events is raised while the owner runs, and a quarter while
// it is frozen, so that the kill interrupts them. The rest follows after its
// restart. Each wait is answered with the outcome, on the connection on which
// it was sent: no client repeats a wait, and no wait ends by its own time-out.
BOOST_AUTO_TEST_CASE(a_thousand_waits_are_answered_after_the_owner_was_killed) {
  constexpr std::size_t count = 1000;
  constexpr std::size_t quarter = count / 4;
  constexpr std::size_t owner = 2;
  const http_endpoint endpoint = node(0).endpoint();
  std::vector<std::string> ids;
  json bindings = json::array();
  for (std::size_t i = 0; i < count; ++i) {
    ids.push_back(id_on(owner, "wait-" + std::to_string(i)));
    bindings.push_back({{"FunctionName", "Approval"}, {"InstanceId", ids[i]}});
  }
  request_accepted(endpoint, {.method = "POST",
                              .target = "/orchestrators",
                              .body = bindings.dump(),
                              .key = "all",
                              .time_out = cluster_wait_max});
  auto connected = client::cluster_client::connect({entries()});
  BOOST_TEST_REQUIRE((connected ? "" : connected.error().message) == "");
  BOOST_REQUIRE((*connected)->wait_for_all_nodes(cluster_wait_max));
  client::orchestration_client service = (*connected)->client();
  many_waits waits(node(0).options().http_port, ids);
  // All waits must be pending before the first event is raised.
  BOOST_REQUIRE(eventually([&] { return waits_of(endpoint) == count; }));

  std::atomic<std::size_t> acknowledged{0};
  std::atomic<std::size_t> interrupted{0};
  std::promise<void> some;
  const auto raise
    = [&](std::size_t i, client::orchestration_client::done_callback done) {
        service.raise_event_async(ids[i], "Approval", number_of(i),
                                  ids[i] + "-event", std::move(done));
      };
  for (std::size_t i = 0; i < quarter; ++i)
    raise(i, [&](const client::result<void>& done) {
      if (done && acknowledged.fetch_add(1) + 1 == quarter)
        some.set_value();
    });
  some.get_future().get();
  node(owner).pause();
  for (std::size_t i = quarter; i < 2 * quarter; ++i)
    raise(i, [&](const client::result<void>&) { ++interrupted; });
  node(owner).kill();
  const auto killed_at = steady_clock::now();

  node(owner).spawn();
  BOOST_REQUIRE(request_until(
    node(owner).endpoint(), {.target = "/readyz"},
    [](const client::http_reply& reply) { return reply.status == 200; }));
  const auto back_at = steady_clock::now();
  // All events are raised again; repeating an acknowledged one has no effect.
  const client::orchestration_client waiting_service
    = service.with({.wait_for_owner = true});
  std::vector<std::thread> workers;
  constexpr std::size_t worker_count = 50;
  std::atomic<std::size_t> refused{0};
  for (std::size_t h = 0; h < worker_count; ++h)
    workers.emplace_back([&, h, own = waiting_service]() mutable {
      for (std::size_t i = h; i < count; i += worker_count)
        if (!own.raise_event_json(ids[i], "Approval", number_of(i),
                                  ids[i] + "-event"))
          ++refused;
    });
  for (std::thread& each : workers)
    each.join();
  BOOST_TEST(refused == 0U);
  const client::load_outcome outcome = waits.get();
  BOOST_TEST(outcome.responses == count, waits.wrong());
  BOOST_TEST(outcome.failures == 0U, waits.wrong());
  const auto took
    = std::chrono::duration_cast<milliseconds>(waits.last() - back_at);
  BOOST_TEST_MESSAGE(
    "answered before the kill: "
    << waits.answered_before(killed_at) << "; down for "
    << std::chrono::duration_cast<milliseconds>(back_at - killed_at).count()
    << " ms; the last answer came " << took.count() << " ms after the restart");
  BOOST_TEST(waits.answered_before(killed_at) <= quarter);
  // The callbacks refer to variables of this case.
  BOOST_TEST(eventually([&] { return interrupted == quarter; }));
}

// One instance is owned by the stopped node, one by the node that gets the
// requests, and one by the third node.
BOOST_AUTO_TEST_CASE(instances_of_a_node_that_is_down_are_unavailable) {
  constexpr std::size_t owner = 1;
  const std::string its = id_on(owner, "its");
  const std::string ours = id_on(0, "ours");
  const std::string theirs = id_on(2, "theirs");
  const http_endpoint endpoint = node(0).endpoint();
  for (const std::string& id : {its, ours, theirs})
    request_accepted(endpoint, start_of("Approval", id));
  node(owner).kill();
  BOOST_REQUIRE(request_until(
    endpoint, {.target = "/instances/" + its},
    [](const client::http_reply& reply) { return reply.status == 503; }));
  for (const endpoint_request& each :
       {endpoint_request{.target = "/instances/" + its},
        start_of("Approval", id_on(owner, "new")), approval_of(its, 1),
        endpoint_request{.method = "POST",
        .target = "/instances/" + its + "/terminate"}}) {
    BOOST_TEST_CONTEXT(each.method << ' ' << each.target) {
      const auto reply = send_request(endpoint, each);
      BOOST_REQUIRE(reply);
      BOOST_TEST(reply->status == 503);
      BOOST_TEST(reply->header("Retry-After") != "");
      BOOST_TEST(reply->body.find("node \\\"node-2\\\"") != std::string::npos,
                 reply->body);
    }
  }

  // The instances of the other nodes make progress.
  for (const std::string& id : {ours, theirs}) {
    request_accepted(endpoint, approval_of(id, 7));
    const auto ended = send_request(
      endpoint, {.target = "/instances/" + id + "?waitSeconds=30"});
    BOOST_REQUIRE(ended);
    BOOST_TEST(ended->status == 200);
    BOOST_TEST(json::parse(ended->body)["output"] == json::parse(number_of(7)));
  }

  // A list is refused while partitions are missing. With partial=true the
  // response names the missing partitions in a header.
  const auto listed = send_request(endpoint, {.target = "/instances"});
  BOOST_REQUIRE(listed);
  BOOST_TEST(listed->status == 503);
  BOOST_TEST(listed->body.find("node-2") != std::string::npos, listed->body);
  const auto partial
    = send_request(endpoint, {.target = "/instances?partial=true"});
  BOOST_REQUIRE(partial);
  BOOST_TEST(partial->status == 200);
  BOOST_TEST(partial->header("x-perdura-missing-partitions")
             == partitions_of(owner));
  BOOST_TEST(json::parse(partial->body).size() == 2U);

  node(owner).start();
  wait_until_connected();
  request_accepted(endpoint, approval_of(its, 3));
  const auto ended = send_request(
    endpoint, {.target = "/instances/" + its + "?waitSeconds=30"});
  BOOST_REQUIRE(ended);
  BOOST_TEST(json::parse(ended->body)["output"] == json::parse(number_of(3)));
  const auto whole = send_request(endpoint, {.target = "/instances"});
  BOOST_REQUIRE(whole);
  BOOST_TEST(whole->status == 200);
  BOOST_TEST(whole->header("x-perdura-missing-partitions") == "");
  BOOST_TEST(json::parse(whole->body).size() == 3U);
}

// Regression: the stop of a node was not complete until a frozen peer had read
// all data that the node had to send.
BOOST_AUTO_TEST_CASE(node_stops_while_a_frozen_peer_reads_nothing) {
  constexpr std::size_t frozen = 1;
  node(frozen).pause();
  // The eight requests together are larger than the buffers of the kernel for
  // one connection.
  const std::string much = '"' + std::string(900'000, 'x') + '"';
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < 8; ++i)
    workers.emplace_back([&, i] {
      endpoint_request each
        = start_of("Echo", id_on(frozen, "much-" + std::to_string(i)));
      each.body = much;
      const auto reply = send_request(node(0).endpoint(), each);
      BOOST_TEST((reply && reply->status >= 503));
    });
  for (std::thread& each : workers)
    each.join();
  auto ended = std::async(std::launch::async, [&] { return node(0).stop(); });
  BOOST_TEST((ended.wait_for(patience) == std::future_status::ready));
  node(frozen).resume();
  BOOST_TEST(ended.get() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
