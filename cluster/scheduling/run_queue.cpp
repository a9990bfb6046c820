// SPDX-License-Identifier: Apache-2.0
#include "cluster/scheduling/run_queue.hpp"

#include "persistence/process/process_end.hpp"
#include "persistence/process/thread_role.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace perdura::cluster {

namespace {

// The monitor thread goes to sleep when more than this number of consecutive
// checks have found no push and no queued job. Then all threads of an idle node
// sleep.
constexpr int idle_checks_max = 50;

// The queue and the worker number of the calling thread; null on a thread that
// is no worker.
thread_local run_queue* current_queue = nullptr;
thread_local std::size_t current_worker_index = 0;

/// Tells the processor that the thread spins, so that the other hardware thread
/// of the core can use its execution units.
void pause_processor() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

} // namespace

void spin_lock::lock() {
  // The thread that holds the lock may have been descheduled. Further spinning
  // would keep that thread from running, so the waiting thread gives up its
  // core.
  constexpr int spins_max = 64;
  for (int spins = 0; locked_.exchange(true, std::memory_order_acquire);) {
    // The inner loop reads and does not exchange: an exchange would take the
    // cache line from the core of the thread that holds the lock.
    while (locked_.load(std::memory_order_relaxed)) {
      if (++spins < spins_max)
        pause_processor();
      else
        std::this_thread::yield();
    }
  }
}

void spin_lock::unlock() {
  locked_.store(false, std::memory_order_release);
}

// A semaphore is used instead of std::atomic::wait, which in libstdc++ yields
// the core several times before it sleeps.
run_queue::worker::worker() {
  ::sem_init(&woken, 0, 0);
}

run_queue::worker::~worker() {
  ::sem_destroy(&woken);
}

run_queue::~run_queue() {
  close();
}

void run_queue::open(const run_queue_limits& limits, fault_handler on_fault) {
  limits_ = limits;
  workers_ = std::make_unique<worker[]>(limits.threads);
  parked_.reserve(limits.threads);
  // Workers start as running; each goes to sleep when it finds no job.
  awake_ = limits.threads;
  for (std::size_t i = 0; i < limits.threads; ++i)
    workers_[i].is_running = true;
  monitor_thread_ = std::thread([this, on_fault = std::move(on_fault)] {
    persistence::run_thread_body("the monitor of the scheduler", [&] {
      try {
        run_monitor();
      } catch (...) {
        if (!on_fault)
          throw;
        on_fault(std::current_exception());
      }
    });
  });
}

void run_queue::close() {
  {
    const std::lock_guard lock(monitor_mutex_);
    closing_ = true;
  }
  monitor_changed_.notify_all();
  if (monitor_thread_.joinable())
    monitor_thread_.join();
}

/// Chooses a sleeping worker and counts it as running. The caller holds `lock_`
/// and posts the worker's semaphore after it has released `lock_`.
///
/// Returns null if no worker is to be woken: if no job is queued, if no worker
/// sleeps, or if the running workers suffice. Blocked workers do not count as
/// running. The running workers suffice if there are at least `busy_max` of
/// them, or if fewer than `backlog_min` jobs are queued for each of them. If no
/// worker runs, a single queued job is enough to wake one. The monitor sets
/// `ignores_backlog_min`, because the running workers have had time to take the
/// queued jobs and have not taken them.
run_queue::worker* run_queue::pick_to_wake(bool ignores_backlog_min) {
  if (parked_.empty() || jobs_.empty())
    return nullptr;
  const std::size_t working = awake_ - blocked_;
  const bool is_wanted
    = working == 0
      || (working < limits_.busy_max
          && (ignores_backlog_min
              || jobs_.size() >= limits_.backlog_min * working));
  if (!is_wanted)
    return nullptr;
  worker& one = workers_[parked_.back()];
  parked_.pop_back();
  one.is_running = true;
  ++awake_;
  return &one;
}

void run_queue::wake(worker& one) {
  ::sem_post(&one.woken);
}

// Semaphores and the condition variable are signalled after the spin lock is
// released: signalling is a system call.
void run_queue::push(caf::resumable* job) {
  worker* worker_to_wake = nullptr;
  bool wakes_monitor = false;
  {
    const std::lock_guard lock(lock_);
    jobs_.push_back(job);
    ++pushed_;
    worker_to_wake = pick_to_wake(false);
    wakes_monitor = monitor_sleeps_;
    monitor_sleeps_ = false;
  }
  if (worker_to_wake != nullptr)
    wake(*worker_to_wake);
  if (!wakes_monitor)
    return;
  {
    const std::lock_guard lock(monitor_mutex_);
    monitor_wake_requested_ = true;
  }
  monitor_changed_.notify_one();
}

