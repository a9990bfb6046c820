// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/partition_survey.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

namespace perdura::cluster {

namespace {

// A partition answers within milliseconds if a thread is free to run it. If it
// does not answer in this time, no thread is free, so a longer wait would not
// help.
constexpr std::chrono::seconds survey_time_max{2};

/// The answers so far. Shared by the survey and the callbacks: an answer may
/// arrive after the survey has returned.
template <class T>
struct collection {
  std::mutex mutex;
  std::condition_variable changed;
  T found;
  std::size_t left = 0; ///< Partitions that have not answered.

  /// Blocks until all partitions have answered. Returns false if some have not
  /// answered within `survey_time_max`. `lock` holds `mutex` on return.
  bool wait(std::unique_lock<std::mutex>& lock) {
    return changed.wait_for(lock, survey_time_max, [&] { return left == 0; });
  }
};

} // namespace

std::vector<std::pair<std::string, std::string>>
survey_stuck(const std::vector<actors::partition_actor>& partitions) {
  using list = std::vector<std::pair<std::string, std::string>>;
  const auto collected = std::make_shared<collection<list>>();
  collected->left = partitions.size();
  const auto answer
    = std::make_shared<std::function<void(list)>>([collected](const list& one) {
        const std::lock_guard lock(collected->mutex);
        collected->found.insert(collected->found.end(), one.begin(), one.end());
        --collected->left;
        collected->changed.notify_all();
      });
  for (const actors::partition_actor& one : partitions)
    caf::anon_send(one, actors::stuck_request{answer});
  std::unique_lock lock(collected->mutex);
  if (!collected->wait(lock))
    collected->found.emplace_back(
      "", std::to_string(collected->left)
            + " partitions have no thread to run on: orchestrators that "
              "never await occupy all threads");
  return collected->found;
}

actors::partition_figures
survey_figures(const std::vector<actors::partition_actor>& partitions) {
  const auto collected
    = std::make_shared<collection<actors::partition_figures>>();
  collected->left = partitions.size();
  const auto answer
    = std::make_shared<std::function<void(const actors::partition_figures&)>>(
      [collected](const actors::partition_figures& one) {
        const std::lock_guard lock(collected->mutex);
        actors::partition_figures& sum = collected->found;
        sum.live += one.live;
        sum.outbox_messages += one.outbox_messages;
        sum.counters += one.counters;
        --collected->left;
        collected->changed.notify_all();
      });
  for (const actors::partition_actor& one : partitions)
    caf::anon_send(one, actors::counters_request{answer});
  std::unique_lock lock(collected->mutex);
  // The sum without the partitions that have not answered is good enough for
  // metrics.
  static_cast<void>(collected->wait(lock));
  return collected->found;
}

node_statistics statistics_of(const actors::partition_figures& figures,
                              const persistence::journal_statistics& disk) {
  node_statistics sum;
  static_cast<actors::partition_counters&>(sum) = figures.counters;
  static_cast<persistence::journal_statistics&>(sum) = disk;
  sum.instances_live = figures.live;
  sum.outbox_messages = figures.outbox_messages;
  return sum;
}

} // namespace perdura::cluster
