// Nodes that must not come, and the sentence that each of them gets.
#include "persistence/records/identity.hpp"

#include "real/cluster_harness.hpp"
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct started_cluster : local_cluster {
  started_cluster() {
    start();
  }

  /// It says so, and its end is that code.
  void expect_refusal(cluster_node& one, const std::string& begin,
                      const std::string& part, int code) {
    std::string line = one.next_line();
    // It may have begun to serve before it has met anybody.
    if (line.starts_with("ready "))
      line = one.next_line(std::chrono::seconds(20));
    if (line.empty())
      one.kill();
    BOOST_REQUIRE_MESSAGE(!line.empty(), "it is not refused:\n"
                                           << one.log() << "-- node-1:\n"
                                           << node(0).log());
    BOOST_TEST(line.starts_with(begin + ' '), line);
    BOOST_TEST(line.find(part) != std::string::npos, line);
    BOOST_TEST(one.wait() == code);
  }

  /// What node-1 says of it in /perdura/cluster.
  bool says_of(const std::string& name, const std::string& part) {
    return ask_until(
      node(0).door(), {.target = "/perdura/cluster"},
      [&](const client::http_reply& reply) {
        const json said = json::parse(reply.body);
        for (const json& each : said["nodes"])
          if (each["node"] == name && !each["isUp"].get<bool>())
            return each["message"].get<std::string>().find(part)
                   != std::string::npos;
        return false;
      },
      std::chrono::seconds(20));
  }

  /// A process that calls itself so, with a directory and ports of its own.
  cluster_worker_options stranger(const std::string& name) {
    cluster_worker_options options = node(2).options();
    options.node = name;
    options.data_dir = directory() / "stranger";
    options.listen = "127.0.0.1:" + std::to_string(others_[0].number());
    options.http_port = others_[1].number();
    return options;
  }

  void expect_all_well() {
    wait_until_met();
    const std::string id = id_on(2, "well");
    const question_to_door start{.method = "POST",
                                 .target = "/orchestrators/HelloSequence/" + id,
                                 .key = id};
    BOOST_TEST(ask_until(node(0).door(), start, [](const auto& reply) {
      return reply.status == 202;
    }));
    const auto ended
      = ask(node(1).door(), {.target = "/instances/" + id + "?waitSeconds=30"});
    BOOST_REQUIRE(ended);
    BOOST_TEST(ended->status == 200);
  }

private:
  std::array<held_port, 2> others_;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cluster_refusal, started_cluster)

BOOST_AUTO_TEST_CASE(a_directory_of_another_hub_is_not_opened) {
  BOOST_TEST(node(2).stop() == 0);
  const std::string own = node(2).options().hub_id;
  node(2).change().hub_id = persistence::random_hex32();
  node(2).spawn();
  expect_refusal(node(2), "refused storage_foreign",
                 "holds the hub " + own + ", not " + node(2).options().hub_id,
                 1);
  node(2).change().hub_id = own;
  node(2).start();
  expect_all_well();
}

BOOST_AUTO_TEST_CASE(a_node_of_another_hub_is_not_let_in) {
  BOOST_TEST(node(2).stop() == 0);
  const cluster_worker_options own = node(2).options();
  node(2).change().data_dir = directory() / "another";
  node(2).change().hub_id = persistence::random_hex32();
  node(2).spawn();
  static_cast<void>(node(2).next_line());
  BOOST_TEST(says_of("node-3", node(2).options().hub_id));
  // What it would own is nobody's to answer.
  const auto reply
    = ask(node(0).door(), {.target = "/instances/" + id_on(2, "x")});
  BOOST_REQUIRE(reply);
  BOOST_TEST(reply->status == 503, reply->body);
  node(2).kill();
  node(2).change() = own;
  node(2).start();
  expect_all_well();
}

BOOST_AUTO_TEST_CASE(a_list_that_moves_partitions_is_refused) {
  BOOST_TEST(node(2).stop() == 0);
  const std::vector<std::string> own = node(2).options().nodes;
  node(2).change().nodes = {own[0], own[2]};
  node(2).spawn();
  expect_refusal(node(2), "refused invalid_argument", "node-2", 1);
  node(2).change().nodes
    = {own[0], "node-4" + own[1].substr(own[1].find('=')), own[2]};
  node(2).spawn();
  expect_refusal(node(2), "refused invalid_argument", "node-2", 1);
  node(2).change().nodes = own;
  node(2).start();
  expect_all_well();
}

// Its instances would all seem never to have been.
BOOST_AUTO_TEST_CASE(a_node_whose_data_was_wiped_must_stop) {
  const std::string id = id_on(2, "kept");
  const question_to_door start{
    .method = "POST", .target = "/orchestrators/Approval/" + id, .key = id};
  BOOST_TEST(ask_until(node(0).door(), start,
                       [](const auto& reply) { return reply.status == 202; }));
  BOOST_TEST(node(2).stop() == 0);
  const fs::path where = node(2).options().data_dir;
  fs::rename(where, directory() / "saved");
  node(2).spawn();
  expect_refusal(node(2), "must-stop storage_foreign",
                 "another data directory than before", 3);
  BOOST_TEST(says_of("node-3", ""));
  const auto reply = ask(node(0).door(), {.target = "/instances/" + id});
  BOOST_REQUIRE(reply);
  BOOST_TEST(reply->status == 503, reply->body);
  fs::remove_all(where);
  fs::rename(directory() / "saved", where);
  node(2).start();
  expect_all_well();
  const auto kept = ask(node(0).door(), {.target = "/instances/" + id});
  BOOST_REQUIRE(kept);
  BOOST_TEST(kept->status == 202, kept->body);
}

// It dials the later ones in the list. A second node-3 would dial nobody, and
// nobody would find it where the list does not say: it stays alone.
BOOST_AUTO_TEST_CASE(a_second_node_of_the_same_name_must_stop) {
  cluster_node second(stranger("node-1"));
  second.spawn();
  expect_refusal(second, "must-stop storage_foreign",
                 "another data directory than before", 3);
  expect_all_well();
}

BOOST_AUTO_TEST_CASE(a_second_process_on_the_same_directory_is_refused) {
  cluster_worker_options options = stranger("node-3");
  options.data_dir = node(2).options().data_dir;
  cluster_node second(options);
  second.spawn();
  expect_refusal(second, "refused storage_in_use", options.data_dir.string(),
                 1);
  expect_all_well();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
