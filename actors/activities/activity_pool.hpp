// SPDX-License-Identifier: Apache-2.0
/// Runs activities on worker threads. Limits how many activities run at the
/// same time and for how long each one runs.
///
/// An activity may block, so each worker is an activity actor with a thread of
/// its own. Short activities share few workers, because waking a thread takes
/// longer than they run. If an activity runs for more than 1 ms while other
/// activities are queued, the pool uses another worker for them.
///
/// Keeps more than 10 project includes or 15 members: queue, limits by name and
/// workers change together, under one mutex.
#pragma once

#include "actors/activities/activity_load.hpp"
#include "actors/activities/activity_queue.hpp"
#include "actors/interface/messages.hpp"
#include <perdura/actors/authoring/activity_context.hpp>
#include <perdura/actors/authoring/management_payload.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace perdura::actors {

class registry;
class work_guard;

struct activity_pool_options {
  /// Maximum number of activities that run at the same time on this node.
  /// Threads are created when they are needed and then reused; see
  /// `worker_idle_time`.
  std::size_t activities_max = 64;

  /// Maximum number of runs that have exceeded their time-out and do not count
  /// against `activities_max`, although their code still occupies a thread
  /// each. So many threads may exist besides `activities_max`. Further ones
  /// count until their code returns.
  std::size_t given_up_max = 64;

  /// Maximum size of the inputs of queued activities in memory, in bytes. The
  /// inputs of further ones are read from the history when they begin to run.
  std::size_t queued_input_bytes_max = 16U << 20U;

  /// Threads that were not needed for this time end, so that a node does not
  /// keep the threads of its busiest moment for ever. More than 0.
  std::chrono::milliseconds worker_idle_time = std::chrono::minutes(1);

  /// An activity whose name is not registered fails with the type
  /// "unknown_activity". Otherwise it stays in the queue: it runs when a
  /// program that registers it is started, and fails only if its time to start
  /// passes.
  bool unknown_fails = false;
};

/// The objects that a pool uses; all must outlive it.
struct activity_pool_dependencies {
  const persistence::clock* clock = nullptr;
  std::shared_ptr<const registry> functions;
  /// Sends a result to the partition that waits for it. Called on any thread.
  std::function<void(activity_result)> deliver;
  /// Returns the webhook URLs of an instance. Empty if the node has no HTTP
  /// API.
  std::function<management_payload(const std::string&)> payload_of;
  std::shared_ptr<management_gateway> gateway; ///< May be null.
  /// Reads the input of an activity that was not kept in memory. Called on the
  /// thread of the attempt, and blocks. Empty means that all inputs are kept.
  /// @error errc::not_found        The execution is gone: nothing needs the
  ///                               activity any more.
  /// @error errc::storage_damaged  The history event cannot be read.
  std::function<persistence::result<std::string>(const activity_work_item&)>
    read_input;
  /// Called with an activity whose input is damaged. The attempt is not made
  /// and has no result. Never empty if `read_input` is set. Called on any
  /// thread.
  std::function<void(activity_unread)> report_unread;
  /// Called before each attempt, on the thread of the attempt. An exception is
  /// logged and counted; the attempt is made. May be empty.
  std::function<void(const activity_context&)> observe;
  /// Notes what runs, and decides what may run. Null means everything may.
  work_guard* guard = nullptr;
  /// Called with an activity that must not run, and the reason: its instance is
  /// to be held. Never empty if `guard` is set. Called on any thread.
  std::function<void(const activity_work_item&, const std::string&)> hold;
};

/// Queues activities and assigns them to workers. A *worker* is an activity
/// actor; a *monitor* thread enforces time-outs and adds workers when the busy
/// ones are slow. Thread-safe.
class activity_pool {
public:
  activity_pool(caf::actor_system& system, activity_pool_options options,
                activity_pool_dependencies dependencies);

  /// Closes the pool and blocks until no activity runs.
  ~activity_pool();

  activity_pool(const activity_pool&) = delete;
  activity_pool& operator=(const activity_pool&) = delete;

