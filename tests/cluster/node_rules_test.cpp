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

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
