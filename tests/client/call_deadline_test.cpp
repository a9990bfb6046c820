// SPDX-License-Identifier: Apache-2.0
// Calls that send several requests: the deadline covers all of them, and a
// cancellation reaches the request that is under way.
#include "tests/client/recording_gateway.hpp"
#include "tests/support/patience.hpp"
#include <perdura/client/api/orchestration_client.hpp>

#include <boost/test/unit_test.hpp>

#include <memory>
#include <optional>
#include <string>

namespace perdura::tests {

using client::errc;

namespace {

/// A gateway that reports an instance of Echo with the input 7.
std::shared_ptr<recording_gateway> gateway_with_an_instance() {
  auto gateway = std::make_shared<recording_gateway>();
  auto status = std::make_shared<actors::instance_status>();
  status->row.id = "a";
  status->row.record.name = "Echo";
  status->row.input = "7";
  gateway->answer.status = status;
  return gateway;
}

} // namespace

BOOST_AUTO_TEST_SUITE(call_deadline)

// Regression: a restart waited for the deadline twice, once for the status and
// once for the start.
BOOST_AUTO_TEST_CASE(restart_sends_no_start_after_its_deadline) {
  const auto gateway = gateway_with_an_instance();
  const std::chrono::milliseconds deadline(20);
  const client::orchestration_client all{gateway};
  for (const bool wait_for_owner : {false, true})
    for (const std::string request_id : {"", "key"}) {
      const minimum_time waited;
      gateway->requests.clear();
      gateway->on_submit = [&] {
        BOOST_TEST(eventually([&] { return waited.has_passed(deadline); }));
      };
      auto restarted
        = all.with({deadline, wait_for_owner}).restart("a", true, request_id);
      BOOST_TEST((restarted.code() == errc::timed_out));
      BOOST_TEST(restarted.error().message.find("nothing was started")
                 != std::string::npos);
      BOOST_TEST(gateway->requests.size() == 1U);
    }
}

BOOST_AUTO_TEST_CASE(restart_within_its_deadline_starts_the_instance) {
  const auto gateway = gateway_with_an_instance();
  client::orchestration_client all{gateway};
  BOOST_TEST(all.restart("a", false).value() == "a");
  BOOST_REQUIRE(gateway->requests.size() == 2U);
  const auto& start = std::get<actors::start_instance>(gateway->requests[1]);
  BOOST_TEST(start.name == "Echo");
  BOOST_TEST(start.input == "7");
}

BOOST_AUTO_TEST_CASE(silent_restart_ends_at_its_deadline) {
  const auto gateway = gateway_with_an_instance();
  gateway->on_submit
    = [&] { gateway->is_silent = gateway->requests.size() > 1; };
  const client::orchestration_client all{gateway};
  auto restarted
    = all.with({std::chrono::milliseconds(30)}).restart("a", true, "key");
  BOOST_TEST((restarted.code() == errc::unknown_outcome));
  BOOST_TEST(gateway->pending.empty());
}

// Regression: the number of a pause was that of its first request, so that a
// pause that was passed to another node could not be cancelled, and a call
// that blocks waited beyond its deadline.
BOOST_AUTO_TEST_CASE(cancelled_pause_ends_the_request_that_is_under_way) {
  const auto gateway = std::make_shared<recording_gateway>();
  gateway->is_silent = true;
  const client::async_client all{gateway};
  std::optional<errc> code;
  const std::uint64_t number = all.pause_orchestrator(
    "Echo", true, "", [&](client::result<void> done) { code = done.code(); });
  BOOST_TEST(number == 1U);
  for (std::uint64_t request : {1U, 2U}) {
    actors::management_answer away;
    away.code = errc::unavailable;
    const auto done = gateway->pending.at(request);
    gateway->pending.erase(request);
    done(away);
  }
  BOOST_TEST(gateway->requests.size() == 3U);
  BOOST_TEST(!code);
  all.cancel(number);
  BOOST_TEST((code == errc::cancelled));
  BOOST_TEST(gateway->pending.empty());
  BOOST_TEST(gateway->requests.size() == 3U); // No further attempt.
}

BOOST_AUTO_TEST_CASE(silent_pause_ends_at_its_deadline) {
  const auto gateway = std::make_shared<recording_gateway>();
  gateway->is_silent = true;
  const client::orchestration_client all{gateway};
  auto paused
    = all.with({std::chrono::milliseconds(30)}).pause_orchestrator("Echo");
  BOOST_TEST((paused.code() == errc::unknown_outcome));
  BOOST_TEST(gateway->pending.empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
