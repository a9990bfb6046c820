// SPDX-License-Identifier: Apache-2.0
// Activities that do not return: after their time-out they block no others, up
// to a bound, and the pool says what occupies its threads.
#include "actors/activities/activity_pool.hpp"
#include "actors/authoring/registry.hpp"
#include "persistence/records/clock.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <latch>
#include <map>
#include <mutex>
#include <string>

namespace perdura::actors {

using namespace std::chrono_literals;

namespace {

/// A pool with an activity "Blocks", which returns after `release`, and an
/// activity "Short", which returns at once.
class blocked_pool {
public:
  ~blocked_pool() {
    release();
  }

  void open(std::size_t activities_max, std::size_t given_up_max,
            activity_limits blocks = {}) {
    functions_
      ->add_activity(
        "Blocks",
        [this] {
          const std::size_t now = ++blocking_;
          most_ = std::max(most_.load(), now);
          begun_.fetch_add(1);
          begun_.notify_all();
          released_.wait(false);
          --blocking_;
        },
        blocks)
      .add_activity("Short", [] {});
    activity_pool_dependencies around;
    around.clock = &persistence::system_clock();
    around.functions = functions_;
    around.deliver = [this](activity_result result) {
      const std::lock_guard lock(mutex_);
      outcomes_[result.sequence] = std::move(result.outcome);
      changed_.notify_all();
    };
    pool = std::make_unique<activity_pool>(
      system_, activity_pool_options{activities_max, given_up_max},
      std::move(around));
  }

  void submit(task_sequence sequence, const std::string& name,
              duration time_out = {}) {
    activity_work_item item;
    item.instance = "order-" + std::to_string(sequence);
    item.execution = "e";
    item.sequence = sequence;
    item.name = name;
    item.input = "null";
    item.time_out = time_out;
    pool->submit(std::move(item));
  }

  /// Waits for the result of the activity.
  bool has_timed_out(task_sequence sequence) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, tests::patience,
                           [&] { return outcomes_.contains(sequence); }))
      throw std::runtime_error("no result of " + std::to_string(sequence));
    const auto* failed
      = std::get_if<persistence::task_failed>(&outcomes_[sequence]);
    return failed != nullptr && failed->failure.type == "timed_out";
  }

  bool has_result(task_sequence sequence) {
    const std::lock_guard lock(mutex_);
    return outcomes_.contains(sequence);
  }

  /// Waits until so many runs of "Blocks" have begun.
  void await_begun(std::size_t count) {
    for (std::size_t now = begun_; now < count; now = begun_)
      begun_.wait(now);
  }

  void release() {
    released_ = true;
    released_.notify_all();
  }

  /// The largest number of runs of "Blocks" at the same time.
  std::size_t most() const {
    return most_;
  }

private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  std::shared_ptr<registry> functions_ = std::make_shared<registry>();
  std::atomic<std::size_t> blocking_{0};
  std::atomic<std::size_t> most_{0};
  std::atomic<std::size_t> begun_{0};
  std::atomic<bool> released_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<task_sequence, history_body> outcomes_;

public:
  std::unique_ptr<activity_pool> pool; ///< Destroyed first.
};

