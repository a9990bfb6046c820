// SPDX-License-Identifier: Apache-2.0
/// Notes the user code that runs, and keeps code from running that has ended
/// the process again and again; see poison_rules.hpp.
#pragma once

#include "persistence/process/poison_rules.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace perdura::actors {

using persistence::work_id;
using persistence::work_kind;
using persistence::work_suspect;

/// One object for all partitions and activities of a node. Thread-safe. A call
/// takes no lock unless there are suspects. A thread of its own gives the notes
/// a sign of life each second while work runs; it sleeps while none runs.
class work_guard {
public:
  /// Without notes, e.g. on a full disk, nothing is suspected. Evaluates the
  /// end of the process before this one, stores the suspects and logs them.
  explicit work_guard(std::unique_ptr<persistence::work_notes> notes);

  ~work_guard();

  work_guard(const work_guard&) = delete;
  work_guard& operator=(const work_guard&) = delete;

  /// Called when work has begun to run.
  void keep_ticking() {
    if (!ticking_.load())
      begin_ticking();
  }

  /// The process ends as it should.
  void note_clean_end();

  /// Null if there are none.
  persistence::work_notes* notes() {
    return notes_.get();
  }

  enum class verdict : std::uint8_t {
    runs,  ///< The work may run now; `end` or `withdraw` must follow.
    waits, ///< Another suspect runs; `retry` will be called.
    held,  ///< The work must not run.
  };

  /// Asked before work runs. `retry` is called once, without a lock, when the
  /// work may be asked for again. `why` is set if the work is held.
  verdict admit(work_kind kind, const std::string& instance,
                const std::string& name, std::function<void()> retry,
                std::string& why);

  /// False if `admit` would always answer `runs`.
  bool is_watching() const {
    return watching_.load(std::memory_order_relaxed);
  }

  /// The work has returned, with whatever result: it is no suspect any more.
  void end(work_kind kind, const std::string& instance,
           const std::string& name) {
    if (is_watching())
      leave(kind, instance, name, true);
  }

  /// Admitted work does not run after all, e.g. because its instance has ended.
  void withdraw(work_kind kind, const std::string& instance,
                const std::string& name) {
    if (is_watching())
      leave(kind, instance, name, false);
  }

  /// Forgets what is known about the work of an instance.
  void release(const std::string& instance);

  /// The turns that have not returned for seconds, by instance. They occupy
  /// their threads also after their instances have been terminated.
  std::vector<std::pair<std::string, std::string>> hung_turns() const;

private:
  struct waiting_work {
    work_id work;
    std::function<void()> retry;
  };

  void leave(work_kind kind, const std::string& instance,
             const std::string& name, bool returned);
  std::function<void()> next_waiting();
  void store(bool sync);
  void begin_ticking();
  void run_ticks();

  const std::unique_ptr<persistence::work_notes> notes_;
  std::atomic<bool> watching_{false};
  std::mutex mutex_; ///< Guards the members below.
  std::vector<work_suspect> suspects_;
  std::optional<work_id> alone_; ///< The suspect that runs now.
  std::deque<waiting_work> waiting_;
  /// False if no work was running at the last tick: the thread sleeps.
  std::atomic<bool> ticking_{false};
  std::mutex ticks_mutex_;
  std::condition_variable ticks_changed_;
  bool ending_ = false; ///< Guarded by `ticks_mutex_`.
  std::thread ticks_;   ///< Last: uses the members above.
};

/// A piece of work that runs on the calling thread, as long as the object
/// exists. `guard` may be null.
class running_work {
public:
  running_work(work_guard* guard, work_kind kind, std::string_view instance,
               std::string_view name)
    : note_(guard == nullptr ? nullptr : guard->notes(), kind, instance, name) {
    if (guard != nullptr && guard->notes() != nullptr)
      guard->keep_ticking();
  }

private:
  persistence::work_notes::running note_;
};

} // namespace perdura::actors