  /// Queues the activity; it runs as soon as the limits allow. Exactly one
  /// result is delivered: the output, the exception, or a failure of type
  /// "timed_out". No result is delivered if the pool is closed first.
  void submit(activity_work_item item);

  /// The held activities of the instance may run again. With `is_ended`, they
  /// are dropped.
  void release(const persistence::instance_id& instance, bool is_ended);

  /// No code uses the results of this execution of the instance any more: its
  /// running activities, and those that begin later, see that their
  /// cancellation is requested. They run nevertheless, because each scheduled
  /// activity runs at least once; those that are not registered are dropped.
  /// With `drops`, all that are queued are dropped.
  void cancel(const persistence::instance_id& instance,
              const persistence::execution_id& execution, bool drops = false);

  /// Reads the inputs of the queued activities of the instance into memory.
  /// Called before the history that contains them is removed.
  void keep_inputs(const persistence::instance_id& instance);

  /// Begins an orderly stop: no activity begins any more, and queued ones are
  /// dropped, because the partitions run them again after the next start. The
  /// running ones go on, and their results are delivered.
  void stop_starting();

  /// Waits after `stop_starting` until the results of all running activities
  /// have been delivered. Runs that have exceeded their time-out have had their
  /// result, so they are not waited for. Returns false after `time_limit`.
  bool wait_for_results(duration time_limit);

  /// As `stop_starting`, and requests the cancellation of the running
  /// activities. No further result is delivered, except those whose delivery
  /// has already begun (`wait_idle` waits for them): the partitions run these
  /// activities again after the next start.
  void close();

  /// Waits until no activity runs and no result is being delivered, whether by
  /// a worker or by the monitor. Returns false after `time_limit`.
  bool wait_idle(duration time_limit);

  /// Returns the running activities as texts: activity name and instance ID.
  std::vector<std::string> running_names() const;

  /// Returns what runs and what waits, at this moment.
  activity_facts facts() const;

  /// Returns how often the monitor has examined the queue and the workers. The
  /// number does not change while no queued activity may start.
  std::uint64_t examinations() const;

  /// The state of one worker. Written under the pool's mutex; the worker reads
  /// its own state without the mutex.
  struct worker_state {
    activity_work_item item; ///< The current item, without its input.
    std::string input;
    std::shared_ptr<std::atomic<bool>> cancelled;
    std::optional<boot_time> deadline; ///< Set if the item has a time-out.
    std::uint64_t run = 0;    ///< Unique number of the run; 0 means idle.
    std::uint64_t seen = 0;   ///< The run that the monitor saw last.
    bool abandoned = false;   ///< The run timed out; its outcome is dropped.
    bool is_extra = false;    ///< Abandoned, and not counted in the limits.
    bool is_slow = false;     ///< The run is longer than 1 ms.
    bool runs_inline = false; ///< The worker uses the scheduler's threads.
    std::chrono::steady_clock::time_point began;
  };

  // The next two functions are called by activity actors only.

  /// Registers a worker and returns its state.
  std::shared_ptr<worker_state> add_worker(bool runs_inline);

  /// Runs `first`, and then queued items until none may start. Then marks the
  /// worker as idle.
  void work(worker_state& state, activity_work_item first,
            const activity_actor& worker);

private:
  /// An item that was removed from the queue for a worker.
  struct assignment {
    activity_work_item item;
    activity_actor worker; ///< Null means that a worker is created.
  };

  /// A worker without an item.
  struct idle_worker {
    activity_actor worker;
    const worker_state* state = nullptr;
  };

  /// Instance, execution and sequence.
  using item_key
    = std::tuple<persistence::instance_id, persistence::execution_id,
                 persistence::task_sequence>;

  /// An item that has left the queue and whose input is not read yet.
  struct unread_item {
    activity_work_item item;
    std::optional<std::string> input; ///< Set by `keep_inputs`.
  };

