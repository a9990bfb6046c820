#include "cluster/scheduling/run_queue.hpp"

#include "persistence/process/thread_role.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace perdura::cluster {

namespace {

// Looks without a push after which the watcher rests: an idle node runs no
// thread at all.
constexpr int quiet_looks_max = 50;

/// Which thread of which queue this is.
thread_local run_queue* own_queue = nullptr;
thread_local std::size_t own_number = 0;

void pause_a_moment() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

} // namespace

void spin_lock::lock() {
  // Who holds it may have lost its core: then spinning would keep it off.
  constexpr int spins_max = 64;
  for (int spins = 0; taken_.exchange(true, std::memory_order_acquire);) {
    while (taken_.load(std::memory_order_relaxed)) {
      if (++spins < spins_max)
        pause_a_moment();
      else
        std::this_thread::yield();
    }
  }
}

void spin_lock::unlock() {
  taken_.store(false, std::memory_order_release);
}

// Not std::atomic's wait: it yields its core four times before it sleeps.
run_queue::seat::seat() {
  ::sem_init(&woken, 0, 0);
}

run_queue::seat::~seat() {
  ::sem_destroy(&woken);
}

run_queue::~run_queue() {
  close();
}

void run_queue::open(const run_queue_limits& limits) {
  limits_ = limits;
  seats_ = std::make_unique<seat[]>(limits.threads);
  parked_.reserve(limits.threads);
  awake_ = limits.threads; // each sleeps when it finds nothing
  for (std::size_t i = 0; i < limits.threads; ++i)
    seats_[i].works = true;
  watcher_ = std::thread([this] { watch(); });
}

void run_queue::close() {
  {
    const std::lock_guard lock(watch_mutex_);
    closing_ = true;
  }
  watch_changed_.notify_all();
  if (watcher_.joinable())
    watcher_.join();
}

/// Under the lock. `is_pressing`: whatever is awake does not come round.
run_queue::seat* run_queue::pick_to_wake(bool is_pressing) {
  if (parked_.empty() || jobs_.empty())
    return nullptr;
  const std::size_t working = awake_ - blocked_;
  const bool is_wanted
    = working == 0
      || (working < limits_.busy_max
          && (is_pressing || jobs_.size() >= limits_.backlog_min * working));
  if (!is_wanted)
    return nullptr;
  seat& one = seats_[parked_.back()];
  parked_.pop_back();
  one.works = true;
  ++awake_;
  return &one;
}

void run_queue::wake(seat& one) {
  ::sem_post(&one.woken);
}

void run_queue::push(caf::resumable* job) {
  seat* sleeper = nullptr;
  bool rouses_watcher = false;
  {
    const std::lock_guard lock(lock_);
    jobs_.push_back(job);
    ++pushed_;
    sleeper = pick_to_wake(false);
    rouses_watcher = watcher_rests_;
    watcher_rests_ = false;
  }
  if (sleeper != nullptr)
    wake(*sleeper);
  if (!rouses_watcher)
    return;
  {
    const std::lock_guard lock(watch_mutex_);
    watch_due_ = true;
  }
  watch_changed_.notify_one();
}

caf::resumable* run_queue::pop(std::size_t who) {
  own_queue = this;
  own_number = who;
  seat& own = seats_[who];
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
      own.works = false;
      parked_.push_back(who);
      --awake_;
    }
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

void run_queue::leave(std::size_t who) {
  seat* sleeper = nullptr;
  {
    const std::lock_guard lock(lock_);
    seat& own = seats_[who];
    unblock(own);
    own.works = false;
    --awake_;
    sleeper = pick_to_wake(false);
  }
  if (sleeper != nullptr)
    wake(*sleeper);
}

/// Under the lock.
void run_queue::unblock(seat& own) {
  if (std::exchange(own.is_blocked, false))
    --blocked_;
}

bool run_queue::begin_blocking() {
  if (own_queue == nullptr)
    return false;
  const std::lock_guard lock(own_queue->lock_);
  seat& own = own_queue->seats_[own_number];
  if (!own_queue->jobs_.empty() || own.is_blocked)
    return false;
  own.is_blocked = true;
  ++own_queue->blocked_;
  return true;
}

void run_queue::end_blocking() {
  const std::lock_guard lock(own_queue->lock_);
  own_queue->unblock(own_queue->seats_[own_number]);
}

std::size_t run_queue::awake() const {
  const std::lock_guard lock(lock_);
  return awake_;
}

// --- Who watches that nobody is blocked --------------------------------------

void run_queue::watch() {
  persistence::enter_thread_role("actors-watch");
  int quiet_looks = 0;
  std::uint64_t pushed = 0;
  std::unique_lock waiting(watch_mutex_);
  while (!closing_) {
    if (watch_changed_.wait_for(waiting, limits_.blocked_after,
                                [this] { return closing_; }))
      return;
    waiting.unlock();
    const bool pressed = look();
    bool rests = false;
    {
      const std::lock_guard lock(lock_);
      quiet_looks = pressed || pushed != pushed_ ? 0 : quiet_looks + 1;
      pushed = pushed_;
      rests = quiet_looks > quiet_looks_max && jobs_.empty();
      watcher_rests_ = rests;
    }
    waiting.lock();
    if (!rests)
      continue;
    quiet_looks = 0;
    watch_changed_.wait(waiting, [this] { return closing_ || watch_due_; });
    watch_due_ = false;
  }
}

/// Whether jobs wait.
bool run_queue::look() {
  seat* sleeper = nullptr;
  bool pressed = false;
  {
    const std::lock_guard lock(lock_);
    for (std::size_t i = 0; i < limits_.threads; ++i) {
      seat& one = seats_[i];
      if (one.works && !one.is_blocked && one.jobs == one.seen
          && !jobs_.empty()) {
        one.is_blocked = true;
        ++blocked_;
      }
      one.seen = one.jobs;
    }
    pressed = !jobs_.empty();
    sleeper = pick_to_wake(true);
  }
  if (sleeper != nullptr)
    wake(*sleeper);
  return pressed;
}

} // namespace perdura::cluster
