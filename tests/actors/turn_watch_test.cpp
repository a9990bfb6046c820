// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/turn_watch.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace perdura::actors {

using namespace std::chrono_literals;

namespace {

/// Begins a turn that appends its number to `admitted` when it may run after a
/// wait. Returns true if it runs at once.
bool begin_turn(turn_watch& watch, int number, std::vector<int>& admitted) {
  return watch.begin([&admitted, number] {
    return [&admitted, number] { admitted.push_back(number); };
  });
}

/// A queue of turns that several threads run.
class turn_queue {
public:
  void push(int turn) {
    const std::lock_guard lock(mutex_);
    turns_.push_back(turn);
    changed_.notify_one();
  }

  int pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !turns_.empty(); });
    const int turn = turns_.front();
    turns_.pop_front();
    return turn;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<int> turns_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(turn_watch_suite)

BOOST_AUTO_TEST_CASE(turns_beyond_the_limit_wait_in_order) {
  turn_watch watch(2);
  std::vector<int> admitted;
  BOOST_TEST(begin_turn(watch, 1, admitted));
  BOOST_TEST(begin_turn(watch, 2, admitted));
  for (int turn = 3; turn <= 5; ++turn)
    BOOST_TEST(!begin_turn(watch, turn, admitted));
  BOOST_TEST(watch.running() == 2U);
  BOOST_TEST(watch.waiting() == 3U);
  watch.end();
  BOOST_TEST((admitted == std::vector{3}));
  watch.end();
  watch.end();
  BOOST_TEST((admitted == std::vector{3, 4, 5}));
  BOOST_TEST(watch.waiting() == 0U);
  watch.end();
  watch.end();
  BOOST_TEST(watch.running() == 0U);
  BOOST_TEST(begin_turn(watch, 6, admitted));
}

// The message of an admitted turn is dropped if its actor has ended.
BOOST_AUTO_TEST_CASE(dropped_turn_admits_the_next_one) {
  turn_watch watch(1);
  std::vector<int> admitted;
  BOOST_TEST(begin_turn(watch, 1, admitted));
  BOOST_TEST(!watch.begin([&] { return [&] { watch.end(); }; }));
  BOOST_TEST(!begin_turn(watch, 3, admitted));
  watch.end();
  BOOST_TEST((admitted == std::vector{3}));
}

BOOST_AUTO_TEST_CASE(full_watch_without_progress_is_stuck) {
  turn_watch watch(1);
  std::vector<int> admitted;
  const turn_watch::time_point later = turn_watch::time_point::max();
  BOOST_TEST(!watch.is_stuck(5s, later));
  begin_turn(watch, 1, admitted);
  BOOST_TEST(watch.is_stuck(5s, later));
  BOOST_TEST(!watch.is_stuck(1h));
  watch.end();
  BOOST_TEST(!watch.is_stuck(5s, later));
}

BOOST_AUTO_TEST_CASE(closed_watch_drops_the_turns_that_wait) {
  turn_watch watch(1);
  std::vector<int> admitted;
  begin_turn(watch, 1, admitted);
  begin_turn(watch, 2, admitted);
  BOOST_TEST(!watch.wait_idle(1ms));
  BOOST_TEST(watch.waiting() == 0U);
  watch.end();
  BOOST_TEST(watch.wait_idle(tests::patience));
  BOOST_TEST(admitted.empty());
}

// Each of many turns on more threads than the limit runs exactly once, and
// never more of them than the limit at the same time.
BOOST_AUTO_TEST_CASE(every_turn_runs_once) {
  constexpr int turns = 20'000;
  constexpr std::size_t turns_max = 3;
  turn_watch watch(turns_max);
  turn_queue admitted;
  std::atomic<int> next{0};
  std::atomic<int> ran{0};
  std::atomic<std::size_t> now{0};
  std::atomic<bool> too_many{false};
  const auto run = [&] {
    if (++now > turns_max)
      too_many = true;
    ++ran;
    --now;
    watch.end();
  };
  // One more thread than those that begin turns runs the turns that have
  // waited; -1 ends it.
  std::array<std::thread, 6> threads;
  std::thread runner([&] {
    while (admitted.pop() >= 0)
      run();
  });
  for (std::thread& each : threads)
    each = std::thread([&] {
      for (int turn = next++; turn < turns; turn = next++)
        if (watch.begin(
              [&] { return [&admitted, turn] { admitted.push(turn); }; }))
          run();
    });
  for (std::thread& each : threads)
    each.join();
  BOOST_TEST(tests::eventually([&] { return ran == turns; }));
  admitted.push(-1);
  runner.join();
  BOOST_TEST(!too_many);
  BOOST_TEST(watch.running() == 0U);
  BOOST_TEST(watch.waiting() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors
