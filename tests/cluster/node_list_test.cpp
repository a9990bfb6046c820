// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/node_list.hpp"
#include "tests/support/contains.hpp"

#include <boost/test/unit_test.hpp>

namespace perdura::tests {

using namespace cluster;
using persistence::errc;

namespace {

std::string refusal_of(const cluster_config& config) {
  const auto address = listen_address_of(config);
  return address ? "" : address.error().message;
}

cluster_config two_node_config() {
  cluster_config config;
  config.node = "a";
  config.nodes = {"a=127.0.0.1:7171", "b=[::1]:7172"};
  return config;
}

} // namespace

BOOST_AUTO_TEST_SUITE(node_list_suite)

// Parses an IPv4 address, an IPv6 address in brackets, and a host name.
BOOST_AUTO_TEST_CASE(list_parses_into_names_and_addresses) {
  const auto nodes
    = parse_nodes({"a=127.0.0.1:7171", "b=[::1]:7172", "c=host.example:1"});
  BOOST_REQUIRE(nodes);
  BOOST_TEST(nodes->size() == 3U);
  BOOST_TEST((*nodes)[1].name == "b");
  BOOST_TEST((*nodes)[1].address.host == "::1");
  BOOST_TEST((*nodes)[1].address.port == 7172);
  BOOST_TEST((*nodes)[2].address.host == "host.example");
}

// Each malformed entry is quoted in the error. Two nodes cannot have the same
// address.
BOOST_AUTO_TEST_CASE(invalid_address_is_refused_and_quoted) {
  for (const char* text :
       {"", ":", "host", "host:", ":1", "host:0", "host:65536", "host:1x",
        "::1:7171", "a b:1", "host:-1", "[]:1"}) {
    const auto address = parse_node_address(text);
    BOOST_TEST(!address, text);
    const auto nodes = parse_nodes({"a=" + std::string(text)});
    BOOST_REQUIRE_MESSAGE(!nodes, text);
    BOOST_TEST(
      contains(nodes.error().message, "\"a=" + std::string(text) + "\""));
  }
  BOOST_TEST(!parse_nodes({"127.0.0.1:7171"}));
  BOOST_TEST(!parse_nodes({"=127.0.0.1:7171"}));
  const auto twice = parse_nodes({"a=127.0.0.1:1", "b=127.0.0.1:1"});
  BOOST_REQUIRE(!twice);
  BOOST_TEST(contains(twice.error().message, "same address"));
}

// The setting cluster.listen overrides the address of the node in the list.
BOOST_AUTO_TEST_CASE(listen_address_comes_from_the_setting_or_the_list) {
  cluster_config config = two_node_config();
  BOOST_TEST(listen_address_of(config).value().port == 7171);
  config.listen = "127.0.0.1:9000";
  BOOST_TEST(listen_address_of(config).value().port == 9000);
  config.node = "c";
  BOOST_TEST(contains(refusal_of(config), "not in the list"));
}

// Without TLS, any process that reaches the port could control the node.
BOOST_AUTO_TEST_CASE(only_loopback_is_allowed_without_tls) {
  cluster_config config = two_node_config();
  config.listen = "10.0.0.1:7171";
  BOOST_TEST(contains(refusal_of(config), "without TLS"));
  config.listen = "0.0.0.0:7171";
  BOOST_TEST(contains(refusal_of(config), "without TLS"));
  config.certificate_file = "c";
  BOOST_TEST(contains(refusal_of(config), "all three or none"));
  config.key_file = "k";
  config.ca_file = "a";
  BOOST_TEST(refusal_of(config) == "");
  config.listen = "host.example:7171";
  BOOST_TEST(contains(refusal_of(config), "numeric"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
