// Nodes and services that show each other who they are.
#include "client/cli/certificate_authority.hpp"
#include "client/http/process_usage.hpp"
#include "cluster/node/node.hpp"
#include "cluster/placement/node_list.hpp"
#include "tests/client/cluster_fixture.hpp"
#include "tests/support/silent_sockets.hpp"
#include <perdura/perdura.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace perdura::tests {

namespace fs = std::filesystem;

namespace {

constexpr seconds patience{20};

/// An authority with certificates for two nodes and a client.
class certificates {
public:
  explicit certificates(const fs::path& directory) : directory_(directory) {
    fs::create_directories(directory);
    const auto authority = client::certificate_authority::make(1).value();
    write("ca.pem", authority.own().certificate);
    for (const char* name : {"node-1", "node-2", "client"}) {
      const auto issued = authority.issue(name, {"127.0.0.1"}).value();
      write(std::string(name) + ".pem", issued.certificate);
      write(std::string(name) + "-key.pem", issued.key);
    }
  }

  /// For a cluster_config or a cluster_client_config.
  template <class Config>
  void give(Config& config, const std::string& name) const {
    config.certificate_file = directory_ / (name + ".pem");
    config.key_file = directory_ / (name + "-key.pem");
    config.ca_file = directory_ / "ca.pem";
  }

private:
  void write(const std::string& name, const std::string& text) const {
    const fs::path file = directory_ / name;
    std::ofstream(file) << text;
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  }

  fs::path directory_;
};

struct trusted_nodes {
  trusted_nodes() : own(directory.path() / "own") {
    cluster_options options;
    options.nodes = 2;
    options.change = [this](client::node_host_config& config) {
      own.give(config.node.cluster, config.node.cluster.node);
    };
    cluster = std::make_unique<cluster_fixture>(options);
  }

  /// Since when the first node has the other one.
  timestamp met_since() const {
    for (const auto& one : cluster->host(0).node().reports())
      if (one.node == "node-1")
        return one.report.value().peers.at(0).since;
    return {};
  }

  temp_directory directory;
  certificates own;
  std::unique_ptr<cluster_fixture> cluster;
};

/// Since it was made.
class usage {
public:
  /// 1 is one that was busy all the time.
  double processors() const {
    const std::chrono::duration<double> passed
      = std::chrono::steady_clock::now() - since_;
    return (client::process_cpu_seconds() - used_) / passed.count();
  }

private:
  std::chrono::steady_clock::time_point since_
    = std::chrono::steady_clock::now();
  double used_ = client::process_cpu_seconds();
};

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_client_tls)

BOOST_FIXTURE_TEST_CASE(a_client_with_a_certificate_is_served, trusted_nodes) {
  cluster_client_config config = cluster->client_config();
  own.give(config, "client");
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

// A handshake that failed ended the nodes' own connections: OpenSSL's queue of
// errors is a thread's, and CAF leaves it full.
BOOST_FIXTURE_TEST_CASE(strangers_are_refused_and_disturb_nobody,
                        trusted_nodes) {
  const timestamp before = met_since();
  const certificates theirs(directory.path() / "theirs");
  cluster_client_config config = cluster->client_config();
  const auto code_of = [&] {
    return std::string(
      to_string(cluster_client::connect(config, milliseconds(1'500)).code()));
  };
  BOOST_TEST(code_of() == "unavailable", "without certificates");
  theirs.give(config, "client");
  BOOST_TEST(code_of() == "unavailable", "of another authority");
  // One that believes the nodes, and whom they do not.
  own.give(config, "client");
  theirs.give(config, "client");
  config.ca_file = directory.path() / "own" / "ca.pem";
  BOOST_TEST(code_of() == "unavailable", "of another authority, credulous");
  config.ca_file = directory.path() / "nowhere.pem";
  BOOST_TEST(code_of() == "invalid_argument");
  // As of the same moment, but for two clocks that are read one by one.
  BOOST_TEST((std::chrono::abs(met_since() - before) < milliseconds(100)));
  own.give(config, "client");
  auto link = cluster_client::connect(config, patience).value();
  BOOST_TEST(static_cast<bool>(link->wait_for_all_nodes(patience)));
}

// It cost a processor, and the end of whoever asked waited for it.
BOOST_AUTO_TEST_CASE(a_host_who_says_nothing_costs_nothing) {
  const temp_directory directory;
  const certificates own(directory.path() / "own");
  const silent_host host;
  cluster_client_config config;
  config.nodes = {"node-1=127.0.0.1:" + std::to_string(host.port())};
  own.give(config, "client");
  const usage used;
  const auto asked = cluster_client::connect(config, milliseconds(1'500));
  BOOST_TEST(to_string(asked.code()) == "unavailable");
  BOOST_TEST(used.processors() < 0.5);
}

BOOST_FIXTURE_TEST_CASE(a_guest_who_says_nothing_is_shown_out, trusted_nodes) {
  const auto nodes = cluster::parse_nodes(cluster->entries()).value();
  const usage used;
  BOOST_TEST(
    (stay_of_silent_guest(nodes.front().address.port) >= milliseconds(500)));
  BOOST_TEST(used.processors() < 0.5);
}

BOOST_AUTO_TEST_CASE(off_loopback_a_node_wants_tls) {
  const temp_directory directory;
  node_host_config config;
  config.http = false;
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
