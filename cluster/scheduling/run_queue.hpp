// SPDX-License-Identifier: Apache-2.0
/// The queue of runnable actors of one actor system, and the rule that decides
/// when a sleeping worker thread is woken.
///
/// Jobs run in the order in which they were pushed. A sleeping worker is woken
/// only if no running worker will take the job soon: on a machine with few
/// cores a wake-up costs more CPU time than a typical job.
#pragma once

#include <semaphore.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace caf {
class resumable;
} // namespace caf

namespace perdura::cluster {

/// A mutual-exclusion lock that spins instead of sleeping. The queue holds it
/// for a few dozen instructions at a time.
class spin_lock {
public:
  void lock();
  void unlock();

private:
  std::atomic<bool> locked_{false};
};

/// The limits of one queue.
struct run_queue_limits {
  /// The number of worker threads that call `pop`; at least 1.
  std::size_t threads = 4;

  /// The maximum number of workers that run jobs at the same time; blocked
  /// workers do not count. The other workers are spare.
  std::size_t busy_max = 2;

  /// One more worker is woken when at least this many jobs are queued for each
  /// running worker. The default was chosen by measurements with 128
  /// orchestrations in flight on two cores.
  std::size_t backlog_min = 4;

  /// Interval between two checks of the monitor thread. A worker that took no
  /// job during a whole interval, while jobs are queued, is counted as blocked,
  /// and a spare worker is woken in its place.
  std::chrono::microseconds blocked_after{2'000};
};

/// The queue and its worker threads' states. The threads themselves belong to
/// the scheduler (`actor_scheduler`). Thread-safe. Each pushed job is returned
/// by exactly one `pop` or `try_pop`; a null pointer is a job like any other,
/// with which the scheduler ends a worker. The queue neither adds nor releases
/// references to jobs.
class run_queue {
public:
  run_queue() = default;
  ~run_queue();

  run_queue(const run_queue&) = delete;
  run_queue& operator=(const run_queue&) = delete;

  /// Called with an exception that has left the monitor thread.
  using fault_handler = std::function<void(const std::exception_ptr&)>;

  /// Starts the monitor thread. Called once, before the first `push` and `pop`.
  /// Without `on_fault`, a fault of the monitor ends the process.
  void open(const run_queue_limits& limits, fault_handler on_fault = {});

  /// Ends the monitor thread. Called after the last `pop`; idempotent.
  void close();

  /// Appends a job, and wakes one sleeping worker if the running workers would
  /// not take the job soon (see `pick_to_wake`).
  void push(caf::resumable* job);

  /// Removes and returns the oldest job; sleeps until there is one.
  /// `worker_index` is the number of the calling worker, from 0 to `threads` -
  /// 1; each worker thread uses its own number. The call also ends the blocked
  /// state of that worker.
  caf::resumable* pop(std::size_t worker_index);

  /// Removes and returns the oldest job; null if there is none.
  caf::resumable* try_pop();

  /// Called by a worker whose thread is about to end: the worker is not counted
  /// as running any more. The thread must not call `pop` again.
  void retire_worker(std::size_t worker_index);

  /// Called by a job that is about to block its thread: the worker is counted
  /// as blocked from now on, so that a later push may wake a spare worker.
  /// Returns false, and changes nothing, if other jobs are queued, if the
  /// worker is counted as blocked already, or if the calling thread is no
  /// worker.
  static bool begin_blocking();

  /// Called by the same job after it has blocked, if `begin_blocking` returned
  /// true.
  static void end_blocking();

  /// The number of workers that are not asleep, including the blocked ones. For
  /// tests.
  std::size_t awake() const;

private:
  /// One worker thread. Each object has a cache line of its own, so that
  /// counting jobs on one core does not slow down another core.
  struct alignas(64) worker {
    worker();
    ~worker();

    sem_t woken;            ///< The worker sleeps on this; `wake` posts it.
    std::uint64_t jobs = 0; ///< Jobs taken so far.
    std::uint64_t jobs_at_last_check
      = 0;                   ///< `jobs` at the monitor's last check.
    bool is_running = false; ///< False while the worker sleeps or has ended.
    bool is_blocked = false; ///< The worker's job blocks, or is assumed to.
  };

  void unblock(worker& own);
  worker* pick_to_wake(bool ignores_backlog_min);
  static void wake(worker& one);
  void run_monitor();
  bool detect_blocked_workers();

  run_queue_limits limits_;

  // `lock_` guards the members up to `monitor_sleeps_`, and the fields of the
  // workers except `woken`.
  mutable spin_lock lock_;
  std::deque<caf::resumable*> jobs_;
  std::unique_ptr<worker[]> workers_;
  /// Numbers of the sleeping workers. The last to sleep is the first to wake,
  /// because its data is the most likely to be in the processor's cache.
  std::vector<std::size_t> parked_;
  std::size_t awake_ = 0;      ///< Workers that do not sleep.
  std::size_t blocked_ = 0;    ///< Awake workers that are blocked.
  std::uint64_t pushed_ = 0;   ///< Jobs pushed since `open`.
  bool monitor_sleeps_ = true; ///< The next push must wake the monitor.

  // `monitor_mutex_` guards the two flags below.
  std::mutex monitor_mutex_;
  std::condition_variable monitor_changed_;
  bool monitor_wake_requested_ = false;
  bool closing_ = false;
  std::thread monitor_thread_;
};

} // namespace perdura::cluster
