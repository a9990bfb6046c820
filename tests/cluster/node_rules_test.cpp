// SPDX-License-Identifier: Apache-2.0
/// The rules that a node derives from its registered functions and settings.
#include "cluster/node/node_rules.hpp"
#include <perdura/actors/authoring/orchestration_context.hpp>
#include <perdura/actors/authoring/registry.hpp>

#include <boost/test/unit_test.hpp>

namespace perdura::tests {

namespace {

actors::task<int> rules_orchestrator(actors::orchestration_context&, int x) {
  co_return x;
}

/// Two versions of "Ship" that contradict each other. The newest version, which
/// is not the last in the order of bytes, sets nothing.
actors::registry two_policies() {
  using actors::external_event_policy;
  actors::registry functions;
  functions
    .add_orchestrator("Ship", rules_orchestrator,
                      {.version = "1",
                       .external_events = external_event_policy::discard,
                       .retention = std::chrono::hours(1)})
    .add_orchestrator("Ship", rules_orchestrator,
                      {.version = "2",
                       .external_events = external_event_policy::buffer,
                       .retention = std::chrono::hours(2)})
    .add_orchestrator("Ship", rules_orchestrator, {.version = "10"});
  return functions;
}

} // namespace

BOOST_AUTO_TEST_SUITE(node_rules)

BOOST_AUTO_TEST_CASE(event_policy_of_the_newest_version_that_has_one_applies) {
  const auto policies = cluster::event_policies_of(two_policies());
  BOOST_TEST_REQUIRE(policies.contains("Ship"));
  BOOST_TEST(!policies.at("Ship"));
}

BOOST_AUTO_TEST_CASE(retention_of_the_newest_version_that_has_one_applies) {
  const auto rules = cluster::retention_rules_of({}, two_policies());
  BOOST_TEST_REQUIRE(rules.by_name.contains("Ship"));
  BOOST_TEST((rules.by_name.at("Ship") == std::chrono::hours(2)));
}

// The bounds of a node are divided between its partitions; those of recorded
// request IDs belong to each partition.
BOOST_AUTO_TEST_CASE(a_partition_gets_its_part_of_the_bounds) {
  cluster::node_config config;
  config.idle_instances_max = 100;
  config.idle_instance_bytes_max = 1'000;
  config.request_keys_max = 7;
  config.request_key_bytes_max = 8;
  for (const std::size_t owned : {1U, 4U, 10U, 1'000U}) {
    const auto made = cluster::partition_config_of(
      config, owned, std::make_shared<const actors::registry>(two_policies()));
    BOOST_TEST(made.idle_instance_bytes_max == 1'000 / owned);
    BOOST_TEST(made.request_keys_max == 7U);
    BOOST_TEST(made.request_key_bytes_max == 8U);
  }
  const actors::partition_config defaults;
  const auto made = cluster::partition_config_of(
    {}, 32, std::make_shared<const actors::registry>(two_policies()));
  BOOST_TEST(made.idle_instance_bytes_max == defaults.idle_instance_bytes_max);
  BOOST_TEST(made.request_keys_max == defaults.request_keys_max);
  BOOST_TEST(made.request_key_bytes_max == defaults.request_key_bytes_max);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
