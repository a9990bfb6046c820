// SPDX-License-Identifier: Apache-2.0
#include "cluster/scheduling/actor_scheduler.hpp"

#include "cluster/scheduling/run_queue.hpp"
#include "persistence/process/thread_role.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/policy/unprofiled.hpp>
#include <caf/scheduler/coordinator.hpp>
#include <caf/scoped_execution_unit.hpp>

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

namespace perdura::cluster {

namespace {

/// The scheduling policy that CAF's coordinator template calls. Every job of
/// the actor system goes through one `run_queue`. CAF prescribes the names of
/// the functions; `d(x)` returns the data that the policy keeps for the
/// coordinator or worker `x`.
class coalescing_policy : public caf::policy::unprofiled {
public:
  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}

    run_queue queue;
  };

  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator*) {}

    bool has_role = false; ///< `enter_thread_role` has been called.
  };

  /// A job from a thread that is no worker.
  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    d(self).queue.push(job);
  }

  /// A job that another thread gives to this worker. All workers share one
  /// queue, so the job may run on any of them.
  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    d(self->parent()).queue.push(job);
  }

  /// A job that a worker creates while it runs another job. CAF's own policy
  /// runs the new job before older jobs. Here the new job goes to the end of
  /// the queue: before the job runs, more messages may arrive for the actor
  /// that the job resumes, and the actor handles all of them as one batch.
  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    d(self->parent()).queue.push(job);
  }

  /// A job that has used up its share of messages and is not finished.
  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    d(self->parent()).queue.push(job);
  }

  /// The next job of a worker; sleeps until there is one.
  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    // `dequeue` is the first function that runs on the worker's own thread.
    if (!std::exchange(d(self).has_role, true))
      persistence::enter_thread_role("actors");
    return d(self->parent()).queue.pop(self->id());
  }

  /// Called on the worker's thread before the thread ends.
  template <class Worker>
  void before_shutdown(Worker* self) {
    d(self->parent()).queue.retire_worker(self->id());
  }

  // Workers hold no jobs of their own: all jobs are in the shared queue.
  template <class Worker, class F>
  void foreach_resumable(Worker*, F) {}

  /// Called after the worker threads have ended; runs the jobs that are still
  /// queued. The clean-up function that CAF 0.17.6 passes is not called: it
  /// leaks one reference for each actor that it wakes.
  template <class Coordinator, class F>
  void foreach_central_resumable(Coordinator* self, F) {
    caf::scoped_execution_unit here(&self->system());
    while (caf::resumable* job = d(self).queue.try_pop()) {
      // The actor may handle any number of messages in this run. CAF adds
      // one reference for a queued job; that reference is released here after
      // the last run of the job.
      const auto how
        = job->resume(&here, std::numeric_limits<std::size_t>::max());
      if (how == caf::resumable::resume_later)
        d(self).queue.push(job);
      else
        caf::intrusive_ptr_release(job);
    }
  }
};

/// CAF's scheduler module with the policy above. Opens the queue before the
/// workers start, and closes it after they have ended.
class coalescing_coordinator final
  : public caf::scheduler::coordinator<coalescing_policy> {
public:
  using coordinator::coordinator;

protected:
  void start() override {
    run_queue_limits limits;
    limits.threads = num_workers();
    limits.busy_max = std::max(1U, std::thread::hardware_concurrency());
    data().queue.open(limits);
    coordinator::start();
  }

  void stop() override {
    coordinator::stop();
    data().queue.close();
  }
};

} // namespace

// CAF takes over ownership of the module that the factory returns.
void install_coalescing_scheduler(caf::actor_system_config& system,
                                  std::size_t threads) {
  system.set("scheduler.max-threads", threads);
  system.module_factories.emplace_back(
    [](caf::actor_system& made) -> caf::actor_system::module* {
      return new coalescing_coordinator(made);
    });
}

} // namespace perdura::cluster
