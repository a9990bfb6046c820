// SPDX-License-Identifier: Apache-2.0
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

/// Threads that run jobs from a queue, as the workers of CAF do. A null job
/// ends a thread. The queue never dereferences a job, so the test can push
/// pointers to functions instead of actors.
class worker_threads {
public:
  using work = std::function<void()>;

  explicit worker_threads(run_queue_limits limits) {
    queue.open(limits);
    for (std::size_t i = 0; i < limits.threads; ++i)
      threads_.emplace_back([this, i] { run(i); });
  }

  ~worker_threads() {
    for (std::size_t i = 0; i < threads_.size(); ++i)
      queue.push(nullptr);
    for (std::thread& each : threads_)
      each.join();
    queue.close();
  }

  void push(work job) {
    queue.push(reinterpret_cast<caf::resumable*>(new work(std::move(job))));
  }

  void wait_asleep() {
    while (queue.awake() != 0)
      std::this_thread::yield();
  }

  run_queue queue;

private:
  void run(std::size_t thread_ids) {
    while (caf::resumable* job = queue.pop(thread_ids)) {
      const std::unique_ptr<work> own(reinterpret_cast<work*>(job));
      (*own)();
    }
    queue.retire_worker(thread_ids);
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

BOOST_AUTO_TEST_SUITE(run_queue_suite)

// Four threads push twenty thousand jobs to four threads.
BOOST_AUTO_TEST_CASE(every_job_runs_once) {
  worker_threads all(four_threads());
  constexpr int many = 20'000;
  std::vector<std::atomic<int>> done(many);
  std::latch left(many);
  std::vector<std::thread> producers;
  for (int producer = 0; producer < 4; ++producer)
    producers.emplace_back([&, producer] {
      for (int i = producer; i < many; i += 4)
        all.push([&, i] {
          ++done[static_cast<std::size_t>(i)];
          left.count_down();
        });
    });
  for (std::thread& each : producers)
    each.join();
  left.wait();
  for (const std::atomic<int>& each : done)
    BOOST_REQUIRE(each == 1);
}

// A job that is pushed while all threads sleep must not wait for the next job.
BOOST_AUTO_TEST_CASE(job_wakes_a_sleeping_thread) {
  worker_threads all(four_threads());
  for (int i = 0; i < 200; ++i) {
    all.wait_asleep();
    std::latch done(1);
    all.push([&] { done.count_down(); });
    done.wait();
  }
}

// If jobs are short and few of them wait, the queue wakes no second thread.
BOOST_AUTO_TEST_CASE(short_jobs_share_a_thread) {
  run_queue_limits limits = four_threads();
  limits.backlog_min = 1'000;
  limits.blocked_after = std::chrono::hours(1); // no thread counts as blocked
  worker_threads all(limits);
  all.wait_asleep();
  std::mutex mutex;
  std::vector<std::thread::id> thread_ids;
  std::latch done(100);
  std::latch all_pushed(1);
  all.push([&] { all_pushed.wait(); });
  for (int i = 0; i < 100; ++i)
    all.push([&] {
      {
        const std::lock_guard lock(mutex);
        thread_ids.push_back(std::this_thread::get_id());
      }
      done.count_down();
    });
  all_pushed.count_down();
  done.wait();
  for (const std::thread::id& each : thread_ids)
    BOOST_TEST((each == thread_ids.front()));
}

// An orchestrator that never awaits blocks its thread; the queue must use
// another thread.
BOOST_AUTO_TEST_CASE(jobs_run_beside_blocked_threads) {
  worker_threads all(four_threads());
  std::latch release(1);
  for (int i = 0; i < 3; ++i) {
    std::latch begun(1);
    all.push([&] {
      begun.count_down();
      release.wait();
    });
    begun.wait();
    std::latch done(50);
    for (int n = 0; n < 50; ++n)
      all.push([&] { done.count_down(); });
    done.wait();
  }
  release.count_down();
}

// A job announces with begin_blocking() that it will block, so another thread
// takes over at once.
BOOST_AUTO_TEST_CASE(announced_blocking_wakes_another_thread) {
  run_queue_limits limits = four_threads();
  // Only an announcement marks a thread as blocked.
  limits.blocked_after = std::chrono::hours(1);
  worker_threads all(limits);
  all.wait_asleep();
  std::latch announced(1);
  std::latch release(1);
  std::atomic<bool> is_allowed{false};
  all.push([&] {
    is_allowed = run_queue::begin_blocking();
    announced.count_down();
    release.wait();
    run_queue::end_blocking();
  });
  announced.wait();
  BOOST_TEST(is_allowed);
  std::latch done(1);
  all.push([&] { done.count_down(); });
  done.wait();
  release.count_down();
}

// begin_blocking() returns false while jobs wait, and on a thread that does not
// run jobs of the queue.
BOOST_AUTO_TEST_CASE(blocking_is_refused_while_jobs_wait) {
  run_queue_limits limits = four_threads();
  limits.backlog_min = 1'000;
  limits.blocked_after = std::chrono::hours(1);
  worker_threads all(limits);
  all.wait_asleep();
  std::latch pushed(1);
  std::latch done(2);
  std::atomic<bool> is_allowed{true};
  all.push([&] {
    pushed.wait();
    is_allowed = run_queue::begin_blocking();
    done.count_down();
  });
  all.push([&] { done.count_down(); });
  pushed.count_down();
  done.wait();
  BOOST_TEST(!is_allowed);
  BOOST_TEST(!run_queue::begin_blocking()); // not a thread of the queue
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::cluster