  // Except for run, read_input, send_assignment and run_monitor, these
  // functions require that the caller holds the mutex.
  bool wants_another_worker() const;
  bool has_free_worker() const;
  bool is_full() const;
  bool has_results_to_come() const;
  bool may_run(activity_work_item& item);
  std::size_t threads_max() const;
  static item_key key_of(const activity_work_item& item);
  void keep_input(activity_work_item& item);
  void submit_waiting(std::uint64_t number);
  std::optional<activity_work_item> pop_next();
  bool assign_next(std::vector<assignment>& assignments);
  void send_assignment(activity_work_item item, const activity_actor& worker);
  void assign_without_thread(activity_work_item item);
  void begin_run(worker_state& state, activity_work_item item);
  /// Empty if the input could not be read, so that the activity has not run.
  std::optional<history_body> run(worker_state& state);
  bool read_input(worker_state& state);
  bool end_run(worker_state& state);
  bool begin_next_run(worker_state& state);
  void give_up(worker_state& state);
  bool is_surplus(const worker_state& state) const;
  void release_worker(const worker_state& state, const activity_actor& worker,
                      std::unique_lock<std::mutex>& lock);
  void wake_monitor();
  void run_monitor();
  void end_worker(const idle_worker& one);
  void end_unused_workers(boot_time now);
  std::chrono::nanoseconds monitor_sleep_time() const;
  std::vector<assignment> assign_for_slow_workers();
  std::vector<activity_result> expire(
    boot_time now,
    std::vector<std::pair<persistence::instance_id, std::string>>& withdrawn);
  std::optional<boot_time> next_deadline() const;

  caf::actor_system& system_;
  const activity_pool_options options_;
  const activity_pool_dependencies dependencies_;
  const std::size_t cores_;

  mutable std::mutex mutex_;
  std::condition_variable monitor_wake_;
  std::condition_variable became_idle_;
  activity_queue queue_;
  std::map<item_key, unread_item> unread_;
  /// The items that must not run, by instance. The number of items is that of
  /// the open activities of held instances.
  std::map<persistence::instance_id, std::vector<activity_work_item>> parked_;
  /// The executions that were cancelled while items were queued or running, at
  /// most cancelled_max.
  std::set<std::pair<persistence::instance_id, persistence::execution_id>>
    cancelled_;
  /// The items that wait for the guard, in order of arrival.
  std::map<std::uint64_t, activity_work_item> waiting_;
  std::uint64_t last_waiting_ = 0;
  std::vector<idle_worker> idle_; ///< The one that ran last is the last one.
  /// The smallest size of `idle_` since `idle_counted_at_`: so many workers
  /// were not needed since then.
  std::size_t idle_min_ = 0;
  boot_time idle_counted_at_{};
  std::vector<std::shared_ptr<worker_state>> worker_states_;
  std::size_t workers_ = 0; ///< Workers with a thread of their own.
  /// The number of workers that may have a thread. Less than `activities_max`
  /// while the system refuses threads; if it is 0, activities run inline.
  std::size_t workers_max_;
  std::chrono::steady_clock::time_point threads_refused_at_{};
  std::size_t busy_ = 0;  ///< Workers with an item, assigned or running.
  std::size_t slow_ = 0;  ///< Busy workers whose state is `is_slow`.
  std::size_t extra_ = 0; ///< Busy workers whose state is `is_extra`.
  /// When a run began or ended last.
  std::chrono::steady_clock::time_point progress_;
  std::uint64_t last_run_ = 0;     ///< Number of the run that began last.
  std::uint64_t examinations_ = 0; ///< Passes of the monitor's loop.
  std::size_t deadlines_ = 0;      ///< Running items with a time-out.
  /// Moving average of the run time of one activity.
  std::chrono::nanoseconds average_time_{0};
  /// True while the monitor does not examine the workers at intervals.
  bool monitor_sleeps_ = true;
  bool monitor_delivers_ = false; ///< It delivers "timed_out" results now.
  bool stops_ = false;            ///< `stop_starting` was called.
  bool closed_ = false;           ///< `close` was called; `stops_` is set, too.
  bool inline_worker_is_free_ = true;
  // Last, because both use the members above as soon as they are constructed.
  activity_actor inline_worker_; ///< Uses the scheduler's threads.
  std::thread monitor_;
};

} // namespace perdura::actors
