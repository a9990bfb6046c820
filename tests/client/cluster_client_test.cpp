// SPDX-License-Identifier: Apache-2.0
// The C++ client in a process that is not a node. It is connected to a cluster
// of three nodes.
#include "tests/client/cluster_fixture.hpp"
#include "tests/support/patience.hpp"
#include <perdura/perdura.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

namespace perdura::tests {

namespace {

/// A cluster of three nodes with a connected client.
struct client_fixture : cluster_fixture {
  explicit client_fixture(cluster_options options = {})
    : cluster_fixture(std::move(options)) {}

  std::string start(std::string_view name, const std::string& id,
                    const std::string& input = "null") {
    start_options options;
    options.instance_id = id;
    return client.start_json(name, input, options).value();
  }

  runtime_status status_of(const std::string& id) {
    return client.get_status(id).value().value().status;
  }

  orchestration_status ended(const std::string& id) {
    return client.wait_for_completion(id, patience).value();
  }

  std::unique_ptr<cluster_client> link = connect();
  orchestration_client client = link->client();
};

/// A counter that any thread can decrement. One thread waits until it is 0.
class countdown {
public:
  explicit countdown(std::size_t from) : left_(from) {}

  void down() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0)
      changed_.notify_all();
  }

  /// Returns false if the counter is not 0 within `patience`.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return left_ == 0; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t left_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_client_api)

// The IDs are chosen so that each node owns one of the instances.
BOOST_FIXTURE_TEST_CASE(every_operation_works_on_every_node, client_fixture) {
  for (std::size_t i = 0; i < 3; ++i)
    BOOST_TEST_CONTEXT(name_of(i)) {
      const std::string id = id_on(i, "order");
      BOOST_TEST(start("Approval", id) == id);
      BOOST_TEST((status_of(id) == runtime_status::running));
      client.suspend(id, "pause").value();
      BOOST_TEST((status_of(id) == runtime_status::suspended));
      client.resume(id, "continue").value();
      BOOST_TEST((status_of(id) == runtime_status::running));
      client.raise_event(id, "Approval", 17).value();
      BOOST_TEST(ended(id).output == "17");
      BOOST_TEST(client.restart(id, false).value() == id);
      client.terminate(id, "enough").value();
      BOOST_TEST((ended(id).status == runtime_status::terminated));
      const std::string again = client.restart(id).value();
      BOOST_TEST(again != id);
      client.terminate(again, "enough").value();
      const std::string fails = id_on(i, "fails");
      start("FailsOnce", fails);
      BOOST_TEST((ended(fails).status == runtime_status::failed));
      client.rewind(fails, "fixed").value();
      BOOST_TEST(ended(fails).output == R"(["Hello Tokyo!","recovered"])");
      client.purge(id).value();
      BOOST_TEST(!client.get_status(id).value().has_value());
      BOOST_TEST((client.purge(id).code() == errc::not_found));
    }
}

BOOST_FIXTURE_TEST_CASE(errors_are_the_same_as_in_the_process_of_a_node,
                        client_fixture) {
  const std::string id = id_on(2, "order");
  start("Approval", id);
  start_options options;
  options.instance_id = id;
  const auto twice = client.start_new("Approval", nullptr, options);
  BOOST_TEST((twice.code() == errc::already_exists));
  BOOST_TEST((kind_of(twice.code()) == failure_kind::not_done));
  BOOST_TEST(
    (client.start_new("Unknown").code() == errc::unknown_orchestrator));
  BOOST_TEST((client.start_json("Echo", "{").code() == errc::invalid_json));
  BOOST_TEST((client.raise_event("unknown", "E").code() == errc::not_found));
  BOOST_TEST((client.purge(id).code() == errc::not_finished));
  BOOST_TEST((client.rewind(id).code() == errc::not_failed));
  const auto waited = client.wait_for_completion(id, milliseconds(50));
  BOOST_TEST((waited.code() == errc::timed_out));
  const auto later = client.wait_for_completion_or_create_check_status(
    id, milliseconds(50), milliseconds(10));
  BOOST_TEST(!later.value().completed);
  BOOST_TEST(later.value().payload.status_query_get_uri.find(id)
             != std::string::npos);
}

// Instances are ordered by creation time, and by instance ID if the times are
// equal.
BOOST_FIXTURE_TEST_CASE(pages_cover_all_nodes_in_order_without_repetition,
                        client_fixture) {
  constexpr std::size_t count = 40;
  std::set<std::string> made;
  std::set<std::size_t> owners;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string id = "page-" + std::to_string(i);
    made.insert(start("Echo", id, std::to_string(i)));
    owners.insert(owner_of(id));
  }
  BOOST_TEST(owners.size() == 3U);
  for (const std::string& id : made)
    ended(id);
  instance_filter filter;
  filter.instance_id_prefix = "page-";
  filter.top = 7;
  std::vector<orchestration_status> seen;
  std::string token;
  std::size_t pages = 0;
  do {
    auto page = client.list_instances(filter, token).value();
    BOOST_TEST(page.missing_partitions.empty());
    BOOST_TEST(page.instances.size() <= filter.top);
    seen.insert(seen.end(), page.instances.begin(), page.instances.end());
    token = page.continuation_token;
    ++pages;
  } while (!token.empty());
  BOOST_TEST(pages >= 6U);
  BOOST_TEST(seen.size() == count);
  std::set<std::string> found;
  for (const orchestration_status& one : seen)
    found.insert(one.instance_id);
  BOOST_TEST((found == made));
  BOOST_TEST(std::is_sorted(
    seen.begin(), seen.end(), [](const auto& left, const auto& right) {
      return std::pair(left.created_time, left.instance_id)
             < std::pair(right.created_time, right.instance_id);
    }));
  start("Approval", "other");
  const auto counts = client.count_instances().value();
  BOOST_TEST(counts[static_cast<std::size_t>(runtime_status::completed)]
             == count);
  BOOST_TEST(counts[static_cast<std::size_t>(runtime_status::running)] == 1U);
  const auto counted = client.count_reachable_instances().value();
  BOOST_TEST((counted.by_status == counts));
  BOOST_TEST(counted.missing_partitions.empty());
  instance_filter all;
  BOOST_TEST(client.purge_all(all).value() == count);
  BOOST_TEST(client.get_status_all().value().size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(management_urls_point_to_the_owner, client_fixture) {
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string id = id_on(i, "order");
    start("Approval", id);
    const auto payload = client.create_http_management_payload(id);
    BOOST_TEST(payload.id == id);
    const std::string origin = host(i).url();
    for (const std::string& url :
         {payload.status_query_get_uri, payload.send_event_post_uri,
          payload.terminate_post_uri, payload.rewind_post_uri,
          payload.purge_history_delete_uri, payload.restart_post_uri})
      BOOST_TEST(url.starts_with(origin + '/'), url);
    const std::string path = payload.status_query_get_uri.substr(origin.size());
    BOOST_TEST(request_at_root(i, "GET", path).status == 202);
  }
}

BOOST_FIXTURE_TEST_CASE(every_node_reports_its_state, client_fixture) {
  std::set<std::string> names;
  std::set<std::uint32_t> partitions;
  for (const auto& one : link->nodes()) {
    BOOST_TEST_REQUIRE(one.report.has_value(), one.why);
    names.insert(one.node);
    partitions.insert(one.report->partitions.begin(),
                      one.report->partitions.end());
    BOOST_TEST(one.report->peers.size() == 2U);
  }
  BOOST_TEST(names.size() == 3U);
  BOOST_TEST(partitions.size() == 9U);
}

// Each thread creates its own client object from the shared connection.
BOOST_FIXTURE_TEST_CASE(many_threads_share_one_client, client_fixture) {
  constexpr std::size_t threads = 6;
  constexpr std::size_t each = 15;
  std::atomic<std::size_t> right{0};
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      orchestration_client own = link->client();
      for (std::size_t n = 0; n < each; ++n) {
        const std::string text = std::to_string(t * 1000 + n);
        const auto id = own.start_json("Echo", text);
        if (!id)
          continue;
        const auto done = own.wait_for_completion(*id, patience);
        if (done && done->output == text && own.get_status(*id))
          ++right;
      }
    });
  for (std::thread& one : workers)
    one.join();
  BOOST_TEST(right == threads * each);
}

