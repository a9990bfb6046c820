#include "cluster/scheduling/run_queue.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace perdura::cluster {

namespace {

/// Threads as CAF's workers: each takes jobs until it is given a null one.
/// What a job is, the queue does not look at.
class crew {
public:
  using work = std::function<void()>;

  explicit crew(run_queue_limits limits) {
    queue.open(limits);
    for (std::size_t i = 0; i < limits.threads; ++i)
      threads_.emplace_back([this, i] { run(i); });
  }

  ~crew() {
    for (std::size_t i = 0; i < threads_.size(); ++i)
      queue.push(nullptr);
    for (std::thread& each : threads_)
      each.join();
    queue.close();
  }

  void give(work job) {
    queue.push(reinterpret_cast<caf::resumable*>(new work(std::move(job))));
  }

  void wait_asleep() {
    while (queue.awake() != 0)
      std::this_thread::yield();
  }

  run_queue queue;

private:
  void run(std::size_t who) {
    while (caf::resumable* job = queue.pop(who)) {
      const std::unique_ptr<work> own(reinterpret_cast<work*>(job));
      (*own)();
    }
    queue.leave(who);
  }

  std::vector<std::thread> threads_;
};

run_queue_limits four_threads() {
  run_queue_limits limits;
  limits.threads = 4;
  limits.busy_max = 2;
  return limits;
}

} // namespace

BOOST_AUTO_TEST_SUITE(run_queues)

BOOST_AUTO_TEST_CASE(every_job_is_done_once) {
  crew all(four_threads());
  constexpr int many = 20'000;
  std::vector<std::atomic<int>> done(many);
  std::latch left(many);
  std::vector<std::thread> givers;
  for (int giver = 0; giver < 4; ++giver)
    givers.emplace_back([&, giver] {
      for (int i = giver; i < many; i += 4)
        all.give([&, i] {
          ++done[static_cast<std::size_t>(i)];
          left.count_down();
        });
    });
  for (std::thread& each : givers)
    each.join();
  left.wait();
  for (const std::atomic<int>& each : done)
    BOOST_REQUIRE(each == 1);
}

// A job that was given while everybody slept must not wait for the next one.
BOOST_AUTO_TEST_CASE(a_job_wakes_somebody) {
  crew all(four_threads());
  for (int i = 0; i < 200; ++i) {
    all.wait_asleep();
    std::latch done(1);
    all.give([&] { done.count_down(); });
    done.wait();
  }
}

BOOST_AUTO_TEST_CASE(a_few_short_jobs_share_a_thread) {
  run_queue_limits limits = four_threads();
  limits.backlog_min = 1'000;
  limits.blocked_after = std::chrono::hours(1); // nobody is taken for blocked
  crew all(limits);
  all.wait_asleep();
  std::mutex mutex;
  std::vector<std::thread::id> who;
  std::latch done(100);
  std::latch all_given(1);
  all.give([&] { all_given.wait(); });
  for (int i = 0; i < 100; ++i)
    all.give([&] {
      {
        const std::lock_guard lock(mutex);
        who.push_back(std::this_thread::get_id());
      }
      done.count_down();
    });
  all_given.count_down();
  done.wait();
  for (const std::thread::id& each : who)
    BOOST_TEST((each == who.front()));
}

// Orchestrators may never await: others step in for the threads they hold.
BOOST_AUTO_TEST_CASE(jobs_go_on_beside_those_that_block) {
  crew all(four_threads());
  std::latch over(1);
  for (int i = 0; i < 3; ++i) {
    std::latch begun(1);
    all.give([&] {
      begun.count_down();
      over.wait();
    });
    begun.wait();
    std::latch done(50);
    for (int n = 0; n < 50; ++n)
      all.give([&] { done.count_down(); });
    done.wait();
  }
  over.count_down();
}

BOOST_AUTO_TEST_CASE(who_says_that_it_blocks_is_replaced_at_once) {
  run_queue_limits limits = four_threads();
  limits.blocked_after = std::chrono::hours(1); // but for what it says itself
  crew all(limits);
  all.wait_asleep();
  std::latch says(1);
  std::latch over(1);
  std::atomic<bool> may{false};
  all.give([&] {
    may = run_queue::begin_blocking();
    says.count_down();
    over.wait();
    run_queue::end_blocking();
  });
  says.wait();
  BOOST_TEST(may);
  std::latch done(1);
  all.give([&] { done.count_down(); });
  done.wait();
  over.count_down();
}

BOOST_AUTO_TEST_CASE(nobody_blocks_while_others_wait) {
  run_queue_limits limits = four_threads();
  limits.backlog_min = 1'000;
  limits.blocked_after = std::chrono::hours(1);
  crew all(limits);
  all.wait_asleep();
  std::latch given(1);
  std::latch done(2);
  std::atomic<bool> may{true};
  all.give([&] {
    given.wait();
    may = run_queue::begin_blocking();
    done.count_down();
  });
  all.give([&] { done.count_down(); });
  given.count_down();
  done.wait();
  BOOST_TEST(!may);
  BOOST_TEST(!run_queue::begin_blocking()); // this is none of its threads
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::cluster
