// SPDX-License-Identifier: Apache-2.0
// One flipped bit in the rows of an instance (finding S3). The instance refuses
// everything and nothing is written for it; all other instances, the flush and
// the next start are not affected. For messages from other partitions, see
// messages_to_damaged_test.cpp.
#include "tests/actors/damaged_fixture.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(damaged_instance_suite, damaged_fixture)

BOOST_AUTO_TEST_CASE(every_request_is_refused_and_writes_nothing) {
  const instance_id x = id_in(p0);
  const instance_id y = id_in(p0, 1);
  start_and_wait(x, "Waits");
  start_and_wait(y, "Waits");
  damage(x);
  node.flush_views();
  const auto before = turns_of(p0);
  start_instance start = start_request(x, "Waits");
  start_instance keyed = start;
  keyed.request = "idempotency-key";
  start_instance get_or_start = start_request(x, "Waits");
  get_or_start.get_or_start = true;
  const std::vector<std::pair<const char*, management_request>> requests{
    {"start", start},
    {"start with a key", keyed},
    {"get or start", get_or_start},
    {"raise", raise_event{x, "Go", "1", "r1"}},
    {"start or raise",
     start_or_raise{x, "Waits", "", "null", "e9", "Go", "1", "r9"}},
    {"raise without a key", raise_event{x, "Go", "1", ""}},
    {"terminate", terminate_instance{x, "reason", false, "r2"}},
    {"terminate recursive", terminate_instance{x, "reason", true, "r3"}},
    {"suspend", suspend_instance{x, "reason", "r4"}},
    {"resume", resume_instance{x, "reason", "r5"}},
    {"rewind", rewind_instance{x, "reason", "r6"}},
    {"purge", purge_instance{x}},
    {"query", get_status{x}},
    {"wait", wait_instance{x}}};
  for (const auto& [what, request] : requests) {
    const management_answer answer = node.ask(request);
    BOOST_TEST((answer.code == errc::storage_damaged),
               what << ": " << to_string(answer.code));
    BOOST_TEST(answer.message.find("of table instances") != std::string::npos,
               what << ": " << answer.message);
  }
  BOOST_TEST(turns_of(p0) == before);
  BOOST_TEST(is_stuck(x));
  BOOST_TEST(!is_stuck(y));
  BOOST_TEST(node.partition(p0).damage().instances == 1U);
  // The other instance goes on.
  BOOST_TEST((node.ask(raise_event{y, "Go", "7", "r"}).code == errc::ok));
  node.run_until_idle();
  BOOST_TEST(output_of(y) == "7");
  // After a repair so does the damaged one.
  repair(x);
  BOOST_TEST((node.ask(raise_event{x, "Go", "8", "r1"}).code == errc::ok));
  node.run_until_idle();
  BOOST_TEST(output_of(x) == "8");
  BOOST_TEST(!is_stuck(x));
}

// The instance is in memory, so only the flush meets the damaged row.
BOOST_AUTO_TEST_CASE(flush_stops_a_running_instance_with_damaged_rows) {
  for (const bool waits : {false, true}) {
    const instance_id x = id_in(p0, waits ? 2 : 0);
    const instance_id y = id_in(p0, waits ? 3 : 1);
    start_and_wait(x, "Collect", "3");
    start_and_wait(y, "Collect", "2");
    node.run_until_idle();
    node.flush_views();
    flip(rows(table::instances).at(key(x, row_kind::record)));
    node.ask(raise_event{x, "E", "1", "x1"});
    node.ask(raise_event{y, "E", "1", "y1"});
    const ticket waiting = node.submit(wait_instance{x});
    // The message is not durable when the flush sets the instance aside.
    if (waits)
      node.inject(p0, event_from_p1(1, x, "2"));
    node.process_mailbox(p0);
    node.flush_views();
    BOOST_TEST(
      (node.ask(raise_event{x, "E", "9", "x9"}).code == errc::storage_damaged));
    BOOST_TEST((code_of(waiting) == errc::storage_damaged));
    BOOST_TEST(is_stuck(x));
    node.ask(raise_event{y, "E", "2", "y2"});
    node.run_until_idle();
    BOOST_TEST(output_of(y) == "[1,2]");
    node.flush_views();
    restart();
    BOOST_TEST(is_stuck(x));
    BOOST_TEST(
      (node.ask(raise_event{x, "E", "9", "x9"}).code == errc::storage_damaged));
    repair(x);
    restart();
    BOOST_TEST(!is_stuck(x));
    for (const char* const data : {"2", "3"})
      node.ask(raise_event{x, "E", data, std::string("x") + data});
    node.run_until_idle();
    BOOST_TEST(output_of(x) == (waits ? "[1,2,2]" : "[1,2,3]"));
  }
}

