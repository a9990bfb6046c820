// SPDX-License-Identifier: Apache-2.0
// The cluster port with TLS: a certificate belongs to one node or to a client,
// and what a peer announces is not allocated.
#include "client/api/node_host.hpp"
#include "cluster/placement/node_list.hpp"
#include "cluster/transport/caf_transport.hpp"
#include "cluster/transport/envelope.hpp"
#include "tests/client/cluster_certificates.hpp"
#include "tests/client/cluster_fixture.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/loopback_peer.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <openssl/ssl.h>

#include <future>
#include <memory>

namespace perdura::tests {

namespace {

/// The first node of a cluster of two, with certificates.
struct certified_node_fixture {
  certified_node_fixture() : own(directory.path() / "own") {
    node.http_enabled = false;
    node.node.data_dir = directory.path() / "node-1";
    node.node.create_hub = true;
    node.node.hub_id = std::string(32, 'a');
    node.node.partition_count = 4;
    node.node.cluster.node = "node-1";
    node.node.cluster.nodes
      = {"node-1=127.0.0.1:" + std::to_string(ports.at(0)),
         "node-2=127.0.0.1:" + std::to_string(ports.at(1))};
    own.apply_to(node.node.cluster, "node-1");
  }

  auto start() const {
    return client::node_host::start(node, std::make_shared<actors::registry>());
  }

  std::string start_error() const {
    const auto started = start();
    return started ? "started" : started.error().message;
  }

  /// The hello of node-2.
  cluster::peer_hello hello_of_node_2() const {
    cluster::peer_hello hello;
    hello.hub_id = node.node.hub_id;
    hello.partition_count = node.node.partition_count;
    hello.owners
      = cluster::place({"node-1", "node-2"}, hello.partition_count).value();
    hello.node = "node-2";
    hello.directory = std::string(32, 'b');
    return hello;
  }