activity_run running(std::string name, std::string instance,
                     std::chrono::seconds lasted, bool given_up = false) {
  return {std::move(name), std::move(instance), lasted, given_up};
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(given_up_activity, blocked_pool)

// Regression: 70 calls with a time-out whose code never returned occupied all
// threads, and no activity ran any more.
BOOST_AUTO_TEST_CASE(given_up_runs_block_no_others) {
  open(4, 64);
  for (task_sequence i = 1; i <= 30; ++i)
    submit(i, "Blocks", 1ms);
  for (task_sequence i = 1; i <= 30; ++i)
    BOOST_TEST(has_timed_out(i));
  submit(100, "Short");
  BOOST_TEST(!has_timed_out(100));
  release();
  BOOST_TEST(pool->wait_idle(tests::patience));
  BOOST_TEST(pool->facts().runs.empty());
}

BOOST_AUTO_TEST_CASE(given_up_runs_beyond_the_bound_count) {
  open(2, 3);
  for (task_sequence i = 1; i <= 5; ++i) {
    submit(i, "Blocks", 1ms);
    BOOST_TEST(has_timed_out(i));
  }
  await_begun(5);
  submit(6, "Short");
  const activity_facts facts = pool->facts();
  BOOST_TEST(facts.is_full);
  BOOST_TEST(facts.runs.size() == 5U);
  BOOST_TEST(!has_result(6));
  release();
  BOOST_TEST(!has_timed_out(6));
}

// When given-up runs return, the pool has no more threads than before.
BOOST_AUTO_TEST_CASE(limit_holds_after_given_up_runs_have_returned) {
  open(2, 8);
  for (task_sequence i = 1; i <= 8; ++i) {
    submit(i, "Blocks", 1ms);
    BOOST_TEST(has_timed_out(i));
  }
  release();
  BOOST_TEST(pool->wait_idle(tests::patience));
  BOOST_TEST(most() <= 10U);
  for (task_sequence i = 100; i < 300; ++i)
    submit(i, "Short");
  for (task_sequence i = 100; i < 300; ++i)
    BOOST_TEST(!has_timed_out(i));
  BOOST_TEST(pool->wait_idle(tests::patience));
}

// The limit of a name may protect what the code uses, so a given-up run counts
// in it until its code returns.
BOOST_AUTO_TEST_CASE(given_up_run_counts_in_the_limit_of_its_name) {
  open(4, 4, {.concurrency_max = 1});
  submit(1, "Blocks", 1ms);
  BOOST_TEST(has_timed_out(1));
  submit(2, "Blocks");
  submit(3, "Short");
  BOOST_TEST(!has_timed_out(3));
  BOOST_TEST(!has_result(2));
  const auto loads = loads_of(pool->facts());
  BOOST_REQUIRE(!loads.empty());
  BOOST_TEST(loads.front().name == "Blocks");
  BOOST_TEST(loads.front().given_up == 1U);
  BOOST_TEST(loads.front().queued == 1U);
  release();
  BOOST_TEST(!has_timed_out(2));
  BOOST_TEST(most() == 1U);
}

BOOST_AUTO_TEST_CASE(blocked_activities_are_named) {
  open(3, 4);
  for (task_sequence i = 1; i <= 3; ++i)
    submit(i, "Blocks");
  await_begun(3);
  submit(4, "Short");
  submit(5, "Short");
  activity_facts facts = pool->facts();
  BOOST_TEST(facts.is_full);
  facts.idle = activity_stuck_time + 1s;
  BOOST_TEST(is_blocked(facts));
  const auto stuck = stuck_activities(facts);
  BOOST_REQUIRE(stuck.size() == 1U);
  BOOST_TEST(stuck.front().first.starts_with("order-"));
  BOOST_TEST(stuck.front().second.find("\"Blocks\": 3 running, 0 queued")
             != std::string::npos);
  release();
  BOOST_TEST(!has_timed_out(5));
  BOOST_TEST(pool->wait_idle(tests::patience));
  BOOST_TEST(!pool->facts().is_full);
}

// Regression of an attempt: items that were queued while all runs were given up
// waited until the next time-out.
BOOST_AUTO_TEST_CASE(queued_items_start_when_runs_are_given_up) {
  open(2, 64);
  for (task_sequence i = 1; i <= 2; ++i)
    submit(i, "Blocks", 20ms);
  await_begun(2);
  for (task_sequence i = 3; i <= 20; ++i)
    submit(i, "Short");
  for (task_sequence i = 3; i <= 20; ++i)
    BOOST_TEST(!has_timed_out(i));
  BOOST_TEST(has_timed_out(1));
}

BOOST_AUTO_TEST_CASE(loads_are_summed_up_by_name) {
  activity_facts facts;
  facts.runs = {running("A", "a-1", 3s), running("B", "b-1", 9s, true),
                running("A", "a-2", 7s), running("A", "a-3", 1s, true)};
  facts.queued = {{"A", 4}, {"C", 2}};
  const auto loads = loads_of(facts);
  BOOST_REQUIRE(loads.size() == 3U);
  BOOST_TEST((loads[0] == activity_load{"B", 1, 1, 0, 9s, "b-1"}));
  BOOST_TEST((loads[1] == activity_load{"A", 3, 1, 4, 7s, "a-2"}));
  BOOST_TEST((loads[2] == activity_load{"C", 0, 0, 2, {}, {}}));
}

BOOST_AUTO_TEST_CASE(many_names_are_added_up) {
  activity_facts facts;
  for (std::size_t i = 0; i < 3 * activity_names_max; ++i)
    facts.runs.push_back(running("name-" + std::to_string(i), "i", 1s));
  const auto loads = loads_of(facts);
  BOOST_TEST(loads.size() == activity_names_max);
  BOOST_TEST(loads.back().name == "other");
  BOOST_TEST(loads.back().running == 2 * activity_names_max + 1);
}

// A full pool whose runs begin and end is busy, not blocked.
BOOST_AUTO_TEST_CASE(only_a_full_pool_without_progress_is_blocked) {
  activity_facts facts;
  facts.is_full = true;
  facts.idle = activity_stuck_time;
  BOOST_TEST(!is_blocked(facts));
  facts.idle = activity_stuck_time + 1ns;
  BOOST_TEST(is_blocked(facts));
  facts.is_full = false;
  BOOST_TEST(!is_blocked(facts));
  facts.runs = {running("A", "a", 100s)};
  BOOST_TEST(stuck_activities(facts).empty());
  facts.runs.front().given_up = true;
  BOOST_TEST(stuck_activities(facts).size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors
