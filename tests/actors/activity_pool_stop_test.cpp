// SPDX-License-Identifier: Apache-2.0
// Activities that are cancelled, that the program does not have, and the
// orderly stop of the pool.
#include "tests/actors/pool_fixture.hpp"
#include "tests/support/patience.hpp"

#include <atomic>
#include <latch>

namespace perdura::actors {

using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(activity_pool_stop, pool_fixture)

// The execution has ended: the running activity learns it, and so does the one
// that begins later. Those of other executions do not.
BOOST_AUTO_TEST_CASE(activities_of_an_ended_execution_are_cancelled) {
  std::latch begun(1);
  std::latch release(1);
  std::map<task_sequence, bool> cancelled;
  functions().add_activity("Runs", [&](activity_context& ctx) {
    begun.count_down();
    release.wait();
    cancelled[1] = ctx.cancellation_requested();
  });
  for (const task_sequence i : {2U, 3U})
    functions().add_activity("Queued" + std::to_string(i),
                             [&cancelled, i](activity_context& ctx) {
                               cancelled[i] = ctx.cancellation_requested();
                             });
  open(1);
  submit(1, "Runs");
  begun.wait();
  submit(2, "Queued2");
  activity_work_item other;
  other.instance = "order-17";
  other.execution = "another";
  other.sequence = 3;
  other.name = "Queued3";
  other.input = "null";
  pool->submit(std::move(other));
  pool->cancel("order-17", "e");
  pool->cancel("order-18", "another");
  release.count_down();
  deliveries(3); // each runs
  BOOST_TEST(cancelled[1]);
  BOOST_TEST(cancelled[2]);
  BOOST_TEST(!cancelled[3]);
}

// A name that is not registered waits for another program; the others go on.
BOOST_AUTO_TEST_CASE(activity_of_an_unknown_name_waits) {
  functions().add_activity("Short", [] {});
  open(1);
  submit(1, "Missing");
  submit(2, "Missing", {}, 5ms);
  submit(3, "Short");
  outcome_of(3);
  BOOST_TEST(timed_out(outcome_of(2)));
  auto queued = pool->facts().queued;
  BOOST_TEST_REQUIRE(queued.size() == 1U);
  BOOST_TEST(queued[0].first == "Missing");
  BOOST_TEST(!pool->facts().is_full);
  pool->cancel("order-17", "e");
  BOOST_TEST(pool->facts().queued.empty());
}

// The running activity ends normally, and its result is delivered.
BOOST_AUTO_TEST_CASE(orderly_stop_waits_for_results_and_starts_nothing) {
  std::latch begun(1);
  std::latch release(1);
  std::atomic<bool> was_cancelled{true};
  functions()
    .add_activity("Long",
                  [&](activity_context& ctx) {
                    begun.count_down();
                    release.wait();
                    was_cancelled = ctx.cancellation_requested();
                  })
    .add_activity("Short", [] {});
  open(1);
  submit(1, "Long");
  begun.wait();
  submit(2, "Short");
  pool->stop_starting();
  submit(3, "Short");
  BOOST_TEST(!pool->wait_for_results(1ms));
  release.count_down();
  BOOST_TEST(pool->wait_for_results(tests::patience));
  BOOST_TEST(deliveries(1).size() == 1U);
  BOOST_TEST(!was_cancelled);
  pool->close();
  BOOST_TEST(pool->wait_idle(tests::patience));
  BOOST_TEST(deliveries(1).size() == 1U);
}

// A run that has timed out has had its result.
BOOST_AUTO_TEST_CASE(orderly_stop_does_not_wait_for_a_run_that_timed_out) {
  std::latch release(1);
  functions().add_activity("Long", [&] { release.wait(); });
  open(1);
  submit(1, "Long", 5ms);
  BOOST_TEST(timed_out(outcome_of(1)));
  pool->stop_starting();
  BOOST_TEST(pool->wait_for_results(tests::patience));
  release.count_down();
  BOOST_TEST(pool->wait_idle(tests::patience));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors
