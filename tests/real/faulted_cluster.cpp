// SPDX-License-Identifier: Apache-2.0
#include "real/faulted_cluster.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <string>

namespace perdura::tests {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::size_t from_environment(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

faulted_cluster::faulted_cluster(
  std::size_t orchestrations,
  const std::function<void(local_cluster&)>& prepare)
  : seed(static_cast<unsigned>(from_environment("PERDURA_SEED", 20'261'122))),
    random(seed),
    checkers(3) {
  if (prepare)
    prepare(cluster);
  cluster.start();
  auto connected = client::cluster_client::connect({cluster.entries()});
  BOOST_TEST_REQUIRE((connected ? "" : connected.error().message) == "");
  outside = std::move(*connected);
  BOOST_REQUIRE(outside->wait_for_all_nodes(cluster_wait_max));
  service = std::make_unique<client::orchestration_client>(outside->client());
  std::vector<sample_run> runs;
  for (std::size_t i = 0; i < orchestrations; ++i)
    runs.push_back(make_sample_run(i, random));
  began_at_ = steady_clock::now();
  // Each thread waits most of the time, so many of them can run at once.
  const std::size_t threads = orchestrations >= 1000 ? 48 : 24;
  driver = std::make_unique<sample_driver>(std::move(runs), cluster.endpoints(),
                                           service.get(), threads, seed);
}

void faulted_cluster::kill(std::size_t victim) {
  cluster_node& node = cluster.node(victim);
  node.kill();
  ++kills;
  const disk_reading found = read_disk(node.options().data_dir);
  kills_during_work += found.open_work() > 0 ? 1 : 0;
  work_interrupted += found.open_work();
  checkers[victim].check(found,
                         read_witness(witness_of(node.options().data_dir)));
}

bool faulted_cluster::await_down(std::size_t node) {
  const http_endpoint other
    = cluster.node((node + 1) % cluster.size()).endpoint();
  return request_until(other, {.target = "/perdura/cluster"},
                       [&](const client::http_reply& reply) {
                         const json said = json::parse(reply.body);
                         for (const json& each : said["nodes"])
                           if (each["node"] == cluster.node(node).name())
                             return !each["isUp"].get<bool>();
                         return false;
                       });
}

void faulted_cluster::expect_right_ends(std::size_t others) {
  for (const std::string& each : driver->finish())
    BOOST_ERROR(each);
  const auto took
    = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began_at_);
  cluster.wait_until_connected();
  expect_empty_outboxes();
  expect_same_through_all_endpoints(others);
  service.reset();
  outside->close();
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    cluster_node& node = cluster.node(i);
    BOOST_TEST(node.stop() == 0, node.log());
    checkers[i].check(read_disk(node.options().data_dir),
                      read_witness(witness_of(node.options().data_dir)), true);
    for (const std::string& each : checkers[i].violations())
      BOOST_ERROR(node.name() << ": " << each);
  }
  BOOST_TEST_MESSAGE(driver->runs().size()
                     << " orchestrations in " << took.count() << " ms, "
                     << kills << " kills, " << kills_during_work
                     << " of them during unfinished work (" << work_interrupted
                     << " turns, activities and messages), "
                     << driver->repeats() << " requests repeated, seed "
                     << seed);
}

// Checks invariant I11 with the numbers of outbox messages that the running
// nodes report.
void faulted_cluster::expect_empty_outboxes() {
  BOOST_TEST(request_until(cluster.node(0).endpoint(),
                           {.target = "/perdura/cluster"},
                           [](const client::http_reply& reply) {
                             const json said = json::parse(reply.body);
                             for (const json& node : said["nodes"])
                               if (node["outboxMessages"] != 0)
                                 return false;
                             return true;
                           }));
}

// Checks the invariants I1, I2, I9 and I10.
void faulted_cluster::expect_same_through_all_endpoints(std::size_t others) {
  std::size_t wanted = others + driver->runs().size();
  for (const sample_run& run : driver->runs())
    wanted += run.children;
  for (const http_endpoint& endpoint : cluster.endpoints()) {
    const auto listed = list_instances(endpoint);
    BOOST_TEST(listed.size() == wanted);
    for (const sample_run& run : driver->runs()) {
      const auto found = listed.find(run.id);
      const std::string wrong = found == listed.end()
                                  ? run.id + " is not listed"
                                  : check_end(run, found->second);
      BOOST_TEST(wrong.empty(), endpoint.url << ": " << wrong);
    }
    const auto count = send_request(endpoint, {.target = "/perdura/count"});
    BOOST_REQUIRE(count);
    BOOST_TEST(json::parse(count->body)["total"] == wanted);
  }
  const auto all = service->get_status_all({.top = 1000});
  BOOST_TEST_REQUIRE((all ? "" : all.error().message) == "");
  BOOST_TEST(all->size() == wanted);
}

} // namespace perdura::tests
