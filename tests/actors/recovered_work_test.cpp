// SPDX-License-Identifier: Apache-2.0
// After a long stop, much work is due at once (the kind of finding B3). It
// begins in windows, and requests are answered between them.
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

namespace {

struct recovered_work_fixture : partition_fixture {
  static instance_id id_of(std::size_t number) {
    return "late-" + std::to_string(number);
  }

  void expect_all_completed(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      BOOST_TEST((status_of(id_of(i)) == runtime_status::completed), id_of(i));
    node.check_at_rest();
  }

  /// Makes steps until all instances have ended; time passes if necessary.
  void finish(std::size_t count) {
    BOOST_TEST(node.run_until([&] { return counters().completed >= count; }));
    node.run_until_idle();
  }

  bool answers_at_once() {
    const auto asked = node.submit(get_status{id_of(0)});
    node.process_mailboxes();
    return node.is_answered(asked);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(recovered_work, recovered_work_fixture)

BOOST_AUTO_TEST_CASE(due_turns_begin_in_windows) {
  constexpr std::size_t many = 300;
  for (std::size_t i = 0; i < many; ++i)
    node.submit(start_request(id_of(i), "Loop", "0"));
  node.process_mailboxes();
  node.clock.advance(30ms); // the starts are journaled without their turns
  node.check_time(p0);
  node.commit();
  node.crash_and_recover();
  BOOST_TEST(node.turns.size() == 64U);
  BOOST_TEST(answers_at_once());
  BOOST_TEST(node.turns.size() == 64U);
  // The next ones begin when some have ended.
  for (int i = 0; i < 10; ++i)
    finish_turn();
  BOOST_TEST(node.turns.size() == 64U);
  finish(many);
  expect_all_completed(many);
}

// A turn that does not end keeps the others for a short time only.
BOOST_AUTO_TEST_CASE(stuck_turns_do_not_keep_others_from_running) {
  constexpr std::size_t many = 100;
  for (std::size_t i = 0; i < many; ++i)
    node.submit(start_request(id_of(i), "Loop", "0"));
  node.process_mailboxes();
  node.clock.advance(30ms);
  node.check_time(p0);
  node.commit();
  node.crash_and_recover();
  BOOST_TEST(node.turns.size() == 64U);
  node.turns.clear(); // they never return
  node.clock.advance(6s);
  node.check_time(p0); // reports them
  node.clock.advance(1ms);
  node.check_time(p0);
  BOOST_TEST(node.turns.size() == 36U);
}

BOOST_AUTO_TEST_CASE(overdue_starts_fire_in_windows) {
  constexpr std::size_t many = 700;
  for (std::size_t i = 0; i < many; ++i) {
    start_instance later = start_request(id_of(i), "Loop", "0");
    later.scheduled_at = node.clock.now() + 1h;
    node.submit(later);
  }
  node.process_mailboxes();
  node.commit();
  node.clock.advance(48h);
  node.crash_and_recover();
  BOOST_TEST(node.turns.size() == 256U);
  BOOST_TEST(answers_at_once());
  finish(many);
  expect_all_completed(many);
}

BOOST_AUTO_TEST_CASE(overdue_timers_wait_for_the_messages_before_them) {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions);
  functions->add_orchestrator(
    "Sleeps", [](orchestration_context& ctx) -> task<int> {
      co_await ctx.create_timer(std::chrono::hours(1));
      co_return 1;
    });
  node.set_functions(functions);
  node.crash_and_recover();
  constexpr std::size_t many = 2'000;
  for (std::size_t i = 0; i < many; ++i)
    node.submit(start_request(id_of(i), "Sleeps"));
  node.run_until_idle();
  node.clock.advance(48h);
  // Each batch fires some, until 1,024 messages wait for turns.
  for (int i = 0; i < 20; ++i)
    node.wake_all();
  BOOST_TEST(node.turns.size() == 1'024U);
  finish(many);
  expect_all_completed(many);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
