// SPDX-License-Identifier: Apache-2.0
#include "cluster/scheduling/actor_scheduler.hpp"

#include "actors/interface/actor_faults.hpp"
#include "cluster/scheduling/run_queue.hpp"
#include "persistence/process/thread_role.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/detail/thread_safe_actor_clock.hpp>
#include <caf/logger.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>
#include <caf/scoped_execution_unit.hpp>

#include <algorithm>
#include <deque>
#include <exception>
#include <limits>
#include <thread>

namespace perdura::cluster {

namespace {

/// Runs a part of the body of a thread. An exception that leaves it is a fault
/// of the actor system.
template <class F>
void run_guarded(caf::actor_system& host, const char* where, F f) noexcept {
  try {
    f();
  } catch (...) {
    actors::report_fault(host, where, std::current_exception());
  }
}

/// One worker thread of an actor system. A job that a worker creates while it
/// runs another job goes to the end of the queue: before the job runs, more
/// messages may arrive for the actor that the job resumes, and the actor
/// handles all of them as one batch.
class queue_worker final : public caf::execution_unit {
public:
  /// `number` is the worker's number in the queue.
  queue_worker(caf::actor_system& system, run_queue& queue, std::size_t number)
    : execution_unit(&system), queue_(queue), number_(number) {}

  void exec_later(caf::resumable* job) override {
    queue_.push(job);
  }

  /// Starts the thread. Each actor handles at most `messages_max` messages
  /// before the next job runs.
  void start(std::size_t messages_max) {
    thread_ = std::thread([this, messages_max] {
      persistence::enter_thread_role("actors");
      system().thread_started();
      run_guarded(system(), "a thread of the scheduler",
                  [this, messages_max] { run(messages_max); });
      system().thread_terminates();
    });
  }

  void join() {
    thread_.join();
  }

private:
  // CAF's own worker also tells CAF's logger which actor runs. Perdura does not
  // use that logger, and finding the actor of a job costs more than 1,000
  // instructions. When an actor is spawned, CAF sets the logger of the calling
  // thread; without one, actors do not report to it when they run.
  void run(std::size_t messages_max) {
    while (caf::resumable* job = queue_.pop(number_)) {
      if (caf::logger::current_logger() != nullptr)
        caf::logger::set_current_actor_system(nullptr);
      const auto how = job->resume(this, messages_max);
      if (how == caf::resumable::resume_later)
        queue_.push(job);
      else
        caf::intrusive_ptr_release(job);
    }
    queue_.retire_worker(number_);
  }

  run_queue& queue_;
  std::size_t number_;
  std::thread thread_;
};

/// The scheduler of an actor system: worker threads over one `run_queue`, and
/// CAF's thread for time-outs and delayed messages.
class queue_coordinator final : public caf::scheduler::abstract_coordinator {
public:
  using abstract_coordinator::abstract_coordinator;

  void enqueue(caf::resumable* job) override {
    queue_.push(job);
  }

  caf::detail::thread_safe_actor_clock& clock() noexcept override {
    return clock_;
  }

protected:
  void start() override {
    run_queue_limits limits;
    limits.threads = num_workers();
    limits.busy_max = std::max(1U, std::thread::hardware_concurrency());
    queue_.open(limits, [&host = system()](const std::exception_ptr& cause) {
      actors::report_fault(host, "the monitor of the scheduler", cause);
    });
    for (std::size_t i = 0; i < limits.threads; ++i)
      workers_.emplace_back(system(), queue_, i);
    for (queue_worker& one : workers_)
      one.start(max_throughput());
    clock_thread_ = std::thread([this] {
      persistence::enter_thread_role("caf.clock");
      system().thread_started();
      run_guarded(system(), "the clock of the actors",
                  [this] { clock_.run_dispatch_loop(); });
      system().thread_terminates();
    });
    abstract_coordinator::start();
  }

  void stop() override {
    for (std::size_t i = 0; i < workers_.size(); ++i)
      queue_.push(nullptr);
    for (queue_worker& one : workers_)
      one.join();
    stop_actors();
    run_remaining_jobs();
    clock_.cancel_dispatch_loop();
    clock_thread_.join();
    queue_.close();
  }

private:
  /// Runs the jobs that are still queued after the workers have ended. CAF's
  /// own clean-up function is not used: in CAF 0.17.6 it leaks one reference
  /// for each actor that it wakes.
  void run_remaining_jobs() {
    caf::scoped_execution_unit here(&system());
    while (caf::resumable* job = queue_.try_pop()) {
      // The actor may handle any number of messages in this run. CAF adds
      // one reference for a queued job; that reference is released here after
      // the last run of the job.
      const auto how
        = job->resume(&here, std::numeric_limits<std::size_t>::max());
      if (how == caf::resumable::resume_later)
        queue_.push(job);
      else
        caf::intrusive_ptr_release(job);
    }
  }

  run_queue queue_;
  caf::detail::thread_safe_actor_clock clock_;
  std::deque<queue_worker> workers_; // the threads keep their addresses
  std::thread clock_thread_;
};

} // namespace

// CAF takes over ownership of the module that the factory returns.
void install_coalescing_scheduler(caf::actor_system_config& system,
                                  std::size_t threads) {
  system.set("scheduler.max-threads", threads);
  system.module_factories.emplace_back(
    [](caf::actor_system& made) -> caf::actor_system::module* {
      return new queue_coordinator(made);
    });
}

} // namespace perdura::cluster
