// SPDX-License-Identifier: Apache-2.0
// Copies of a node's data directory: started beside the original, or instead of
// a newer one. The cluster serves only one, and the other says what to do.
#include "tests/support/child_process.hpp"

#include "real/running_cluster.hpp"
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

struct copied_directory : running_cluster {
  /// Copies the directory of a node that is stopped.
  fs::path copy_of(std::size_t index, const std::string& name) {
    const fs::path copy = directory() / name;
    fs::copy(node(index).options().data_dir, copy, fs::copy_options::recursive);
    return copy;
  }

  void replace_directory(std::size_t index, const fs::path& by) {
    fs::remove_all(node(index).options().data_dir);
    fs::copy(by, node(index).options().data_dir, fs::copy_options::recursive);
  }

  /// Starts an instance on the node, and returns the status of its answer.
  int start_on(const http_endpoint& where, const std::string& id,
               const std::string& name, const std::string& input) {
    const auto reply
      = send_request(where, {.method = "POST",
                             .target = "/orchestrators/" + name + "/" + id,
                             .body = input,
                             .key = id});
    return reply ? reply->status : 0;
  }

  /// Runs instances on each node whose children are on all nodes.
  void exchange_messages(const std::string& prefix) {
    for (std::size_t i = 0; i < size(); ++i) {
      const std::string id = id_on(i, prefix);
      BOOST_TEST(
        request_until(node(0).endpoint(),
                      {.method = "POST",
                       .target = "/orchestrators/Parent/" + id,
                       .body = "30",
                       .key = id},
                      [](const auto& reply) { return reply.status == 202; }));
      BOOST_TEST(request_until(
        node(0).endpoint(), {.target = "/instances/" + id + "?waitSeconds=30"},
        [](const auto& reply) { return reply.status == 200; }));
    }
  }

  int adopt(std::size_t index, bool accepts_loss) {
    std::vector<std::string> command{std::getenv("PERDURA_BINARY"), "hub",
                                     "adopt",
                                     node(index).options().data_dir.string()};
    if (accepts_loss)
      command.emplace_back("--accept-loss");
    return child_process(command).wait();
  }

  /// Waits for the end of a process that must stop, and returns its line.
  std::string line_of_stop(cluster_node& one) {
    std::string line = one.next_line();
    if (line.starts_with("ready "))
      line = one.next_line();
    if (line.empty())
      one.kill();
    else
      BOOST_TEST(one.wait() == 3);
    return line;
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(copied_directories, copied_directory)

// A copy of the directory of node-1 has another address.
BOOST_AUTO_TEST_CASE(copy_beside_its_original_does_not_serve) {
  BOOST_TEST(node(0).stop() == 0);
  const fs::path copy = copy_of(0, "copy");
  node(0).start();
  expect_cluster_works();
  cluster_worker_options options = foreign_process("node-1");
  options.data_dir = copy;
  cluster_node second(options);
  second.spawn();
  BOOST_REQUIRE(second.next_line().starts_with("ready "));
  BOOST_TEST(
    start_on(second.endpoint(), id_on(0, "copied"), "HelloSequence", "")
    != 202);
  BOOST_TEST(request_until(
    node(1).endpoint(), {.target = "/perdura/cluster"}, [](const auto& reply) {
      return has(reply.body, "is connected from another process");
    }));
  const std::string line = line_of_stop(second);
  BOOST_TEST(line.starts_with("must-stop storage_foreign"), line);
  BOOST_TEST(has(line, "is connected from another process"), line);
  BOOST_TEST(has(line, "remove the other"), line);
  expect_cluster_works();
  // The original starts again; the copy stays refused.
  BOOST_TEST(node(0).stop() == 0);
  node(0).start();
  expect_cluster_works();
  BOOST_TEST(node(0).stop() == 0);
  second.spawn();
  const std::string late = line_of_stop(second);
  BOOST_TEST(has(late, "start 3"), late);
  BOOST_TEST(has(late, "hub adopt"), late);
  node(0).start();
  expect_cluster_works();
}

BOOST_AUTO_TEST_CASE(older_copy_is_refused_and_accepted_after_its_adoption) {
  exchange_messages("before");
  BOOST_TEST(node(2).stop() == 0);
  const fs::path copy = copy_of(2, "copy");
  node(2).start();
  wait_until_connected();
  exchange_messages("after");
  const std::string lost = id_on(2, "lost");
  BOOST_TEST(start_on(node(2).endpoint(), lost, "Approval", "") == 202);
  BOOST_TEST(node(2).stop() == 0);
  replace_directory(2, copy);
  // The other nodes remember a later start.
  node(2).spawn();
  const std::string line = line_of_stop(node(2));
  BOOST_TEST(line.starts_with("must-stop storage_foreign"), line);
  BOOST_TEST(has(line, "hub adopt"), line);
  BOOST_TEST(node_is_reported_down("node-3", ""));
  // The file with the number of starts is a newer one: the numbers of messages
  // show that the directory is an older copy.
  std::ofstream(node(2).options().data_dir / "start")
    << "perdura start, format 1\n99\n";
  node(2).spawn();
  const std::string other = line_of_stop(node(2));
  BOOST_TEST(has(other, "runs on an older copy"), other);
  BOOST_TEST(has(other, "hub adopt"), other);
  BOOST_TEST(adopt(2, false) == 2);
  BOOST_TEST(adopt(2, true) == 0);
  // Without one of the other nodes it is not ready, and says why.
  BOOST_TEST(node(1).stop() == 0);
  node(2).start();
  BOOST_TEST(request_until(
    node(2).endpoint(), {.target = "/readyz"}, [](const auto& reply) {
      return reply.status == 503 && has(reply.body, "\"adopting\"");
    }));
  node(1).start();
  BOOST_TEST(
    request_until(node(2).endpoint(), {.target = "/readyz"},
                  [](const auto& reply) { return reply.status == 200; }));
  expect_cluster_works();
  exchange_messages("adopted");
  const auto reply
    = send_request(node(0).endpoint(), {.target = "/instances/" + lost});
  BOOST_REQUIRE(reply);
  BOOST_TEST(reply->status == 404, reply->body);
}

BOOST_AUTO_TEST_CASE(directory_made_anew_is_accepted_after_its_adoption) {
  exchange_messages("before");
  BOOST_TEST(node(1).stop() == 0);
  fs::remove_all(node(1).options().data_dir);
  node(1).spawn();
  const std::string line = line_of_stop(node(1));
  BOOST_TEST(has(line, "another data directory than before"), line);
  BOOST_TEST(has(line, "hub adopt"), line);
  BOOST_TEST(adopt(1, true) == 0);
  node(1).start();
  expect_cluster_works();
  exchange_messages("adopted");
}

// A node that was admitted earlier serves when no other node is reachable.
BOOST_AUTO_TEST_CASE(node_whose_peers_are_down_serves_alone) {
  for (std::size_t i = 0; i < size(); ++i)
    BOOST_TEST(node(i).stop() == 0);
  node(2).start();
  const std::string id = id_on(2, "alone");
  BOOST_TEST(
    request_until(node(2).endpoint(),
                  {.method = "POST",
                   .target = "/orchestrators/HelloSequence/" + id,
                   .key = id},
                  [](const auto& reply) { return reply.status == 202; }));
  node(0).start();
  node(1).start();
  expect_cluster_works();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
