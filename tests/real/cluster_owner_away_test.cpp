// One node owns what others ask for, and is not there for a while.
#include "client/load/http_load.hpp"
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

/// Repeats it until it is acknowledged.
void must_do(const door& at, const question_to_door& what) {
  BOOST_REQUIRE_MESSAGE(ask_until(at, what,
                                  [](const client::http_reply& reply) {
                                    return reply.status == 202;
                                  }),
                        what.target);
}

question_to_door start_of(const std::string& name, const std::string& id) {
  return {.method = "POST",
          .target = "/orchestrators/" + name + '/' + id,
          .body = "null",
          .key = id + "-start"};
}

question_to_door approval_of(const std::string& id, std::size_t i) {
  return {.method = "POST",
          .target = "/instances/" + id + "/raiseEvent/Approval",
          .body = number_of(i),
          .key = id + "-event"};
}

std::size_t waits_of(const door& at) {
  const auto page = ask(at, {.target = "/metrics"});
  const std::string name = "\nperdura_http_waits ";
  const auto found = page ? page->body.find(name) : std::string::npos;
  return found == std::string::npos
           ? 0
           : std::strtoul(page->body.c_str() + found + name.size(), nullptr,
                          10);
}

/// 1,000 waits, each on a connection of its own, through one door.
class many_waits {
public:
  many_waits(std::uint16_t port, const std::vector<std::string>& ids)
    : load_(port, ids.size()), answered_at_(ids.size()) {
    std::string text;
    load_.send_all([&](std::size_t i) {
      text
        = client::request_text("GET", "/runtime/webhooks/durabletask/instances/"
                                        + ids[i] + "?waitSeconds=120");
      return std::string_view(text);
    });
    outcome_ = std::async(std::launch::async, [this] {
      return load_.collect(
        [this](std::size_t i, int status, std::string_view body) {
          answered_at_[i] = steady_clock::now();
          const json said = json::parse(body, nullptr, false);
          const bool is_right = status == 200 && said.is_object()
                                && said["runtimeStatus"] == "Completed"
                                && said["output"] == json{{"n", i}};
          const std::lock_guard lock(mutex_);
          if (!is_right && wrong_.empty())
            wrong_ = std::to_string(status) + ' ' + std::string(body);
          return is_right;
        });
    });
  }

  client::load_outcome get() {
    return outcome_.get();
  }