  temp_directory directory{temp_directory::in_memory()};
  cluster_certificates own;
  reserved_ports ports{2};
  client::node_host_config node;
};

/// Connects to node-1 with the certificate `name`, introduces itself with
/// `hello`, and returns the sentence with which node-1 refuses it; empty if
/// node-1 answers with a hello that names this session.
std::string refusal_of(const certified_node_fixture& fixture,
                       const std::string& name,
                       const cluster::peer_hello& hello) {
  cluster::cluster_config files; // without a name: the certificate is not
                                 // compared with one
  fixture.own.apply_to(files, name);
  caf::actor_system_config config;
  cluster::prepare_network(config, files).value();
  caf::actor_system system(config);
  constexpr std::uint64_t session = 7;
  std::promise<std::string> answer;
  std::promise<cluster::path_id> opened;
  cluster::transport_listener listener;
  listener.path_opened = [&](cluster::path_id path, const std::string&) {
    opened.set_value(path);
  };
  listener.path_closed = [](cluster::path_id) {};
  listener.path_certified
    = [](cluster::path_id, const cluster::peer_certificate&) {};
  listener.packet
    = [&, done = false](cluster::path_id, const std::string& bytes) mutable {
        const auto got = cluster::decode_packet(bytes);
        if (!got || got->to != session || std::exchange(done, true))
          return;
        answer.set_value(got->kind == cluster::packet_kind::refusal
                           ? cluster::decode_refusal(got->bytes).value().why
                           : "");
      };
  cluster::caf_transport_config to;
  to.tls = true;
  to.connect_to
    = {cluster::parse_nodes(fixture.node.node.cluster.nodes).value().front()};
  const auto line
    = cluster::open_caf_transport(system, to, std::move(listener)).value();
  const auto path = opened.get_future().get();
  cluster::packet first;
  first.kind = cluster::packet_kind::hello;
  first.from = session;
  const std::string bytes = cluster::encode_hello(hello);
  first.bytes = bytes;
  line->send(path, cluster::encode_packet(first));
  std::string got = answer.get_future().get();
  line->close();
  return got;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_port_tls)

// Any certificate of the authority could be any node: the holder of client.pem
// could take the place of a node that was down.
BOOST_FIXTURE_TEST_CASE(hello_needs_a_certificate_of_its_node,
                        certified_node_fixture) {
  own.add("client-of-0.1"); // valid for servers, as the earlier version made it
  own.add("other", {"node-2"}); // node-2 is only a host name of it
  own.add("localhost");
  own.add("node-20");
  own.add("Node-2");
  const auto host = start().value();
  for (const std::string name : {"client", "client-of-0.1", "node-1", "other",
                                 "localhost", "node-20", "Node-2"}) {
    const std::string why = refusal_of(*this, name, hello_of_node_2());
    BOOST_TEST(contains(why, "\"" + name + "\""), name << ": " << why);
    BOOST_TEST(contains(why, "perdura tls add node-2"), why);
  }
  BOOST_TEST(refusal_of(*this, "node-2", hello_of_node_2()) == "");
}

// A certificate for clients with the name of a node is still not a node's.
BOOST_FIXTURE_TEST_CASE(certificate_for_clients_is_not_a_node,
                        certified_node_fixture) {
  const auto host = start().value();
  own.add("node-2", {}, client::certificate_role::client);
  BOOST_TEST(
    contains(refusal_of(*this, "node-2", hello_of_node_2()), "clients only"));
}

BOOST_FIXTURE_TEST_CASE(client_may_have_any_certificate,
                        certified_node_fixture) {
  own.add("client-of-0.1");
  const auto host = start().value();
  for (const char* name : {"client", "client-of-0.1", "node-2"})
    BOOST_TEST(refusal_of(*this, name, {}) == "", name);
}

// A node with a wrong certificate does not start, and says what to do; the
// other nodes would refuse it.
BOOST_FIXTURE_TEST_CASE(node_checks_its_own_certificate,
                        certified_node_fixture) {
  const auto with = [this](const std::string& name) {
    own.apply_to(node.node.cluster, name);
    return start_error();
  };
  BOOST_TEST(contains(with("node-2"), "is one for \"node-2\""));
  BOOST_TEST(contains(with("client"), "perdura tls add node-1"));
  own.apply_to(node.node.cluster, "node-1");
  node.node.cluster.key_file
    = node.node.cluster.key_file.parent_path() / "node-2-key.pem";
  BOOST_TEST(contains(start_error(), "does not belong to the key"));
  own.apply_to(node.node.cluster, "node-1");
  node.node.cluster.certificate_file = node.node.cluster.key_file;
  BOOST_TEST(contains(start_error(), "is not a PEM certificate"));
  own.add("node-1", {}, client::certificate_role::client);
  BOOST_TEST(contains(with("node-1"), "valid for clients only"));
  BOOST_TEST(to_string(start().code()) == "invalid_argument");
}

BOOST_FIXTURE_TEST_CASE(node_with_an_expired_certificate_does_not_start,
                        certified_node_fixture) {
  const auto expired = client::certificate_authority::make(-1).value();
  const auto issued = expired.issue("node-1", {"127.0.0.1"}).value();
  std::ofstream(directory.path() / "old.pem") << issued.certificate;
  std::ofstream(directory.path() / "old-key.pem") << issued.key;
  node.node.cluster.certificate_file = directory.path() / "old.pem";
  node.node.cluster.key_file = directory.path() / "old-key.pem";
  BOOST_TEST(contains(start_error(), "perdura tls renew node-1"));
}

// Regression: a peer announced 1 GiB inside TLS, and CAF allocated it. The same
// for a handshake message of TLS itself.
BOOST_FIXTURE_TEST_CASE(announced_length_is_not_allocated,
                        certified_node_fixture) {
  constexpr std::size_t memory_max = std::size_t{48} << 20U;
  node.node.cluster.silence_max = never;
  const auto host = start().value();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()),
                                         SSL_CTX_free);
  cluster::cluster_config files;
  own.apply_to(files, "client");
  BOOST_REQUIRE(SSL_CTX_use_certificate_chain_file(
                  context.get(), files.certificate_file.c_str())
                == 1);
  BOOST_REQUIRE(SSL_CTX_use_PrivateKey_file(
                  context.get(), files.key_file.c_str(), SSL_FILETYPE_PEM)
                == 1);
  for (const unsigned char operation : {0, 1, 2, 3, 4, 5, 6, 200}) {
    const loopback_peer peer(ports.at(0));
    const peak_memory used;
    const std::shared_ptr<SSL> session(SSL_new(context.get()), SSL_free);
    SSL_set_fd(session.get(), peer.native());
    BOOST_REQUIRE(SSL_connect(session.get()) == 1);
    std::string header(32, '\0');
    header[0] = static_cast<char>(operation);
    header[4] = 0x40; // 1 GiB
    BOOST_REQUIRE(SSL_write(session.get(), header.data(), 32) == 32);
    std::string answer(4096, '\0');
    while (SSL_read(session.get(), answer.data(), 4096) > 0) {
    }
    BOOST_TEST(used.growth() < memory_max);
  }
  // The header of a handshake message of 16 MiB, before any TLS handshake.
  const loopback_peer peer(ports.at(0));
  const peak_memory used;
  peer.send(std::string("\x16\x03\x01\x00\x06\x01\xff\xff\xff\x03\x03", 11));
  peer.receive_until_closed();
  BOOST_TEST(used.growth() < memory_max);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
