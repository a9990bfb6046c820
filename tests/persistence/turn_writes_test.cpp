// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/pending_writes.hpp"

#include "journal_harness.hpp"
#include <boost/test/unit_test.hpp>

namespace perdura::persistence {

using namespace testing;

namespace {

/// Consecutive random writes of one instance.
std::vector<instance_write> generate_writes(std::uint64_t seed) {
  turn_generator generator(seed, 1);
  model model_so_far;
  std::vector<instance_write> writes;
  while (writes.size() < 12) {
    const turn_writes turn = generator.next(model_so_far);
    model_so_far.add_turn(turn);
    for (const instance_write& write : turn.instances)
      if (write.id == "order-1")
        writes.push_back(write);
  }
  return writes;
}

using folded
  = std::pair<std::optional<stored_instance>, std::vector<history_event>>;

/// Applies one write to a state and a history.
void fold(folded& x, const instance_write& write) {
  model m;
  m.instances[{0, write.id}] = {x.first, x.second};
  turn_writes turn;
  turn.instances.push_back(write);
  m.add_turn(turn);
  x = {m.instances[{0, write.id}].state, m.instances[{0, write.id}].history};
}

} // namespace

BOOST_AUTO_TEST_SUITE(turn_writes_suite)

// A write that is applied twice has the same result as if it were applied once.
BOOST_AUTO_TEST_CASE(apply_is_idempotent) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::optional<stored_instance> state;
    for (const instance_write& write : generate_writes(seed)) {
      persistence::apply(state, write);
      const auto once = state;
      persistence::apply(state, write);
      BOOST_TEST((state == once), "seed " << seed);
    }
  }
}

// The views already contain the first writes. The following writes are merged,
// and the merged write is applied twice. Writes are applied twice if a flush
// becomes visible before the flushed writes are dropped from memory. All ranges
// of writes are tried.
BOOST_AUTO_TEST_CASE(merged_writes_equal_sequential_writes) {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    const auto writes = generate_writes(seed);
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

// A copy without history is used where only the current state of the instance
// is needed.
BOOST_AUTO_TEST_CASE(copy_without_history_keeps_all_other_fields) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed)
    for (instance_write write : generate_writes(seed)) {
      const instance_write copy = without_history(write);
      write.history_first = 0;
      write.history.clear();
      BOOST_TEST((copy == write), "seed " << seed);
    }
}

// A request ID that occurs again moves to the end of the list.
BOOST_AUTO_TEST_CASE(last_128_request_ids_are_kept_once_each) {
  std::optional<stored_instance> state;
  instance_write write;
  write.record.emplace();
  for (int i = 0; i < 300; ++i) {
    write.requests = {{"r" + std::to_string(i % 200), errc::ok, "", ""}};
    persistence::apply(state, write);
  }
  BOOST_TEST(state->requests.size() == requests_kept_max);
  BOOST_TEST(state->requests.back().id == "r99");
  BOOST_TEST(state->requests.front().id == "r172");
}

// A write must begin at the end of the stored history.
BOOST_AUTO_TEST_CASE(gap_in_history_throws) {
  instance_write first;
  first.id = "order-1";
  first.record.emplace();
  first.history = {{at(1), orchestrator_started{}}};
  instance_write next = first;
  next.history_first = 5;
  BOOST_CHECK_THROW(merge(first, std::move(next)), std::logic_error);
}

BOOST_AUTO_TEST_CASE(write_without_a_record_creates_no_instance) {
  std::optional<stored_instance> state;
  instance_write write;
  write.custom_status = "1";
  persistence::apply(state, write);
  BOOST_TEST(!state.has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
