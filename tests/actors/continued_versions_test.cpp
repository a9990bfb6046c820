// SPDX-License-Identifier: Apache-2.0
// The version of the execution after a continue-as-new (finding R11).
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

/// Continues as new at each event `Next`; ends at the third generation.
template <next_version Version>
task<std::string> rounds(orchestration_context& ctx, int round) {
  co_await ctx.wait_for_external_event<json>("Next");
  if (round < 2) {
    ctx.continue_as_new(round + 1, true, Version);
    co_return "";
  }
  co_return ctx.version();
}

struct versions_fixture : partition_fixture {
  /// Starts a program with the versions of both orchestrators.
  void use(const std::vector<std::string>& versions) {
    auto functions = std::make_shared<registry>();
    for (const std::string& version : versions)
      functions
        ->add_orchestrator("Follows", rounds<next_version::newest>,
                           {.version = version})
        .add_orchestrator("Stays", rounds<next_version::same>,
                          {.version = version});
    node.set_functions(functions);
    node.crash_and_recover();
    node.run_until_idle();
  }

  void raise(const instance_id& id) {
    BOOST_TEST((node.ask(raise_event{id, "Next", "1", {}}).code == errc::ok));
    node.run_until_idle();
  }

  std::string version_of(const instance_id& id) {
    return node.stored(id)->record.version;
  }

  /// The version in the event that began the newest execution.
  std::string started_version(const instance_id& id) {
    return std::get<execution_started>(node.history_of(id).front().body)
      .version;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(continued_versions, versions_fixture)

BOOST_AUTO_TEST_CASE(next_execution_runs_the_newest_version) {
  use({"1.9"});
  start_and_wait("i", "Follows", "0");
  BOOST_TEST(version_of("i") == "1.9");
  use({"1.9", "1.10", "1.2"});
  BOOST_TEST(version_of("i") == "1.9"); // the execution goes on
  raise("i");
  BOOST_TEST(version_of("i") == "1.10");
  BOOST_TEST(started_version("i") == "1.10");
  use({"1.9", "1.10", "2"});
  raise("i");
  raise("i");
  BOOST_TEST(output_of("i") == "\"2\"");
}

BOOST_AUTO_TEST_CASE(next_execution_keeps_its_version_if_the_code_asks_for_it) {
  use({"1"});
  start_and_wait("i", "Stays", "0");
  use({"1", "2"});
  raise("i");
  BOOST_TEST(version_of("i") == "1");
  raise("i");
  raise("i");
  BOOST_TEST(output_of("i") == "\"1\"");
}

// A start with an explicit older version, whose next execution is not pinned.
BOOST_AUTO_TEST_CASE(explicit_version_holds_for_one_execution) {
  use({"1", "2"});
  start_instance request = start_request("i", "Follows", "0");
  request.version = "1";
  BOOST_TEST((node.ask(std::move(request)).code == errc::ok));
  node.run_until_idle();
  BOOST_TEST(version_of("i") == "1");
  raise("i");
  BOOST_TEST(version_of("i") == "2");
}

// From no version to a version, and back to none.
BOOST_AUTO_TEST_CASE(next_execution_of_code_without_a_version) {
  use({""});
  start_and_wait("i", "Follows", "0");
  use({"", "1"});
  raise("i");
  BOOST_TEST(version_of("i") == "1");
}

BOOST_AUTO_TEST_CASE(next_execution_of_a_withdrawn_version) {
  use({"1", "2"});
  start_and_wait("i", "Follows", "0");
  BOOST_TEST(version_of("i") == "2");
  use({"1"}); // the execution of version 2 is held
  raise("i");
  BOOST_TEST(version_of("i") == "2");
  BOOST_TEST(node.stored("i")->record.held.find("version 2")
             != std::string::npos);
  use({"1", "2"});
  BOOST_TEST(version_of("i") == "2");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
