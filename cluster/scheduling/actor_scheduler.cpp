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

/// What CAF's coordinator asks of a policy.
class sparing_policy : public caf::policy::unprofiled {
public:
  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}

    run_queue queue;
  };

  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator*) {}

    bool has_role = false;
  };

  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    d(self).queue.push(job);
  }

  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    d(self->parent()).queue.push(job);
  }

  // First come, first served, also from within: what an actor is sent by
  // several others until its turn comes is one batch.
  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    d(self->parent()).queue.push(job);
  }

  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    d(self->parent()).queue.push(job);
  }

  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    if (!std::exchange(d(self).has_role, true))
      persistence::enter_thread_role("actors");
    return d(self->parent()).queue.pop(self->id());
  }

  template <class Worker>
  void before_shutdown(Worker* self) {
    d(self->parent()).queue.leave(self->id());
  }

  template <class Worker, class F>
  void foreach_resumable(Worker*, F) {}

  /// What is left when the threads have ended is run to its end. CAF's own
  /// clean-up forgets a reference for each actor that it wakes.
  template <class Coordinator, class F>
  void foreach_central_resumable(Coordinator* self, F) {
    caf::scoped_execution_unit here(&self->system());
    while (caf::resumable* job = d(self).queue.try_pop()) {
      const auto how
        = job->resume(&here, std::numeric_limits<std::size_t>::max());
      if (how == caf::resumable::resume_later)
        d(self).queue.push(job);
      else
        caf::intrusive_ptr_release(job);
    }
  }
};

class sparing_coordinator final
  : public caf::scheduler::coordinator<sparing_policy> {
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

void use_sparing_scheduler(caf::actor_system_config& system,
                           std::size_t threads) {
  system.set("scheduler.max-threads", threads);
  system.module_factories.emplace_back(
    [](caf::actor_system& made) -> caf::actor_system::module* {
      return new sparing_coordinator(made);
    });
}

} // namespace perdura::cluster
