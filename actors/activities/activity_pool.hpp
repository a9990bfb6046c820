/// How many activities run at once, and for how long. Activities may block:
/// each runs on an activity actor with a thread of its own. Short ones share
/// few threads, because waking one more costs more than they do; whoever
/// keeps others waiting gets another thread beside it.
#pragma once

#include "actors/interface/messages.hpp"
#include <perdura/actors/authoring/activity_context.hpp>
#include <perdura/actors/authoring/management_payload.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace perdura::actors {

class registry;

struct activity_pool_options {
  /// Activities at once, in all; threads are made as they are needed.
  std::size_t activities_max = 64;
};

struct activity_pool_surroundings {
  const clock* time = nullptr;
  std::shared_ptr<const registry> functions;
  /// Hands a result to the partition that waits for it; any thread.
  std::function<void(activity_result)> deliver;
  std::function<management_payload(const std::string&)> payload_of;
  std::shared_ptr<management_gateway> gateway;
  /// Told of each attempt before it runs, on its thread; may be empty.
  std::function<void(const activity_context&)> observe;
};

/// Safe to call from any thread.
class activity_pool {
public:
  activity_pool(caf::actor_system& system, activity_pool_options options,
                activity_pool_surroundings around);

  /// Blocks until no activity runs; see `close`.
  ~activity_pool();

  activity_pool(const activity_pool&) = delete;
  activity_pool& operator=(const activity_pool&) = delete;

  /// Runs the activity now or when its turn comes. Its result is delivered
  /// once: what it gave, what it threw, or that its time was out.
  void submit(activity_work_item item);

  /// Takes no more, asks what runs to stop, forgets what waits. What is lost
  /// here is run again after the next start.
  void close();

  /// Waits until nothing runs; false if that takes longer than `patience`.
  bool wait_idle(duration patience);

  /// Names of the activities that run now.
  std::vector<std::string> running_names() const;

  /// Where an activity actor works: what it runs now. Empty between two.
  struct desk {
    activity_work_item item; ///< Without its input.
    std::string input;
    std::shared_ptr<std::atomic<bool>> cancelled;
    std::optional<timestamp> deadline;
    std::uint64_t run = 0;  ///< 0: none. Never used twice.
    std::uint64_t seen = 0; ///< The run that the watcher saw last.
    bool given_up = false;  ///< Its time was out: what comes is dropped.
    bool is_slow = false;   ///< It has kept others waiting.
    bool limited = false;   ///< Counts in `running_by_name_`.
    bool is_near = false;   ///< On a scheduler's thread.
    std::chrono::steady_clock::time_point began;
  };

  // For activity actors: a desk of their own, and work until there is none.
  std::shared_ptr<desk> open_desk(bool is_near);
  void work(desk& at, activity_work_item first, const activity_actor& worker);

private:
  struct queued {
    activity_work_item item;
    std::optional<timestamp> start_by;
  };

  struct hired {
    activity_work_item item;
    activity_actor worker; ///< Null: a new one.
  };

  bool may_start(const std::string& name) const;
  std::optional<activity_work_item> pop_startable();
  bool wants_another() const;
  bool hire(std::vector<hired>& hands);
  void send_to_work(activity_work_item item, const activity_actor& worker);
  void sit_down(desk& at, activity_work_item item);
  history_body run(desk& at);
  bool get_up(desk& at);
  bool take_next(desk& at);
  void leave(const desk& at, const activity_actor& worker,
             std::unique_lock<std::mutex>& lock);
  void rouse_watcher();
  void watch();
  std::vector<hired> hire_for_slow_ones();
  std::vector<activity_result> expire(timestamp now);
  std::optional<timestamp> next_deadline() const;

  caf::actor_system& system_;
  const activity_pool_options options_;
  const activity_pool_surroundings around_;
  const std::size_t cores_;

  mutable std::mutex mutex_;
  std::condition_variable watcher_due_;
  std::condition_variable became_idle_;
  std::deque<queued> queue_;
  std::vector<activity_actor> idle_;
  std::vector<std::shared_ptr<desk>> desks_; ///< One for each worker.
  std::size_t workers_ = 0;
  std::size_t busy_ = 0; ///< Workers between an item and "no more".
  std::size_t slow_ = 0; ///< Of them, those that keep others waiting.
  std::uint64_t last_run_ = 0;
  std::size_t deadlines_ = 0; ///< Of running ones.
  std::unordered_map<std::string, std::size_t> running_by_name_;
  std::size_t start_deadlines_ = 0;        ///< Queued items that have one.
  std::chrono::nanoseconds usual_time_{0}; ///< Of late, of one activity.
  bool watcher_rests_ = true;              ///< Until it is roused.
  bool closed_ = false;
  bool near_is_free_ = true;
  // These use what stands above from the moment that they are there.
  activity_actor near_; ///< On the scheduler's threads.
  std::thread watcher_;
};

} // namespace perdura::actors
