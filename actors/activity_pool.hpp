/// How many activities run at once, and for how long. Activities may block:
/// each runs on an activity actor with a thread of its own.
#pragma once

#include "actors/messages.hpp"
#include <perdura/actors/activity_context.hpp>
#include <perdura/actors/management_payload.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
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

  // For activity actors.
  void run(activity_work_item item);
  std::optional<activity_work_item> next(activity_actor worker);

private:
  struct queued {
    activity_work_item item;
    std::optional<timestamp> start_by;
  };

  struct running {
    activity_work_item item; ///< Without its input.
    std::shared_ptr<std::atomic<bool>> cancelled;
    bool delivered = false; ///< Its time was out: what comes is dropped.
  };

  bool may_start(const std::string& name) const;
  std::optional<activity_work_item> pop_startable();
  void watch_deadlines();
  void note_deadline();
  std::vector<activity_result> expire(timestamp now);

  caf::actor_system& system_;
  const activity_pool_options options_;
  const activity_pool_surroundings around_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<queued> queue_;
  std::vector<activity_actor> idle_;
  std::size_t workers_ = 0;
  std::size_t busy_ = 0; ///< Workers between an item and "no more".
  std::uint64_t next_run_ = 1;
  std::map<std::uint64_t, running> running_;
  std::multimap<timestamp, std::uint64_t> deadlines_; ///< By run.
  std::unordered_map<std::string, std::size_t> running_by_name_;
  std::size_t start_deadlines_ = 0; ///< Queued items that have one.
  bool closed_ = false;
  std::thread watcher_;
};

} // namespace perdura::actors
