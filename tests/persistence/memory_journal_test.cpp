#include "persistence/memory_journal.hpp"

#include "journal_harness.hpp"
#include <boost/test/unit_test.hpp>

namespace perdura::persistence {

using namespace testing;

BOOST_AUTO_TEST_SUITE(memory_journal)

BOOST_AUTO_TEST_CASE(turns_that_were_not_committed_are_forgotten) {
  auto disk = make_memory_disk(4);
  {
    auto j = open_memory_journal(disk).value();
    j->enqueue(start_turn(partition_id(1), 1, "order-1"));
    BOOST_TEST(j->commit() == 1U);
    j->enqueue(start_turn(partition_id(1), 2, "order-2"));
  }
  auto j = open_memory_journal(disk).value();
  BOOST_TEST(j->read(partition_id(1), "order-1")->has_value());
  BOOST_TEST(!j->read(partition_id(1), "order-2")->has_value());
  BOOST_TEST(j->durable(partition_id(1)) == 1U);
  BOOST_TEST(j->load(partition_id(1))->meta.sequence == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_answered_equals_the_fold_of_all_turns) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      auto disk = make_memory_disk(3);
      auto j = open_memory_journal(disk).value();
      turn_maker make(seed, 3);
      model expected;
      for (int round = 0; round < 40; ++round) {
        for (std::uint32_t i = 0, n = make.pick(12); i < n; ++i) {
          auto turn = make.next(expected);
          expected.take(turn);
          j->enqueue(std::move(turn));
        }
        j->commit();
        switch (make.pick(4)) {
        case 0:
          j->flush_views(make.pick(2) == 0);
          break;
        case 1:
          expected.compare_with(*j, 3);
          break;
        case 2:
          j.reset();
          j = open_memory_journal(disk).value();
          break;
        default:
          break;
        }
      }
      expected.compare_with(*j, 3);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
