/// What every journal promises, in memory and on disk alike.
#include "journal_harness.hpp"
#include "worlds.hpp"
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

BOOST_AUTO_TEST_SUITE(journal_promises)

BOOST_AUTO_TEST_CASE_TEMPLATE(turns_that_were_not_committed_are_forgotten,
                              World, worlds) {
  World world;
  {
    auto j = world.open();
    j->enqueue(start_turn(p1, 1, "order-1"));
    BOOST_TEST(j->commit() == 1U);
    j->enqueue(start_turn(p1, 2, "order-2"));
  }
  auto j = world.open();
  BOOST_TEST(j->read(p1, "order-1")->has_value());
  BOOST_TEST(!j->read(p1, "order-2")->has_value());
  BOOST_TEST(j->durable(p1) == 1U);
  BOOST_TEST(j->load(p1)->meta.sequence == 1U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(nothing_is_answered_before_it_is_durable, World,
                              worlds) {
  World world;
  auto j = world.open();
  const auto place = j->enqueue(start_turn(p1, 1, "order-1"));
  BOOST_TEST(place == 1U);
  BOOST_TEST(j->durable(p1) == 0U);
  BOOST_TEST(!j->read(p1, "order-1")->has_value());
  j->commit();
  BOOST_TEST(j->durable(p1) == 1U);
  BOOST_TEST(j->read(p1, "order-1")->has_value());
  BOOST_TEST(j->history(p1, "order-1")->size() == 2U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(turns_that_wait_share_one_commit, World, worlds) {
  World world;
  auto j = world.open();
  std::vector<journal_position> told;
  std::vector<journal_position> told_other;
  j->listen(p1, [&](journal_position p) { told.push_back(p); });
  j->listen(partition_id(2),
            [&](journal_position p) { told_other.push_back(p); });
  for (std::uint64_t i = 1; i <= 50; ++i)
    j->enqueue(start_turn(p1, i, "order-" + std::to_string(i)));
  BOOST_TEST(j->commit() == 50U);
  BOOST_TEST(j->statistics().commits == 1U);
  BOOST_TEST(j->statistics().turns == 50U);
  BOOST_TEST(told == std::vector<journal_position>{50});
  BOOST_TEST(told_other.empty());
  j->enqueue(start_turn(partition_id(2), 1, "order-1"));
  j->commit();
  BOOST_TEST(told.size() == 1U);
  BOOST_TEST(told_other == std::vector<journal_position>{51});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_idle_journal_makes_no_commit, World, worlds) {
  World world;
  auto j = world.open();
  BOOST_TEST(j->commit() == 0U);
  j->flush_views(true);
  BOOST_TEST(j->commit() == 0U);
  BOOST_TEST(j->statistics().commits == 0U);
  BOOST_TEST(j->statistics().views_commits == 0U);
  j->enqueue(start_turn(p1, 1, "order-1"));
  j->commit();
  j->flush_views(true);
  j->flush_views(true);
  j->count({p1}).value();
  j->commit();
  BOOST_TEST(j->statistics().commits == 1U);
  BOOST_TEST(j->statistics().views_commits == 1U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_short_life_touches_the_views_once, World,
                              worlds) {
  World world;
  auto j = world.open();
  turn_writes turn = start_turn(p1, 1, "order-1");
  j->enqueue(turn);
  j->commit();
  turn.sequence = 2;
  turn.instances[0].record->status = runtime_status::completed;
  turn.instances[0].record->history_count = 3;
  turn.instances[0].history_first = 2;
  turn.instances[0].history = {{at(5), orchestrator_completed{}}};
  j->enqueue(turn);
  j->commit();
  const auto counts = j->count({p1}).value();
  BOOST_TEST(counts[static_cast<int>(runtime_status::running)] == 0U);
  BOOST_TEST(counts[static_cast<int>(runtime_status::completed)] == 1U);
  BOOST_TEST(j->statistics().views_commits == 1U);
  BOOST_TEST(j->history(p1, "order-1")->size() == 3U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_is_answered_equals_the_fold_of_all_turns,
                              World, worlds) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      World world(3, seed == 5 ? 2 : 1);
      auto j = world.open();
      turn_maker make(seed, 3);
      model expected;
      for (int round = 0; round < 40; ++round) {
        for (std::uint32_t i = 0, n = make.pick(12); i < n; ++i) {
          auto turn = make.next(expected);
          expected.take(turn);
          j->enqueue(std::move(turn));
        }
        j->commit();
        switch (make.pick(6)) {
        case 0:
          j->flush_views(make.pick(2) == 0);
          break;
        case 1:
          expected.compare_with(*j, 3);
          break;
        case 2:
          j.reset();
          j = world.open();
          break;
        default:
          break;
        }
      }
      expected.compare_with(*j, 3);
    }
  }
}

// Crash at the first, second, … point of each kind, open again, go on from
// what is durable: the end must be the same.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_crash_at_any_point_loses_only_what_was_not_told,
                              World, worlds) {
  for (crash_point where :
       {crash_point::before_commit, crash_point::after_commit,
        crash_point::before_views_commit, crash_point::after_views_commit})
    for (std::uint64_t when = 1; when <= 4; ++when) {
      BOOST_TEST_CONTEXT("point " << static_cast<int>(where) << " number "
                                  << when) {
        World world(2);
        auto j = world.open(crash_once(where, when));
        turn_maker make(100 + when, 2);
        model expected; // Of all turns that are durable.
        bool crashed = false;
        journal_position told = 0;
        const auto listen = [&] {
          for (std::uint32_t p = 0; p < 2; ++p)
            j->listen(partition_id(p), [&](journal_position reached) {
              told = std::max(told, reached);
            });
        };
        listen();
        for (int round = 0; round < 12; ++round) {
          model queued = expected;
          const journal_position before = told;
          journal_position last = before;
          for (int i = 0; i < 4; ++i) {
            auto turn = make.next(queued);
            queued.take(turn);
            last = j->enqueue(std::move(turn));
          }
          j->commit();
          if (!j->crashed())
            BOOST_TEST(told == last);
          if (!j->crashed() && round % 2 == 1)
            j->flush_views(round % 4 == 1);
          if (!j->crashed()) {
            expected = queued;
            continue;
          }
          crashed = true;
          j.reset();
          j = world.open();
          listen();
          const journal_position durable = j->durable(partition_id(0));
          // Whole commits, and at least what a listener was told.
          BOOST_TEST((durable == before || durable == last));
          BOOST_TEST(durable >= told);
          if (durable == last)
            expected = queued;
          told = durable;
          expected.compare_with(*j, 2);
        }
        BOOST_TEST(crashed);
        expected.compare_with(*j, 2);
      }
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_crashed_journal_writes_and_tells_nothing, World,
                              worlds) {
  World world;
  {
    auto j = world.open(crash_once(crash_point::before_commit, 1));
    bool told = false;
    j->listen(p1, [&](journal_position) { told = true; });
    j->enqueue(start_turn(p1, 1, "order-1"));
    j->commit();
    BOOST_TEST(j->crashed());
    j->enqueue(start_turn(p1, 2, "order-2"));
    BOOST_TEST(j->commit() == 0U);
    j->flush_views(true);
    BOOST_TEST(!j->count({p1}));
    BOOST_TEST(!told);
    BOOST_TEST(j->durable(p1) == 0U);
  }
  auto j = world.open();
  BOOST_TEST(!j->read(p1, "order-1")->has_value());
  BOOST_TEST(j->durable(p1) == 0U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(positions_go_on_after_everything_was_trimmed,
                              World, worlds) {
  World world;
  auto j = world.open();
  for (std::uint64_t i = 1; i <= 30; ++i) {
    j->enqueue(start_turn(p1, i, "order-" + std::to_string(i)));
    j->commit();
  }
  j->flush_views(true);
  j.reset();
  j = world.open();
  BOOST_TEST(j->durable(p1) == 30U);
  BOOST_TEST(j->enqueue(start_turn(p1, 31, "order-31")) == 31U);
  j->commit();
  BOOST_TEST(j->count({p1}).value()[0] == 31U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_long_history_is_read_in_parts, World, worlds) {
  World world;
  auto j = world.open();
  turn_writes turn = start_turn(p1, 1, "order-1");
  std::vector<history_event> all;
  for (std::uint32_t i = 0; i < 3000; ++i)
    all.push_back({at(i), event_raised{"e", std::string(300, 'x')}});
  turn.instances[0].history = all;
  turn.instances[0].record->history_count = 3000;
  j->enqueue(turn);
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

BOOST_AUTO_TEST_CASE_TEMPLATE(timers_are_due_in_order_and_between_the_bounds,
                              World, worlds) {
  World world;
  auto j = world.open();
  turn_writes turn = start_turn(p1, 1, "order-1");
  open_task task;
  task.kind = task_kind::timer;
  for (std::uint32_t i = 1; i <= 5; ++i) {
    task.fire_at = at(100 * i);
    turn.instances[0].tasks_opened.emplace_back(i, task);
  }
  task.kind = task_kind::activity;
  turn.instances[0].tasks_opened.emplace_back(9, task);
  j->enqueue(turn);
  j->commit();
  const auto due = j->due(p1, at(100), at(300)).value();
  BOOST_TEST(due.size() == 2U);
  BOOST_TEST((due[0] == due_task{at(200), "order-1", 2}));
  BOOST_TEST((due[1] == due_task{at(300), "order-1", 3}));
  BOOST_TEST(j->due(p1, at(500), at(400)).value().empty());
  BOOST_TEST(j->load(p1)->activities.size() == 1U);
  // An ended instance owes nothing.
  turn.sequence = 2;
  turn.instances[0] = {};
  turn.instances[0].id = "order-1";
  turn.instances[0].removed = true;
  j->enqueue(turn);
  j->commit();
  BOOST_TEST(j->due(p1, at(0), timestamp::max()).value().empty());
  BOOST_TEST(j->load(p1)->activities.empty());
  BOOST_TEST(!j->read(p1, "order-1").value().has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_turn_out_of_sequence_is_a_defect, World,
                              worlds) {
  World world;
  auto j = world.open();
  j->enqueue(start_turn(p1, 1, "order-1"));
  BOOST_CHECK_THROW(j->enqueue(start_turn(p1, 3, "order-2")), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
