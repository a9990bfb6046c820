// SPDX-License-Identifier: Apache-2.0
// Mutual TLS between the nodes of a cluster and their clients.
#include "client/http/process_usage.hpp"
#include "cluster/node/node.hpp"
#include "cluster/placement/node_list.hpp"
#include "tests/client/cluster_certificates.hpp"
#include "tests/client/cluster_fixture.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/silent_sockets.hpp"
#include <perdura/perdura.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <filesystem>
#include <utility>

namespace perdura::tests {

namespace {

/// Two nodes that require certificates of the same authority.
struct tls_cluster_fixture {
  tls_cluster_fixture() : own(directory.path() / "own") {
    cluster_options options;
    options.nodes = 2;
    options.change = [this](client::node_host_config& config) {
      own.apply_to(config.node.cluster, config.node.cluster.node);
    };
    cluster = std::make_unique<cluster_fixture>(options);
  }

  /// The time at which node-1 was connected to node-2, as one report shows it.
  timestamp reported_since() const {
    for (const auto& one : cluster->host(0).node().reports())
      if (one.node == "node-1")
        return one.report.value().peers.at(0).since;
    return {};
  }

  /// True if a report shows this time. A report computes the time from two
  /// clocks. If the machine suspends the node between the two readings, the
  /// report is wrong by the time of the suspension; another one is requested.
  bool connected_since(timestamp time) const {
    return eventually([&] {
      return std::chrono::abs(reported_since() - time) < milliseconds(100);
    });
  }

  /// The time at which node-1 was connected to node-2: one that two reports
  /// confirm.
  timestamp connected_since() const {
    timestamp time = reported_since();
    BOOST_TEST_REQUIRE(eventually([&] {
      const timestamp previous = std::exchange(time, reported_since());
      return std::chrono::abs(time - previous) < milliseconds(20);
    }));
    return time;
  }

  temp_directory directory;
  cluster_certificates own;
  std::unique_ptr<cluster_fixture> cluster;
};

/// The CPU time of this process since the object was created. CPU time does not
/// grow while other processes use the machine.
class cpu_usage {
public:
  double seconds() const {
    return client::process_cpu_seconds() - used_;
  }

private:
  double used_ = client::process_cpu_seconds();
};

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_client_tls)

// The client uses both nodes, so both have verified its certificate.
BOOST_FIXTURE_TEST_CASE(client_with_a_certificate_is_served,
                        tls_cluster_fixture) {
  cluster_client_config config = cluster->client_config();
  own.apply_to(config, "client");
  auto link = cluster_client::connect(config, patience).value();
  link->wait_for_all_nodes(patience).value();
  for (std::size_t i = 0; i < 2; ++i) {
    start_options options;
    options.instance_id = cluster->id_on(i, "order");
    const std::string id = link->client().start_new("Echo", 7, options).value();
    BOOST_TEST(link->client().wait_for_completion(id, patience).value().output
               == "7");
  }
  BOOST_TEST(link->client().get_status_all().value().size() == 2U);
}

// Regression: a failed handshake closed the connections between the nodes. The
// error queue of OpenSSL belongs to the thread, and CAF does not clear it.
BOOST_FIXTURE_TEST_CASE(refused_clients_do_not_disturb_other_connections,
                        tls_cluster_fixture) {
  const timestamp before = connected_since();
  const cluster_certificates foreign(directory.path() / "foreign");
  cluster_client_config config = cluster->client_config();
  const auto code_of = [&] {
    return std::string(
      to_string(cluster_client::connect(config, milliseconds(1'500)).code()));
  };
  BOOST_TEST(code_of() == "unavailable", "without certificates");
  foreign.apply_to(config, "client");
  BOOST_TEST(code_of() == "unavailable", "of another authority");
  // This client trusts the nodes, but another authority has signed its
  // certificate.
  own.apply_to(config, "client");
  foreign.apply_to(config, "client");
  config.ca_file = directory.path() / "own" / "ca.pem";
  BOOST_TEST(code_of() == "unavailable",
             "of another authority, with the CA of the nodes");
  config.ca_file = directory.path() / "nowhere.pem";
  BOOST_TEST(code_of() == "invalid_argument");
  // node-1 and node-2 still have the same connection.
  BOOST_TEST(connected_since(before));
  own.apply_to(config, "client");
  auto link = cluster_client::connect(config, patience).value();
  BOOST_TEST(static_cast<bool>(link->wait_for_all_nodes(patience)));
}

// Regression: the handshake with a server that sends nothing kept a processor
// busy, which uses a second of CPU time and more in this test, and the
// destruction of the client waited for the handshake.
BOOST_AUTO_TEST_CASE(silent_server_uses_no_cpu) {
  const temp_directory directory;
  const cluster_certificates own(directory.path() / "own");
  const silent_server host;
  cluster_client_config config;
  config.nodes = {"node-1=127.0.0.1:" + std::to_string(host.port())};
  own.apply_to(config, "client");
  const cpu_usage used;
  const auto connection = cluster_client::connect(config, milliseconds(1'500));
  BOOST_TEST(to_string(connection.code()) == "unavailable");
  BOOST_TEST(used.seconds() < 0.5);
}

BOOST_FIXTURE_TEST_CASE(silent_connection_is_closed, tls_cluster_fixture) {
  const auto nodes = cluster::parse_nodes(cluster->entries()).value();
  const cpu_usage used;
  const minimum_time open;
  await_close_of_silent_connection(nodes.front().address.port);
  BOOST_TEST(open.has_passed(milliseconds(500)));
  BOOST_TEST(used.seconds() < 0.5);
}

BOOST_AUTO_TEST_CASE(node_outside_of_loopback_requires_tls) {
  const temp_directory directory;
  node_host_config config;
  config.http_enabled = false;
  config.node.data_dir = directory.path() / "hub";
  config.node.create_hub = true;
  config.node.hub_id = std::string(32, 'a');
  config.node.cluster.node = "node-1";
  config.node.cluster.nodes = {"node-1=10.1.2.3:7171", "node-2=10.1.2.4:7171"};
  const auto functions = std::make_shared<registry>();
  const auto started = node_host::start(config, functions);
  BOOST_TEST(to_string(started.code()) == "invalid_argument");
  BOOST_TEST(started.error().message.find("without TLS") != std::string::npos,
             started.error().message);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
