#include "persistence/views/pending_writes.hpp"

#include "journal_harness.hpp"
#include <boost/test/unit_test.hpp>

namespace perdura::persistence {

using namespace testing;

namespace {

/// Writes of one instance from a random walk, in order.
std::vector<instance_write> some_writes(std::uint64_t seed) {
  turn_maker make(seed, 1);
  model so_far;
  std::vector<instance_write> writes;
  while (writes.size() < 12) {
    const turn_writes turn = make.next(so_far);
    so_far.take(turn);
    for (const instance_write& write : turn.instances)
      if (write.id == "order-1")
        writes.push_back(write);
  }
  return writes;
}

using folded
  = std::pair<std::optional<stored_instance>, std::vector<history_event>>;

void fold(folded& x, const instance_write& write) {
  model m;
  m.instances[{0, write.id}] = {x.first, x.second};
  turn_writes turn;
  turn.instances.push_back(write);
  m.take(turn);
  x = {m.instances[{0, write.id}].state, m.instances[{0, write.id}].history};
}

} // namespace

BOOST_AUTO_TEST_SUITE(turn_writes_fold)

BOOST_AUTO_TEST_CASE(applying_twice_changes_nothing_more) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::optional<stored_instance> state;
    for (const instance_write& write : some_writes(seed)) {
      persistence::apply(state, write);
      const auto once = state;
      persistence::apply(state, write);
      BOOST_TEST((state == once), "seed " << seed);
    }
  }
}

// The views hold the first few writes already when all of them are applied:
// a flush may have become visible before its generation was dropped.
BOOST_AUTO_TEST_CASE(merged_writes_equal_the_writes_one_after_another) {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    const auto writes = some_writes(seed);
    for (std::size_t first = 0; first < writes.size(); ++first) {
      folded base;
      for (std::size_t i = 0; i < first; ++i)
        fold(base, writes[i]);
      folded expected = base;
      instance_write merged = writes[first];
      fold(expected, writes[first]);
      for (std::size_t i = first + 1; i < writes.size(); ++i) {
        merge(merged, instance_write(writes[i]));
        fold(expected, writes[i]);
        folded once = base;
        fold(once, merged);
        BOOST_TEST((once == expected), "seed " << seed);
        fold(once, merged);
        BOOST_TEST((once == expected), "seed " << seed);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_copy_without_history_lacks_nothing_else) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed)
    for (instance_write write : some_writes(seed)) {
      const instance_write copy = without_history(write);
      write.history_first = 0;
      write.history.clear();
      BOOST_TEST((copy == write), "seed " << seed);
    }
}

BOOST_AUTO_TEST_CASE(the_last_128_requests_are_kept_each_once) {
  std::optional<stored_instance> state;
  instance_write write;
  write.record.emplace();
  for (int i = 0; i < 300; ++i) {
    write.requests = {{"r" + std::to_string(i % 200), errc::ok, "", ""}};
    persistence::apply(state, write);
  }
  BOOST_TEST(state->requests.size() == requests_kept);
  BOOST_TEST(state->requests.back().id == "r99");
  BOOST_TEST(state->requests.front().id == "r172");
}

BOOST_AUTO_TEST_CASE(a_gap_in_history_is_a_defect) {
  instance_write first;
  first.id = "order-1";
  first.record.emplace();
  first.history = {{at(1), orchestrator_started{}}};
  instance_write next = first;
  next.history_first = 5;
  BOOST_CHECK_THROW(merge(first, std::move(next)), std::logic_error);
}

BOOST_AUTO_TEST_CASE(nothing_is_put_into_what_is_not_there) {
  std::optional<stored_instance> state;
  instance_write write;
  write.custom_status = "1";
  persistence::apply(state, write);
  BOOST_TEST(!state.has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
