// SPDX-License-Identifier: Apache-2.0
// Guarantees of every journal. Each case runs on a journal in memory and on
// LMDB.
#include "journal_harness.hpp"
#include "storage_kinds.hpp"
#include <boost/test/unit_test.hpp>

namespace perdura::persistence {

using namespace testing;

namespace {

constexpr partition_id p1{1};

crash_hook crash_once(crash_point where, std::uint64_t when) {
  return [=](crash_point point, std::uint64_t n) {
    return point == where && n == when;
  };
}

} // namespace

BOOST_AUTO_TEST_SUITE(journal_suite)

// The journal is closed with one committed and one uncommitted turn.
BOOST_AUTO_TEST_CASE_TEMPLATE(uncommitted_turns_are_not_stored, Storage,
                              storage_kinds) {
  Storage storage;
  {
    auto j = storage.open();
    j->append(start_turn(p1, 1, "order-1"));
    BOOST_TEST(j->commit() == 1U);
    j->append(start_turn(p1, 2, "order-2"));
  }
  auto j = storage.open();
  BOOST_TEST(j->read(p1, "order-1")->has_value());
  BOOST_TEST(!j->read(p1, "order-2")->has_value());
  BOOST_TEST(j->durable(p1) == 1U);
  BOOST_TEST(j->load(p1)->meta.sequence == 1U);
}

// A queued turn is not visible before its commit.
BOOST_AUTO_TEST_CASE_TEMPLATE(reads_return_only_durable_turns, Storage,
                              storage_kinds) {
  Storage storage;
  auto j = storage.open();
  const auto place = j->append(start_turn(p1, 1, "order-1"));
  BOOST_TEST(place == 1U);
  BOOST_TEST(j->durable(p1) == 0U);
  BOOST_TEST(!j->read(p1, "order-1")->has_value());
  j->commit();
  BOOST_TEST(j->durable(p1) == 1U);
  BOOST_TEST(j->read(p1, "order-1")->has_value());
  BOOST_TEST(j->history(p1, "order-1")->size() == 2U);
}

// Fifty turns of one partition are committed together. Listeners of that
// partition learn the last position, others learn nothing.
BOOST_AUTO_TEST_CASE_TEMPLATE(queued_turns_share_one_commit, Storage,
                              storage_kinds) {
  Storage storage;
  auto j = storage.open();
  std::vector<journal_position> reported;
  std::vector<journal_position> reported_other;
  j->listen(p1, [&](journal_position p) { reported.push_back(p); });
  j->listen(partition_id(2),
            [&](journal_position p) { reported_other.push_back(p); });
  for (std::uint64_t i = 1; i <= 50; ++i)
    j->append(start_turn(p1, i, "order-" + std::to_string(i)));
  BOOST_TEST(j->commit() == 50U);
  BOOST_TEST(j->statistics().commits == 1U);
  BOOST_TEST(j->statistics().turns == 50U);
  BOOST_TEST(reported == std::vector<journal_position>{50});
  BOOST_TEST(reported_other.empty());
  j->append(start_turn(partition_id(2), 1, "order-1"));
  j->commit();
  BOOST_TEST(reported.size() == 1U);
  BOOST_TEST(reported_other == std::vector<journal_position>{51});
}

// Without a new turn neither the journal nor the views are written.
BOOST_AUTO_TEST_CASE_TEMPLATE(idle_journal_makes_no_commit, Storage,
                              storage_kinds) {
  Storage storage;
  auto j = storage.open();
  BOOST_TEST(j->commit() == 0U);
  j->flush_views(true);
  BOOST_TEST(j->commit() == 0U);
  BOOST_TEST(j->statistics().commits == 0U);
  BOOST_TEST(j->statistics().views_commits == 0U);
  j->append(start_turn(p1, 1, "order-1"));
  j->commit();
  j->flush_views(true);
  j->flush_views(true);
  j->count({p1}).value();
  j->commit();
  BOOST_TEST(j->statistics().commits == 1U);
  BOOST_TEST(j->statistics().views_commits == 1U);
}

// An instance that starts and ends between two flushes is written to the views
// once.
BOOST_AUTO_TEST_CASE_TEMPLATE(short_lived_instance_is_flushed_once, Storage,
                              storage_kinds) {
  Storage storage;
  auto j = storage.open();
  turn_writes turn = start_turn(p1, 1, "order-1");
  j->append(turn);
  j->commit();
  turn.sequence = 2;
  turn.instances[0].record->status = runtime_status::completed;
  turn.instances[0].record->history_count = 3;
  turn.instances[0].history_first = 2;
  turn.instances[0].history = {{at(5), orchestrator_completed{}}};
  j->append(turn);
  j->commit();
  const auto counts = j->count({p1}).value();
  BOOST_TEST(counts[static_cast<int>(runtime_status::running)] == 0U);
  BOOST_TEST(counts[static_cast<int>(runtime_status::completed)] == 1U);
  j->flush_views(false);
  BOOST_TEST(j->statistics().views_commits == 1U);
  BOOST_TEST(j->history(p1, "order-1")->size() == 3U);
}

// Lists, counts and look-ups of timers include turns that are only in memory,
// and write nothing.
BOOST_AUTO_TEST_CASE_TEMPLATE(queries_write_nothing, Storage, storage_kinds) {
  Storage storage;
  auto j = storage.open();
  turn_writes turn = start_turn(p1, 1, "order-1");
  open_task nap;
  nap.kind = task_kind::timer;
  nap.fire_at = at(5000);
  turn.instances[0].tasks_opened.push_back({1, nap});
  j->append(std::move(turn));
  j->commit();
  BOOST_TEST(j->query({p1}, {})->rows.size() == 1U);
  BOOST_TEST(j->count({p1}).value()[static_cast<int>(runtime_status::running)]
             == 1U);
  BOOST_TEST(j->due(p1, time_scale::elapsed, at(0), at(9000))->tasks.size()
             == 1U);
  BOOST_TEST(j->statistics().views_commits == 0U);
}

// A timer with a delay, one with a time, one of an older format, and a
// scheduled start. Each is due on one scale, from memory and from the rows.
BOOST_AUTO_TEST_CASE_TEMPLATE(due_distinguishes_the_scales, Storage,
                              storage_kinds) {
  Storage storage;
  auto j = storage.open();
  turn_writes turn = start_turn(p1, 1, "order-1");
  open_task delay;
  delay.kind = task_kind::timer;
  delay.fire_at = at(9'000);
  delay.due = elapsed_time(at(100).time_since_epoch());
  open_task time;
  time.kind = task_kind::timer;
  time.fire_at = at(200);
  time.absolute = true;
  open_task old;
  old.kind = task_kind::timer;
  old.fire_at = at(300);
  open_task start;
  start.kind = task_kind::scheduled_start;
  start.fire_at = at(400);
  turn.instances[0].tasks_opened
    = {{start_sequence, start}, {1, delay}, {2, time}, {3, old}};
  j->append(std::move(turn));
  j->commit();
  using tasks = std::vector<due_task>;
  for (int flushed = 0; flushed < 2; ++flushed) {
    const auto elapsed
      = j->due(p1, time_scale::elapsed, at(0), at(1'000)).value();
    BOOST_TEST((elapsed.tasks
                == tasks{{at(100), "order-1", 1}, {at(300), "order-1", 3}}));
    BOOST_TEST(!elapsed.has_later);
    const auto wall = j->due(p1, time_scale::wall, at(0), at(1'000)).value();
    BOOST_TEST((
      wall.tasks
      == tasks{{at(200), "order-1", 2}, {at(400), "order-1", start_sequence}}));
    j->flush_views(false);
  }
}

// Writes random turns, with commits, flushes and reopening in random order.
// Every read must return what the model contains.
BOOST_AUTO_TEST_CASE_TEMPLATE(reads_equal_the_model_of_all_turns, Storage,
                              storage_kinds) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      Storage storage(3, seed == 5 ? 2 : 1);
      auto j = storage.open();
      turn_generator generator(seed, 3);
      model expected;
      for (int round = 0; round < 40; ++round) {
        for (std::uint32_t i = 0, n = generator.pick(12); i < n; ++i) {
          auto turn = generator.next(expected);
          expected.add_turn(turn);
          j->append(std::move(turn));
        }
        j->commit();
        switch (generator.pick(6)) {
        case 0:
          j->flush_views(generator.pick(2) == 0);
          break;
        case 1:
          expected.check_against(*j, 3);
          break;
        case 2:
          j.reset();
          j = storage.open();
          break;
        default:
          break;
        }
      }
      expected.check_against(*j, 3);
    }
  }
}

// The journal crashes at one of the first four commit points of each kind, is
// opened again, and continues with the durable turns. Turns that were reported
// as durable are never lost, and a commit is never stored in part.
BOOST_AUTO_TEST_CASE_TEMPLATE(crash_at_any_point_loses_only_unreported_turns,
                              Storage, storage_kinds) {
  for (crash_point where :
       {crash_point::before_commit, crash_point::after_commit,
        crash_point::before_views_commit, crash_point::after_views_commit})
    for (std::uint64_t when = 1; when <= 4; ++when) {
      BOOST_TEST_CONTEXT("point " << static_cast<int>(where) << " number "
                                  << when) {
        Storage storage(2);
        auto j = storage.open(crash_once(where, when));
        turn_generator generator(100 + when, 2);
        model expected; // contains all durable turns
        bool crashed = false;
        journal_position reported = 0;
        const auto listen = [&] {
          for (std::uint32_t p = 0; p < 2; ++p)
            j->listen(partition_id(p), [&](journal_position reached) {
              reported = std::max(reported, reached);
            });
        };
        listen();
        for (int round = 0; round < 12; ++round) {
          model queued = expected;
          const journal_position before = reported;
          journal_position last = before;
          for (int i = 0; i < 4; ++i) {
            auto turn = generator.next(queued);
            queued.add_turn(turn);
            last = j->append(std::move(turn));
          }
          j->commit();
          if (!j->crashed())
            BOOST_TEST(reported == last);
          if (!j->crashed() && round % 2 == 1)
            j->flush_views(round % 4 == 1);
          if (!j->crashed()) {
            expected = queued;
            continue;
          }
          crashed = true;
          j.reset();
          j = storage.open();
          listen();
          const journal_position durable = j->durable(partition_id(0));
          // A commit is stored whole or not at all, and positions that were
          // reported are durable.
          BOOST_TEST((durable == before || durable == last));
          BOOST_TEST(durable >= reported);
          if (durable == last)
            expected = queued;
          reported = durable;
          expected.check_against(*j, 2);
        }
        BOOST_TEST(crashed);
        expected.check_against(*j, 2);
      }
    }
}

// After an injected crash, the journal object accepts calls but stores and
// reports nothing.
BOOST_AUTO_TEST_CASE_TEMPLATE(crashed_journal_writes_and_reports_nothing,
                              Storage, storage_kinds) {
  Storage storage;
  {
    auto j = storage.open(crash_once(crash_point::before_commit, 1));
    bool reported = false;
    j->listen(p1, [&](journal_position) { reported = true; });
    j->append(start_turn(p1, 1, "order-1"));
    j->commit();
    BOOST_TEST(j->crashed());
    j->append(start_turn(p1, 2, "order-2"));
    BOOST_TEST(j->commit() == 0U);
    j->flush_views(true);
    BOOST_TEST((j->count({p1}).value() == status_counts{}));
    BOOST_TEST(!reported);
    BOOST_TEST(j->durable(p1) == 0U);
  }
  auto j = storage.open();
  BOOST_TEST(!j->read(p1, "order-1")->has_value());
  BOOST_TEST(j->durable(p1) == 0U);
}

// After a flush, all records are removed from the journal; the next position
// must still follow the last one.
BOOST_AUTO_TEST_CASE_TEMPLATE(positions_continue_after_the_journal_is_trimmed,
                              Storage, storage_kinds) {
  Storage storage;
  auto j = storage.open();
  for (std::uint64_t i = 1; i <= 30; ++i) {
    j->append(start_turn(p1, i, "order-" + std::to_string(i)));
    j->commit();
  }
  j->flush_views(true);
  j.reset();
  j = storage.open();
  BOOST_TEST(j->durable(p1) == 30U);
  BOOST_TEST(j->append(start_turn(p1, 31, "order-31")) == 31U);
  j->commit();
  BOOST_TEST(j->count({p1}).value()[0] == 31U);
}

// Reads give the same events before and after the flush.
BOOST_AUTO_TEST_CASE_TEMPLATE(long_history_is_read_in_ranges, Storage,
                              storage_kinds) {
  Storage storage;
  auto j = storage.open();
  turn_writes turn = start_turn(p1, 1, "order-1");
  std::vector<history_event> all;
  for (std::uint32_t i = 0; i < 3000; ++i)
    all.push_back({at(i), event_raised{"e", std::string(300, 'x')}});
  turn.instances[0].history = all;
  turn.instances[0].record->history_count = 3000;
  j->append(turn);
  j->commit();
  for (int flushed = 0; flushed < 2; ++flushed) {
    BOOST_TEST((j->history(p1, "order-1").value() == all));
    const auto part = j->history(p1, "order-1", 1234, 1000).value();
    BOOST_TEST(part.size() == 1000U);
    BOOST_TEST((part.front() == all[1234]));
    BOOST_TEST(j->history(p1, "order-1", 2999).value().size() == 1U);
    BOOST_TEST(j->history(p1, "order-1", 3000).value().empty());
    BOOST_TEST(j->history(p1, "order-0").value().empty());
    j->flush_views(false);
  }
}

// The lower bound is excluded and the upper bound is included. Activities are
// not due, and a removed instance has no timers.
BOOST_AUTO_TEST_CASE_TEMPLATE(due_returns_timers_in_order_within_the_bounds,
                              Storage, storage_kinds) {
  Storage storage;
  auto j = storage.open();
  turn_writes turn = start_turn(p1, 1, "order-1");
  open_task task;
  task.kind = task_kind::timer;
  for (std::uint32_t i = 1; i <= 5; ++i) {
    task.fire_at = at(100 * i);
    turn.instances[0].tasks_opened.emplace_back(i, task);
  }
  task.kind = task_kind::activity;
  turn.instances[0].tasks_opened.emplace_back(9, task);
  j->append(turn);
  j->commit();
  const auto due = [&](timestamp after, timestamp until) {
    return j->due(p1, time_scale::elapsed, after, until).value();
  };
  const due_range some = due(at(100), at(300));
  BOOST_TEST(some.tasks.size() == 2U);
  BOOST_TEST((some.tasks[0] == due_task{at(200), "order-1", 2}));
  BOOST_TEST((some.tasks[1] == due_task{at(300), "order-1", 3}));
  BOOST_TEST(some.has_later);
  BOOST_TEST(due(at(500), at(400)).tasks.empty());
  BOOST_TEST(due(at(100), at(500)).tasks.size() == 4U);
  BOOST_TEST(!due(at(100), at(500)).has_later);
  BOOST_TEST(j->load(p1)->activities.size() == 1U);
  // The instance is removed.
  turn.sequence = 2;
  turn.instances[0] = {};
  turn.instances[0].id = "order-1";
  turn.instances[0].removed = true;
  j->append(turn);
  j->commit();
  BOOST_TEST(due(at(0), timestamp::max()).tasks.empty());
  BOOST_TEST(j->load(p1)->activities.empty());
  BOOST_TEST(!j->read(p1, "order-1").value().has_value());
}

// A gap in the turn sequence of a partition is a programming error.
BOOST_AUTO_TEST_CASE_TEMPLATE(out_of_sequence_turn_throws, Storage,
                              storage_kinds) {
  Storage storage;
  auto j = storage.open();
  j->append(start_turn(p1, 1, "order-1"));
  BOOST_CHECK_THROW(j->append(start_turn(p1, 3, "order-2")), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