caf::resumable* run_queue::pop(std::size_t worker_index) {
  // `begin_blocking` reads these two variables, because it has no argument that
  // names the worker.
  current_queue = this;
  current_worker_index = worker_index;
  worker& own = workers_[worker_index];
  for (;;) {
    {
      const std::lock_guard lock(lock_);
      unblock(own);
      if (!jobs_.empty()) {
        caf::resumable* job = jobs_.front();
        jobs_.pop_front();
        ++own.jobs;
        return job;
      }
      own.is_running = false;
      parked_.push_back(worker_index);
      --awake_;
    }
    // `pick_to_wake` removes this worker from `parked_` and counts it as
    // running before the semaphore is posted. If another worker has taken the
    // job in the meantime, the loop puts this worker into `parked_` again.
    while (::sem_wait(&own.woken) != 0 && errno == EINTR) {
    }
  }
}

caf::resumable* run_queue::try_pop() {
  const std::lock_guard lock(lock_);
  if (jobs_.empty())
    return nullptr;
  caf::resumable* job = jobs_.front();
  jobs_.pop_front();
  return job;
}

void run_queue::retire_worker(std::size_t worker_index) {
  // The worker may have been chosen to run queued jobs, so another one may have
  // to be woken in its place.
  worker* worker_to_wake = nullptr;
  {
    const std::lock_guard lock(lock_);
    worker& own = workers_[worker_index];
    unblock(own);
    own.is_running = false;
    --awake_;
    worker_to_wake = pick_to_wake(false);
  }
  if (worker_to_wake != nullptr)
    wake(*worker_to_wake);
}

/// Counts the worker as not blocked any more. The caller holds `lock_`.
void run_queue::unblock(worker& own) {
  if (std::exchange(own.is_blocked, false))
    --blocked_;
}

bool run_queue::begin_blocking() {
  if (current_queue == nullptr)
    return false;
  const std::lock_guard lock(current_queue->lock_);
  worker& own = current_queue->workers_[current_worker_index];
  // While jobs are queued, only the monitor counts workers as blocked, and it
  // counts only those that have taken no job for `blocked_after`. If a job
  // blocks for a shorter time, it does not pay to wake another worker.
  if (!current_queue->jobs_.empty() || own.is_blocked)
    return false;
  own.is_blocked = true;
  ++current_queue->blocked_;
  return true;
}

void run_queue::end_blocking() {
  const std::lock_guard lock(current_queue->lock_);
  current_queue->unblock(current_queue->workers_[current_worker_index]);
}

std::size_t run_queue::awake() const {
  const std::lock_guard lock(lock_);
  return awake_;
}

// --- Monitor thread ----------------------------------------------------------

/// The body of the monitor thread. Checks for blocked workers once every
/// `blocked_after`; sleeps without a time-out while the queue is idle.
void run_queue::run_monitor() {
  persistence::enter_thread_role("actors-watch");
  int idle_checks = 0;
  std::uint64_t pushed = 0;
  std::unique_lock waiting(monitor_mutex_);
  while (!closing_) {
    if (monitor_changed_.wait_for(waiting, limits_.blocked_after,
                                  [this] { return closing_; }))
      return;
    // The two locks are never held together, so they need no order.
    waiting.unlock();
    const bool has_backlog = detect_blocked_workers();
    bool sleeps = false;
    {
      const std::lock_guard lock(lock_);
      idle_checks = has_backlog || pushed != pushed_ ? 0 : idle_checks + 1;
      pushed = pushed_;
      sleeps = idle_checks > idle_checks_max && jobs_.empty();
      // From here on a push wakes the monitor. If the push comes before the
      // wait below, `monitor_wake_requested_` ends the wait at once.
      monitor_sleeps_ = sleeps;
    }
    waiting.lock();
    if (!sleeps)
      continue;
    idle_checks = 0;
    monitor_changed_.wait(
      waiting, [this] { return closing_ || monitor_wake_requested_; });
    monitor_wake_requested_ = false;
  }
}

/// If jobs are queued, marks each running worker that has taken no job since
/// the last check as blocked, and wakes a spare worker. Returns true if jobs
/// are queued.
bool run_queue::detect_blocked_workers() {
  worker* worker_to_wake = nullptr;
  bool has_backlog = false;
  {
    const std::lock_guard lock(lock_);
    for (std::size_t i = 0; i < limits_.threads; ++i) {
      worker& one = workers_[i];
      if (one.is_running && !one.is_blocked
          && one.jobs == one.jobs_at_last_check && !jobs_.empty()) {
        one.is_blocked = true;
        ++blocked_;
      }
      one.jobs_at_last_check = one.jobs;
    }
    has_backlog = !jobs_.empty();
    worker_to_wake = pick_to_wake(true);
  }
  if (worker_to_wake != nullptr)
    wake(*worker_to_wake);
  return has_backlog;
}

} // namespace perdura::cluster
