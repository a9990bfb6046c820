// SPDX-License-Identifier: Apache-2.0
/// A cluster that runs, and processes that it refuses.
#pragma once

#include "real/cluster_harness.hpp"
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <string>

namespace perdura::tests {

struct running_cluster : local_cluster {
  running_cluster() {
    start();
  }

  /// Expects an output line that starts with `begin` and contains `part`, and
  /// then the end of the process with exit code `code`.
  void expect_refusal(cluster_node& one, const std::string& begin,
                      const std::string& part, int code) {
    std::string line = one.next_line();
    // The node may serve for a moment, until it is connected to a peer.
    if (line.starts_with("ready "))
      line = one.next_line();
    if (line.empty())
      one.kill();
    BOOST_REQUIRE_MESSAGE(!line.empty(), "the node is not refused:\n"
                                           << one.log() << "-- node-1:\n"
                                           << node(0).log());
    BOOST_TEST(line.starts_with(begin + ' '), line);
    BOOST_TEST(line.find(part) != std::string::npos, line);
    BOOST_TEST(one.wait() == code);
  }

  /// Waits until node-1 reports the named node as down, with a message that
  /// contains `part`, in GET /perdura/cluster.
  bool node_is_reported_down(const std::string& name, const std::string& part) {
    return request_until(
      node(0).endpoint(), {.target = "/perdura/cluster"},
      [&](const client::http_reply& reply) {
        const auto report = nlohmann::json::parse(reply.body);
        for (const nlohmann::json& each : report["nodes"])
          if (each["node"] == name && !each["isUp"].get<bool>())
            return each["message"].get<std::string>().find(part)
                   != std::string::npos;
        return false;
      });
  }

  /// Options of a process that is not part of the cluster but uses the node
  /// name `name`. It has a directory and ports of its own.
  cluster_worker_options foreign_process(const std::string& name) {
    cluster_worker_options options = node(2).options();
    options.node = name;
    options.data_dir = directory() / "foreign_process";
    options.listen = "127.0.0.1:" + std::to_string(foreign_ports_.at(0));
    options.http_port = foreign_ports_.at(1);
    return options;
  }

  /// Runs one orchestration over two nodes.
  void expect_cluster_works() {
    wait_until_connected();
    const std::string id = id_on(2, "well");
    const endpoint_request start{.method = "POST",
                                 .target = "/orchestrators/HelloSequence/" + id,
                                 .key = id};
    BOOST_TEST(request_until(node(0).endpoint(), start, [](const auto& reply) {
      return reply.status == 202;
    }));
    const auto ended = send_request(
      node(1).endpoint(), {.target = "/instances/" + id + "?waitSeconds=30"});
    BOOST_REQUIRE(ended);
    BOOST_TEST(ended->status == 200);
  }

private:
  reserved_ports foreign_ports_{2};
};

} // namespace perdura::tests
