// SPDX-License-Identifier: Apache-2.0
/// Fixture for tests of the activity pool.
#pragma once

#include "actors/activities/activity_pool.hpp"
#include "actors/authoring/registry.hpp"
#include "persistence/records/clock.hpp"
#include "tests/support/manual_clock.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace perdura::actors {

/// An activity pool with its functions, and the results that it has delivered.
class pool_fixture {
public:
  registry& functions() {
    return *functions_;
  }

  void open(std::size_t activities_max = 64,
            const persistence::clock& read = persistence::system_clock(),
            std::chrono::milliseconds worker_idle_time
            = std::chrono::minutes(1)) {
    activity_pool_dependencies around;
    around.clock = &read;
    around.functions = functions_;
    around.deliver = [this](activity_result result) {
      if (before_delivery)
        before_delivery(result);
      const std::lock_guard lock(mutex_);
      ++delivered_[result.sequence];
      outcomes_[result.sequence] = std::move(result.outcome);
      changed_.notify_all();
    };
    activity_pool_options options;
    options.activities_max = activities_max;
    options.worker_idle_time = worker_idle_time;
    pool = std::make_unique<activity_pool>(system_, options, std::move(around));
  }

  void submit(task_sequence sequence, const std::string& name,
              duration time_out = {}, duration start_time_out = {}) {
    activity_work_item item;
    item.instance = "order-17";
    item.execution = "e";
    item.sequence = sequence;
    item.name = name;
    item.input = "null";
    item.time_out = time_out;
    item.start_time_out = start_time_out;
    pool->submit(std::move(item));
  }

  history_body outcome_of(task_sequence sequence) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return outcomes_.contains(sequence); });
    return outcomes_[sequence];
  }

  /// Waits until results of `count` activities have been delivered. Returns how
  /// often the result of each activity was delivered.
  std::map<task_sequence, int> deliveries(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return delivered_.size() >= count; });
    return delivered_;
  }

private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  std::shared_ptr<registry> functions_ = std::make_shared<registry>();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<task_sequence, int> delivered_;
  std::map<task_sequence, history_body> outcomes_;

public:
  /// Called on the delivering thread before a result is recorded, unless empty.
  /// Set before `open`.
  std::function<void(const activity_result&)> before_delivery;

  /// For `open`. The pool reads its clock until it is destroyed.
  tests::manual_clock clock;

  /// Last member, so that it is destroyed first.
  std::unique_ptr<activity_pool> pool;
};

inline bool timed_out(const history_body& outcome) {
  const auto* failed = std::get_if<persistence::task_failed>(&outcome);
  return failed != nullptr && failed->failure.type == "timed_out";
}

} // namespace perdura::actors
