// SPDX-License-Identifier: Apache-2.0
// A start and the wait for the end of the instance are sent together; the
// caller receives their answers in order, in whatever order they arrive.
#include "client/api/async_client.hpp"
#include "client/api/started_wait.hpp"
#include "tests/client/recording_gateway.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

namespace {

using namespace perdura::client;
using actors::management_answer;

/// The number that recording_gateway gives to the request with this index.
constexpr std::uint64_t start_number = 1;
constexpr std::uint64_t wait_number = 2;

struct started_wait_fixture {
  started_wait_fixture() {
    gateway->is_silent = true;
  }

  // Requests without an answer keep the client, which keeps the gateway.
  ~started_wait_fixture() {
    gateway->pending.clear();
  }

  void begin(const start_options& options = {}) {
    core.start_and_wait(
      "A", "1", options,
      [this](const result<started_instance>& started,
             const std::shared_ptr<started_wait>& both) {
        calls.push_back(started ? "started"
                                : std::string(to_string(started.code())));
        wait = both;
      },
      [this](const result<orchestration_status>& ended) {
        calls.push_back(ended ? "ended" : std::string(to_string(ended.code())));
      });
  }

  void reply(std::uint64_t number, errc code = errc::ok) {
    management_answer answer;
    answer.code = code;
    answer.id = actors::instance_of(gateway->requests.at(number - 1));
    answer.status = std::make_shared<actors::instance_status>();
    auto done = std::move(gateway->pending.at(number));
    gateway->pending.erase(number);
    done(std::move(answer));
  }

  void expect(const std::vector<std::string>& expected) {
    BOOST_TEST(calls == expected, boost::test_tools::per_element());
  }

  std::shared_ptr<recording_gateway> gateway
    = std::make_shared<recording_gateway>();
  async_client core{gateway};
  std::vector<std::string> calls;
  std::shared_ptr<started_wait> wait;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(started_waits, started_wait_fixture)

BOOST_AUTO_TEST_CASE(both_requests_are_sent_at_once_for_the_same_instance) {
  begin();
  BOOST_TEST_REQUIRE(gateway->requests.size() == 2U);
  const auto& start
    = std::get<actors::start_instance>(gateway->requests.front());
  const auto& waited
    = std::get<actors::wait_instance>(gateway->requests.back());
  BOOST_TEST(start.id == waited.id);
  BOOST_TEST((waited.what == actors::wait_for::finished));
  expect({});
  reply(start_number);
  reply(wait_number);
  expect({"started", "ended"});
}

BOOST_AUTO_TEST_CASE(an_early_end_is_reported_after_the_start) {
  begin();
  reply(wait_number);
  expect({});
  reply(start_number);
  expect({"started", "ended"});
}

BOOST_AUTO_TEST_CASE(a_failed_start_ends_the_wait_silently) {
  for (const errc code : {errc::already_exists, errc::unknown_orchestrator,
                          errc::storage_full, errc::unavailable}) {
    calls.clear();
    gateway->requests.clear();
    begin();
    reply(start_number, code);
    expect({std::string(to_string(code))});
    BOOST_TEST(gateway->pending.empty());
  }
}

BOOST_AUTO_TEST_CASE(an_answer_to_the_wait_of_a_failed_start_is_dropped) {
  begin();
  reply(wait_number, errc::not_found);
  reply(start_number, errc::unknown_orchestrator);
  expect({std::string(to_string(errc::unknown_orchestrator))});
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_its_checks_sends_nothing) {
  start_options options;
  options.instance_id = std::string(1'000, 'x');
  begin(options);
  BOOST_TEST(gateway->requests.empty());
  BOOST_TEST(calls.size() == 1U);
}

// The requests were sent again after a disconnection, and the wait came first.
BOOST_AUTO_TEST_CASE(a_wait_that_overtakes_its_start_is_sent_again_once) {
  begin();
  reply(wait_number, errc::not_found);
  reply(start_number);
  BOOST_TEST_REQUIRE(gateway->requests.size() == 3U);
  expect({"started"});
  reply(3, errc::not_found); // purged
  expect({"started", std::string(to_string(errc::not_found))});
}

BOOST_AUTO_TEST_CASE(a_started_wait_can_be_cancelled) {
  begin();
  reply(start_number);
  wait->cancel();
  expect({"started", std::string(to_string(errc::cancelled))});
  BOOST_TEST(gateway->pending.empty());
  wait.reset();
}

BOOST_AUTO_TEST_CASE(only_a_generated_id_without_a_key_is_new) {
  const auto is_new = [&](const start_options& options) {
    gateway->requests.clear();
    gateway->pending.clear();
    begin(options);
    return std::get<actors::start_instance>(gateway->requests.front())
      .id_is_new;
  };
  BOOST_TEST(is_new({}));
  BOOST_TEST(!is_new({.instance_id = "order-1"}));
  BOOST_TEST(!is_new({.request_id = "key"}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