// The activity counts its runs, so a second run would be seen.
BOOST_AUTO_TEST_CASE(repeated_start_runs_once) {
  auto runs = std::make_shared<std::atomic<int>>(0);
  cluster_options with;
  with.add_functions = [runs](std::size_t, actors::registry& functions) {
    functions.add_activity("Count", [runs] { return ++*runs; });
    functions.add_orchestrator(
      "CountOnce", [](orchestration_context& ctx) -> task<int> {
        int count = co_await ctx.call_activity<int>("Count");
        co_return count;
      });
  };
  client_fixture cluster(with);
  auto second_link = cluster.connect();
  start_options options;
  options.request_id = "order-number";
  const std::string id
    = cluster.client.start_new("CountOnce", nullptr, options).value();
  BOOST_TEST(cluster.client.start_new("CountOnce", nullptr, options).value()
             == id);
  cluster.ended(id);
  BOOST_TEST(
    second_link->client().start_new("CountOnce", nullptr, options).value()
    == id);
  // A repetition through the client of a node returns the same instance, too.
  BOOST_TEST(
    cluster.host(0).client().start_new("CountOnce", nullptr, options).value()
    == id);
  BOOST_TEST(cluster.client.get_status_all().value().size() == 1U);
  BOOST_TEST(*runs == 1);
}

BOOST_FIXTURE_TEST_CASE(ten_thousand_waits_are_answered, client_fixture) {
  constexpr std::size_t instances = 100;
  constexpr std::size_t waits_each = 100;
  countdown left(instances * waits_each);
  std::atomic<std::size_t> right{0};
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < instances; ++i)
    ids.push_back(start("Approval", "waits-" + std::to_string(i)));
  for (const std::string& id : ids)
    for (std::size_t i = 0; i < waits_each; ++i)
      client.wait_async(id, [&](result<orchestration_status> status) {
        if (status && status->output == "true")
          ++right;
        left.down();
      });
  // A later request is answered while the waits are pending.
  BOOST_TEST((status_of(ids.front()) == runtime_status::running));
  BOOST_TEST(right == 0U);
  for (const std::string& id : ids)
    client.raise_event(id, "Approval", true).value();
  BOOST_TEST(left.wait());
  BOOST_TEST(right == instances * waits_each);
}

BOOST_FIXTURE_TEST_CASE(cancelled_wait_is_answered, client_fixture) {
  start("Approval", "a");
  countdown left(1);
  errc code = errc::ok;
  const std::uint64_t number
    = client.wait_async("a", [&](result<orchestration_status> status) {
        code = status.code();
        left.down();
      });
  client.cancel_wait(number);
  BOOST_TEST(left.wait());
  BOOST_TEST((code == errc::cancelled));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
