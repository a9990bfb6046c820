/// The jobs of all actors of a process, first come, first served, and which
/// threads are awake for them. A thread is woken only if nobody else would
/// look soon: on few cores waking costs more than the jobs themselves.
#pragma once

#include <semaphore.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace caf {
class resumable;
} // namespace caf

namespace perdura::cluster {

/// Held for some ten instructions at a time.
class spin_lock {
public:
  void lock();
  void unlock();

private:
  std::atomic<bool> taken_{false};
};

struct run_queue_limits {
  std::size_t threads = 4;

  /// So many work at once while none is blocked; the others are spare.
  std::size_t busy_max = 2;

  /// So many jobs must wait for each thread that works before one more is
  /// woken. Measured at 128 orchestrations in flight on two cores.
  std::size_t backlog_min = 4;

  /// How long a thread that works may keep the next job waiting; then it is
  /// taken for blocked and another one works in its place.
  std::chrono::microseconds blocked_after{2'000};
};

/// Safe to call from any thread.
class run_queue {
public:
  run_queue() = default;
  ~run_queue();

  run_queue(const run_queue&) = delete;
  run_queue& operator=(const run_queue&) = delete;

  /// Before the first `pop`.
  void open(const run_queue_limits& limits);

  /// Ends the thread that looks for blocked ones. After the last `pop`.
  void close();

  void push(caf::resumable* job);

  /// The next job for thread number `who` (below `threads`); waits for one.
  caf::resumable* pop(std::size_t who);

  /// Null if there is none.
  caf::resumable* try_pop();

  /// Thread `who` ends.
  void leave(std::size_t who);

  /// Of the job that runs on this thread: it is about to block. False, and
  /// nothing happens, if other jobs wait, or if this is none of the threads.
  static bool begin_blocking();
  static void end_blocking();

  /// Threads that are not asleep. For tests.
  std::size_t awake() const;

private:
  /// Where one thread sleeps; alone on its cache line.
  struct alignas(64) seat {
    seat();
    ~seat();

    sem_t woken;
    std::uint64_t jobs = 0; ///< Taken so far.
    std::uint64_t seen = 0; ///< Of them, when the watcher looked last.
    bool works = false;
    bool is_blocked = false;
  };

  void unblock(seat& own);
  seat* pick_to_wake(bool is_pressing);
  static void wake(seat& one);
  void watch();
  bool look();

  run_queue_limits limits_;
  mutable spin_lock lock_;
  std::deque<caf::resumable*> jobs_;
  std::unique_ptr<seat[]> seats_;
  std::vector<std::size_t> parked_; ///< The last to sleep is the first to wake.
  std::size_t awake_ = 0;
  std::size_t blocked_ = 0;
  std::uint64_t pushed_ = 0;
  bool watcher_rests_ = true;

  std::mutex watch_mutex_;
  std::condition_variable watch_changed_;
  bool watch_due_ = false;
  bool closing_ = false;
  std::thread watcher_;
};

} // namespace perdura::cluster