// The result of an activity and a due timer for a damaged instance. Both are
// there again after the repair.
BOOST_AUTO_TEST_CASE(results_and_timers_wait_for_the_repair) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Give", "5");
  node.run_until([&] { return !node.activities.empty(); });
  node.flush_views();
  node.holds_activity = [](const auto&) { return true; };
  flip(rows(table::instances).at(key(x, row_kind::record)));
  restart();
  BOOST_TEST(node.activities.empty());
  BOOST_TEST(is_stuck(x));
  repair(x);
  node.holds_activity = {};
  restart();
  BOOST_TEST(output_of(x) == "5");
}

// The same without a start after the repair: an open activity, a result, a due
// timer, a due turn, and a history that cannot be read.
BOOST_AUTO_TEST_CASE(open_activity_runs_after_the_repair_without_a_start) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Give", "5");
  node.run_until([&] { return !node.activities.empty(); });
  node.flush_views();
  flip(rows(table::instances).at(key(x, row_kind::record)));
  restart();
  BOOST_TEST(node.activities.empty());
  BOOST_TEST(is_stuck(x));
  node.advance_time(5min);
  BOOST_TEST(node.activities.empty());
  repair(x);
  node.advance_time(2min);
  BOOST_TEST(output_of(x) == "5");
  BOOST_TEST(!is_stuck(x));
}

BOOST_AUTO_TEST_CASE(result_arrives_again_after_the_repair_without_a_start) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Give", "5");
  node.run_until([&] { return !node.activities.empty(); });
  node.flush_views();
  node.holds_activity = [](const auto&) { return true; };
  node.advance_time(2min); // the instance leaves memory
  BOOST_TEST_REQUIRE(node.live(x) == nullptr);
  flip(rows(table::instances).at(key(x, row_kind::record)));
  node.holds_activity = {};
  node.run_until_idle();
  BOOST_TEST(is_stuck(x));
  BOOST_TEST(node.activities.empty());
  repair(x);
  // The damaged instance would run the activity twice without a crash.
  node.violations.clear();
  node.advance_time(2min);
  std::erase_if(node.violations, [](const std::string& sentence) {
    return sentence.find("twice without a crash") != std::string::npos;
  });
  BOOST_TEST(output_of(x) == "5");
}

BOOST_AUTO_TEST_CASE(timers_fire_after_the_repair_without_a_start) {
  for (const bool by_request : {false, true}) {
    const instance_id x = id_in(p0, by_request ? 1 : 0);
    auto later = start_request(x, "Waits");
    later.scheduled_at = node.clock.now() + 3min;
    BOOST_REQUIRE((node.ask(later).code == errc::ok));
    damage(x);
    node.advance_time(10min);
    BOOST_TEST(is_stuck(x));
    repair(x);
    if (!by_request) {
      node.advance_time(2min);
      BOOST_TEST((status_of(x) == runtime_status::running));
    }
    BOOST_TEST((node.ask(raise_event{x, "Go", "7", "r"}).code == errc::ok));
    node.advance_time(10ms);
    BOOST_TEST(output_of(x) == "7");
  }
}

BOOST_AUTO_TEST_CASE(due_turn_runs_after_the_repair_without_a_start) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Waits");
  const auto raised = node.submit(raise_event{x, "Go", "9", "r"});
  node.process_mailboxes();
  node.clock.advance(30ms); // the event is journaled without its turn
  node.check_time(p0);
  node.commit();
  BOOST_REQUIRE((code_of(raised) == errc::ok));
  node.flush_views();
  flip(rows(table::instances).at(key(x, row_kind::record)));
  restart();
  BOOST_TEST(is_stuck(x));
  repair(x);
  node.advance_time(2min);
  BOOST_TEST(output_of(x) == "9");
}

