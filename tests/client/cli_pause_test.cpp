// SPDX-License-Identifier: Apache-2.0
// Orchestrators that are paused by name: command line, HTTP API and C++ client.
#include "tests/client/cli_fixture.hpp"
#include "tests/client/recording_gateway.hpp"
#include <perdura/client/api/async_client.hpp>

#include <boost/test/unit_test.hpp>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace perdura::client;
using namespace perdura::tests;
using nlohmann::json;

BOOST_FIXTURE_TEST_SUITE(cli_pause, cli_fixture)

BOOST_AUTO_TEST_CASE(paused_orchestrator_waits_and_runs_again) {
  const outcome paused
    = perdura({"pause", "Echo", "--reason", "the carrier is down"});
  BOOST_TEST(paused.code == 0, paused.err);
  BOOST_TEST(paused.out == "Echo is paused.\n");
  BOOST_TEST(perdura({"start", "Echo", "--id", "a", "--input", "5"}).code == 0);
  BOOST_TEST(
    json::parse(perdura({"get", "a", "-o", "json"}).out).at("runtimeStatus")
    == "Pending");
  // Other orchestrators are not concerned.
  BOOST_TEST(perdura({"run", "HelloSequence"}).code == 0);

  const outcome listed = perdura({"paused"});
  BOOST_TEST(listed.out.find("Echo") != std::string::npos, listed.out);
  BOOST_TEST(listed.out.find("the carrier is down") != std::string::npos);
  const json shown = json::parse(perdura({"paused", "-o", "json"}).out);
  BOOST_REQUIRE(shown.size() == 1U);
  const json& node = shown.at(0).at("nodes").at(0);
  BOOST_TEST(node.at("pausedPartitions") == node.at("partitions"));
  BOOST_TEST(perdura({"list", "--stuck"}).out.find("perdura unpause Echo")
             != std::string::npos);

  BOOST_TEST(perdura({"unpause", "Echo"}).out == "Echo runs again.\n");
  BOOST_TEST(
    perdura({"start", "Echo", "--id", "a", "--get-or-start", "--wait"}).code
    == 0);
  BOOST_TEST(perdura({"paused"}).out == "No orchestrator is paused.\n");
}

BOOST_AUTO_TEST_CASE(pause_of_an_unknown_name_is_refused) {
  const outcome refused = perdura({"pause", "Ecko"});
  BOOST_TEST(refused.code == 2);
  BOOST_TEST(refused.err.find("Ecko") != std::string::npos);
  BOOST_TEST(perdura({"pause"}).code == 2);
  BOOST_TEST(perdura({"unpause", "Ecko"}).code == 2);
  BOOST_TEST(perdura({"pause", "Echo", "--reason", std::string(1025, 'x')}).code
             == 2);
}

// Another partition may accept the request if the reason is one of the first
// partition or its node.
BOOST_AUTO_TEST_CASE(other_partitions_are_asked_if_one_cannot_accept) {
  using perdura::persistence::errc;
  const std::vector<std::pair<errc, std::size_t>> rows{
    {errc::ok, 1},
    {errc::unavailable, 16},
    {errc::overloaded, 16},
    {errc::storage_damaged, 16},
    {errc::not_found, 1},
    {errc::unknown_outcome, 16},
    {errc::shutting_down, 1},
    {errc::invalid_argument, 1}};
  for (const auto& [code, requests] : rows) {
    const auto gateway = std::make_shared<recording_gateway>();
    gateway->answer.code = code;
    std::optional<errc> answered;
    async_client(gateway).pause_orchestrator(
      "Charge", true, "", [&](const perdura::persistence::result<void>& done) {
        answered = done.code();
      });
    BOOST_TEST((answered == code));
    BOOST_TEST(gateway->requests.size() == requests);
    std::set<std::string> ids;
    for (const auto& each : gateway->requests)
      ids.insert(perdura::actors::instance_of(each));
    BOOST_TEST(ids.size() == requests);
  }
}

BOOST_AUTO_TEST_SUITE_END()