  const std::string& wrong() const {
    return wrong_;
  }

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

struct started_cluster : local_cluster {
  started_cluster() {
    start();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cluster_owner_away, started_cluster)

// Half of the events are raised before the owner dies, the rest when it is
// back; its death may cut off some of the answers to the first half.
BOOST_AUTO_TEST_CASE(a_thousand_waiters_of_a_killed_owner_are_answered) {
  constexpr std::size_t count = 1000;
  constexpr std::size_t early = count / 2;
  constexpr std::size_t owner = 2;
  const tests::door door = node(0).door();
  std::vector<std::string> ids;
  json bindings = json::array();
  for (std::size_t i = 0; i < count; ++i) {
    ids.push_back(id_on(owner, "wait-" + std::to_string(i)));
    bindings.push_back({{"FunctionName", "Approval"}, {"InstanceId", ids[i]}});
  }
  must_do(door, {.method = "POST",
                 .target = "/orchestrators",
                 .body = bindings.dump(),
                 .key = "all",
                 .time_out = cluster_patience});
  auto connected = client::cluster_client::connect({entries()});
  BOOST_TEST_REQUIRE((connected ? "" : connected.error().message) == "");
  BOOST_REQUIRE((*connected)->wait_for_all_nodes(cluster_patience));
  client::orchestration_client service = (*connected)->client();
  many_waits waits(node(0).options().http_port, ids);
  const auto until = steady_clock::now() + cluster_patience;
  while (waits_of(door) < count && steady_clock::now() < until)
    std::this_thread::sleep_for(milliseconds(5));
  BOOST_REQUIRE(waits_of(door) == count);

  std::atomic<std::size_t> acknowledged{0};
  std::promise<void> some;
  const auto raise
    = [&](std::size_t i, client::orchestration_client::done_callback done) {
        service.raise_event_async(ids[i], "Approval", number_of(i),
                                  ids[i] + "-event", std::move(done));
      };
  for (std::size_t i = 0; i < early; ++i)
    raise(i, [&](const client::result<void>& done) {
      if (done && acknowledged.fetch_add(1) + 1 == early / 2)
        some.set_value();
    });
  some.get_future().get();
  node(owner).kill();
  const auto died_at = steady_clock::now();
  const std::size_t acknowledged_before = acknowledged;

  node(owner).spawn();
  BOOST_REQUIRE(ask_until(
    node(owner).door(), {.target = "/readyz"},
    [](const client::http_reply& reply) { return reply.status == 200; }));
  const auto back_at = steady_clock::now();
  // All of them: a repeat of what was acknowledged changes nothing.
  const client::orchestration_client patient
    = service.with({.wait_for_owner = true});
  std::vector<std::thread> hands;
  constexpr std::size_t hand_count = 50;
  std::atomic<std::size_t> refused{0};
  for (std::size_t h = 0; h < hand_count; ++h)
    hands.emplace_back([&, h, own = patient]() mutable {
      for (std::size_t i = h; i < count; i += hand_count)
        if (!own.raise_event_json(ids[i], "Approval", number_of(i),
                                  ids[i] + "-event"))
          ++refused;
    });
  for (std::thread& each : hands)
    each.join();
  BOOST_TEST(refused == 0U);
  const client::load_outcome outcome = waits.get();
  BOOST_TEST(outcome.answers == count, waits.wrong());
  BOOST_TEST(outcome.failures == 0U, waits.wrong());
  const auto took
    = std::chrono::duration_cast<milliseconds>(waits.last() - back_at);
  BOOST_TEST_MESSAGE(
    "answered before the kill: "
    << waits.answered_before(died_at)
    << ", events raised: " << acknowledged_before << "; away for "
    << std::chrono::duration_cast<milliseconds>(back_at - died_at).count()
    << " ms; the last answer came " << took.count() << " ms after its return");
  BOOST_TEST(took.count() <= 2000);
  BOOST_TEST(waits.answered_before(died_at) < count - early);
}

BOOST_AUTO_TEST_CASE(while_it_is_away_its_instances_are_unavailable) {
  constexpr std::size_t owner = 1;
  const std::string its = id_on(owner, "its");
  const std::string ours = id_on(0, "ours");
  const std::string theirs = id_on(2, "theirs");
  const tests::door door = node(0).door();
  for (const std::string& id : {its, ours, theirs})
    must_do(door, start_of("Approval", id));
  node(owner).kill();
  BOOST_REQUIRE(ask_until(
    door, {.target = "/instances/" + its},
    [](const client::http_reply& reply) { return reply.status == 503; }));
  for (const question_to_door& each :
       {question_to_door{.target = "/instances/" + its},
        start_of("Approval", id_on(owner, "new")), approval_of(its, 1),
        question_to_door{.method = "POST",
        .target = "/instances/" + its + "/terminate"}}) {
    BOOST_TEST_CONTEXT(each.method << ' ' << each.target) {
      const auto reply = ask(door, each);
      BOOST_REQUIRE(reply);
      BOOST_TEST(reply->status == 503);
      BOOST_TEST(reply->header("Retry-After") != "");
      BOOST_TEST(reply->body.find("node \\\"node-2\\\"") != std::string::npos,
                 reply->body);
    }
  }

  // The others go on.
  for (const std::string& id : {ours, theirs}) {
    must_do(door, approval_of(id, 7));
    const auto ended
      = ask(door, {.target = "/instances/" + id + "?waitSeconds=30"});
    BOOST_REQUIRE(ended);
    BOOST_TEST(ended->status == 200);
    BOOST_TEST(json::parse(ended->body)["output"] == json::parse(number_of(7)));
  }

  const auto listed = ask(door, {.target = "/instances"});
  BOOST_REQUIRE(listed);
  BOOST_TEST(listed->status == 503);
  BOOST_TEST(listed->body.find("node-2") != std::string::npos, listed->body);
  const auto partial = ask(door, {.target = "/instances?partial=true"});
  BOOST_REQUIRE(partial);
  BOOST_TEST(partial->status == 200);
  BOOST_TEST(partial->header("x-perdura-missing-partitions")
             == partitions_of(owner));
  BOOST_TEST(json::parse(partial->body).size() == 2U);

  node(owner).start();
  wait_until_met();
  must_do(door, approval_of(its, 3));
  const auto ended
    = ask(door, {.target = "/instances/" + its + "?waitSeconds=30"});
  BOOST_REQUIRE(ended);
  BOOST_TEST(json::parse(ended->body)["output"] == json::parse(number_of(3)));
  const auto whole = ask(door, {.target = "/instances"});
  BOOST_REQUIRE(whole);
  BOOST_TEST(whole->status == 200);
  BOOST_TEST(whole->header("x-perdura-missing-partitions") == "");
  BOOST_TEST(json::parse(whole->body).size() == 3U);
}

// It waited for the frozen one to read what it was still owed.
BOOST_AUTO_TEST_CASE(a_node_ends_though_a_frozen_one_takes_nothing) {
  constexpr std::size_t frozen = 1;
  node(frozen).pause();
  // More than the kernel keeps for one connection, together.
  const std::string much = '"' + std::string(900'000, 'x') + '"';
  std::vector<std::thread> hands;
  for (std::size_t i = 0; i < 8; ++i)
    hands.emplace_back([&, i] {
      question_to_door each
        = start_of("Echo", id_on(frozen, "much-" + std::to_string(i)));
      each.body = much;
      const auto reply = ask(node(0).door(), each);
      BOOST_TEST((reply && reply->status >= 503));
    });
  for (std::thread& each : hands)
    each.join();
  auto ended = std::async(std::launch::async, [&] { return node(0).stop(); });
  BOOST_TEST(
    (ended.wait_for(std::chrono::seconds(20)) == std::future_status::ready));
  node(frozen).go_on();
  BOOST_TEST(ended.get() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