BOOST_AUTO_TEST_CASE(damaged_input_is_read_after_the_repair_without_a_start) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Give", "5");
  node.run_until([&] { return !node.activities.empty(); });
  node.flush_views();
  const auto flip_history = [&] {
    const std::string prefix = instance_prefix(p0, x);
    for (auto& [at, row] : rows(table::instances))
      if (at.starts_with(prefix)
          && at[prefix.size()] == static_cast<char>(row_kind::history))
        flip(row);
  };
  flip_history();
  restart();
  BOOST_TEST(is_stuck(x));
  BOOST_TEST(node.activities.empty());
  flip_history();
  node.advance_time(2min);
  BOOST_TEST(output_of(x) == "5");
  BOOST_TEST(!is_stuck(x));
}

// The pool reports an input that it cannot read.
BOOST_AUTO_TEST_CASE(unread_activity_is_tried_again) {
  const instance_id x = id_in(p0);
  start_and_wait(x, "Give", "5");
  node.run_until([&] { return !node.activities.empty(); });
  const activity_work_item item = node.activities.front();
  node.activities.clear();
  node.inject(p0, activity_unread{item.partition,
                                  x,
                                  item.execution,
                                  item.sequence,
                                  {errc::storage_damaged,
                                   "the row of table instances is damaged"}});
  node.run_until_idle();
  BOOST_TEST(is_stuck(x));
  node.advance_time(2min);
  BOOST_TEST(output_of(x) == "5");
  BOOST_TEST(!is_stuck(x));
}

// A history that cannot be read: the record is sound, so the instance can be
// terminated.
BOOST_AUTO_TEST_CASE(damaged_history_keeps_no_other_work_from_starting) {
  const instance_id x = id_in(p0);
  const instance_id y = id_in(p0, 1);
  start_and_wait(x, "Give", "5");
  start_and_wait(y, "Give", "6");
  node.run_until([&] { return node.activities.size() == 2U; });
  node.flush_views();
  for (auto& [at, row] : rows(table::instances))
    if (at.starts_with(instance_prefix(p0, x))
        && at[instance_prefix(p0, x).size()]
             == static_cast<char>(row_kind::history))
      flip(row);
  restart();
  BOOST_TEST(output_of(y) == "6");
  BOOST_TEST(is_stuck(x));
  BOOST_TEST(
    (node.ask(terminate_instance{x, "reason", false, "t"}).code == errc::ok));
}

// The history is damaged when a turn that needs a replay is dispatched: the
// instance is set aside, its waiting clients get the error, and its message is
// kept. Other instances run.
BOOST_AUTO_TEST_CASE(damaged_history_of_a_replay_sets_the_instance_aside) {
  const instance_id x = id_in(p0);
  const instance_id y = id_in(p0, 1);
  start_and_wait(x, "Collect", "2");
  start_and_wait(y, "Collect", "2");
  for (const instance_id& id : {x, y})
    node.ask(raise_event{id, "E", "1", "first" + id});
  node.run_until_idle();
  node.flush_views();
  const auto flip_history = [&] {
    for (auto& [at, row] : rows(table::instances))
      if (at.starts_with(instance_prefix(p0, x))
          && at[instance_prefix(p0, x).size()]
               == static_cast<char>(row_kind::history))
        flip(row);
  };
  flip_history();
  restart();
  const ticket waiting = node.submit(wait_instance{x});
  for (const instance_id& id : {x, y})
    BOOST_TEST(
      (node.ask(raise_event{id, "E", "2", "second" + id}).code == errc::ok),
      id);
  node.run_until_idle();
  BOOST_TEST(output_of(y) == "[1,2]");
  BOOST_TEST((code_of(waiting) == errc::storage_damaged));
  BOOST_TEST(is_stuck(x));
  BOOST_TEST((node.ask(raise_event{x, "E", "3", "third"}).code
              == errc::storage_damaged));
  BOOST_TEST((node.ask(terminate_instance{x, "reason", false, "t"}).code
              == errc::storage_damaged));
  flip_history(); // repaired
  restart();
  BOOST_TEST(!is_stuck(x));
  BOOST_TEST(output_of(x) == "[1,2]");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
