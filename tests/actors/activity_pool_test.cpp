#include "actors/activities/activity_pool.hpp"
#include "actors/authoring/registry.hpp"
#include "persistence/records/clock.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>

#include <atomic>
#include <condition_variable>
#include <latch>
#include <map>
#include <mutex>
#include <set>

namespace perdura::actors {

using namespace std::chrono_literals;

namespace {

/// A pool with its functions, and what it has delivered.
class pool_under_test {
public:
  registry& functions() {
    return *functions_;
  }

  void open(std::size_t activities_max = 64) {
    activity_pool_surroundings around;
    around.time = &persistence::system_clock();
    around.functions = functions_;
    around.deliver = [this](activity_result result) {
      const std::lock_guard lock(mutex_);
      ++delivered_[result.sequence];
      outcomes_[result.sequence] = std::move(result.outcome);
      changed_.notify_all();
    };
    pool = std::make_unique<activity_pool>(
      system_, activity_pool_options{activities_max}, std::move(around));
  }

  void submit(task_sequence sequence, const std::string& name,
              duration time_out = {}, duration start_time_out = {}) {
    activity_work_item item;
    item.instance = "order-17";
    item.execution = "e";
    item.sequence = sequence;
    item.name = name;
    item.input = "null";
    item.time_out = time_out;
    item.start_time_out = start_time_out;
    pool->submit(std::move(item));
  }

  history_body outcome_of(task_sequence sequence) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return outcomes_.contains(sequence); });
    return outcomes_[sequence];
  }

  /// How often each was delivered, when so many were.
  std::map<task_sequence, int> deliveries(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return delivered_.size() >= count; });
    return delivered_;
  }

private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  std::shared_ptr<registry> functions_ = std::make_shared<registry>();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<task_sequence, int> delivered_;
  std::map<task_sequence, history_body> outcomes_;

public:
  std::unique_ptr<activity_pool> pool; ///< Ends first.
};

bool timed_out(const history_body& outcome) {
  const auto* failed = std::get_if<persistence::task_failed>(&outcome);
  return failed != nullptr && failed->failure.type == "timed_out";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(activity_pools, pool_under_test)

BOOST_AUTO_TEST_CASE(every_activity_is_delivered_once) {
  std::atomic<int> ran{0};
  functions().add_activity("Short", [&] { ++ran; });
  open();
  constexpr std::uint32_t many = 5'000;
  for (std::uint32_t i = 1; i <= many; ++i)
    submit(i, "Short");
  for (const auto& [sequence, times] : deliveries(many))
    BOOST_REQUIRE(times == 1);
  BOOST_TEST(ran == static_cast<int>(many));
}

// Short ones share few threads; one that blocks must not hold the rest.
BOOST_AUTO_TEST_CASE(one_that_blocks_keeps_nobody_waiting) {
  std::latch over(1);
  functions().add_activity("Short", [] {}).add_activity("Blocks", [&] {
    over.wait();
  });
  open();
  for (std::uint32_t i = 1; i <= 5; ++i) {
    submit(100 + i, "Blocks");
    for (std::uint32_t n = 0; n < 20; ++n)
      submit(1'000 * i + n, "Short");
    for (std::uint32_t n = 0; n < 20; ++n)
      outcome_of(1'000 * i + n);
  }
  over.count_down();
  for (std::uint32_t i = 1; i <= 5; ++i)
    outcome_of(100 + i);
}

BOOST_AUTO_TEST_CASE(as_many_run_at_once_as_may) {
  std::latch all_there(8);
  functions().add_activity("Meets", [&] { all_there.arrive_and_wait(); });
  open(8);
  for (std::uint32_t i = 1; i <= 8; ++i)
    submit(i, "Meets");
  deliveries(8);
}

// Also when what is very short has found a scheduler's thread.
BOOST_AUTO_TEST_CASE(no_more_run_at_once_than_may) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  std::latch over(1);
  const auto enter = [&] {
    const int here = ++now;
    int seen = most;
    while (here > seen && !most.compare_exchange_weak(seen, here)) {
    }
  };
  functions()
    .add_activity("Short",
                  [&] {
                    enter();
                    --now;
                  })
    .add_activity("Blocks", [&] {
      enter();
      over.wait();
      --now;
    });
  open(1);
  for (std::uint32_t i = 1; i <= 500; ++i) {
    submit(i, "Short");
    if (i % 100 != 0)
      outcome_of(i); // one by one: usually very short
  }
  deliveries(500);
  submit(501, "Blocks");
  for (std::uint32_t i = 502; i <= 600; ++i)
    submit(i, "Short");
  over.count_down();
  deliveries(600);
  BOOST_TEST(most == 1);
}

BOOST_AUTO_TEST_CASE(no_more_run_at_once_than_their_name_allows) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  functions().add_activity(
    "Few",
    [&] {
      const int here = ++now;
      int seen = most;
      while (here > seen && !most.compare_exchange_weak(seen, here)) {
      }
      std::this_thread::yield();
      --now;
    },
    {.concurrency_max = 2});
  open();
  for (std::uint32_t i = 1; i <= 300; ++i)
    submit(i, "Few");
  deliveries(300);
  BOOST_TEST(most <= 2);
}

BOOST_AUTO_TEST_CASE(one_that_takes_too_long_fails_and_its_end_is_dropped) {
  std::latch over(1);
  std::atomic<bool> was_told{false};
  functions().add_activity("Long", [&](activity_context& ctx) {
    over.wait();
    was_told = ctx.cancellation_requested();
  });
  open();
  submit(1, "Long", 5ms);
  BOOST_TEST(timed_out(outcome_of(1)));
  over.count_down();
  BOOST_TEST(pool->wait_idle(10s));
  BOOST_TEST(was_told);
  BOOST_TEST(deliveries(1)[1] == 1);
}

BOOST_AUTO_TEST_CASE(one_that_finds_no_worker_in_time_fails) {
  std::latch over(1);
  std::latch begun(1);
  functions()
    .add_activity("Blocks",
                  [&] {
                    begun.count_down();
                    over.wait();
                  })
    .add_activity("Short", [] {});
  open(1);
  submit(1, "Blocks");
  begun.wait();
  submit(2, "Short", {}, 5ms);
  BOOST_TEST(timed_out(outcome_of(2)));
  over.count_down();
  outcome_of(1);
}

BOOST_AUTO_TEST_CASE(what_ends_after_the_close_is_not_delivered) {
  std::latch begun(1);
  std::latch over(1);
  functions().add_activity("Blocks", [&] {
    begun.count_down();
    over.wait();
  });
  open();
  submit(1, "Blocks");
  begun.wait();
  pool->close();
  BOOST_TEST(pool->running_names().front() == "Blocks of \"order-17\"");
  over.count_down();
  BOOST_TEST(pool->wait_idle(10s));
  BOOST_TEST(deliveries(0).empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors
