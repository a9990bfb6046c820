// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/partition_survey.hpp"

#include "persistence/process/sync_watch.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

namespace perdura::cluster {

using persistence::sync_watch;

namespace {

// A partition answers within milliseconds if a thread is free to run it. If it
// does not answer in this time, no thread is free, so a longer wait would not
// help.
constexpr std::chrono::seconds survey_time_max{2};

// A partition that waits for a write to the disk does not answer. If a write
// has been in progress for the first time, the survey takes at most the second.
constexpr std::chrono::seconds slow_write_min{1};
constexpr std::chrono::milliseconds survey_time_beside_slow_write{100};

std::chrono::milliseconds survey_time() {
  return sync_watch::of_process().longest() < slow_write_min
           ? std::chrono::milliseconds(survey_time_max)
           : survey_time_beside_slow_write;
}

/// The answers so far. Shared by the survey and the callbacks: an answer may
/// arrive after the survey has returned.
template <class T>
struct collection {
  std::mutex mutex;
  std::condition_variable changed;
  T found;
  std::size_t left = 0; ///< Partitions that have not answered.

  /// Blocks until all partitions have answered. Returns false if some have not
  /// answered within `time_max`. `lock` holds `mutex` on return.
  bool wait(std::unique_lock<std::mutex>& lock,
            std::chrono::milliseconds time_max = survey_time_max) {
    return changed.wait_for(lock, time_max, [&] { return left == 0; });
  }

  /// Counts an answer, after `found` has been updated.
  void count_answer() {
    const std::lock_guard lock(mutex);
    --left;
    changed.notify_all();
  }
};

/// The collection of a survey whose answers have no content of their own.
struct nothing {};

} // namespace

void finish_batches(const std::vector<actors::partition_actor>& partitions) {
  const auto collected = std::make_shared<collection<nothing>>();
  collected->left = partitions.size();
  const auto answer = std::make_shared<std::function<void()>>(
    [collected] { collected->count_answer(); });
  for (const actors::partition_actor& one : partitions)
    caf::anon_send(one, actors::batch_request{answer});
  std::unique_lock lock(collected->mutex);
  static_cast<void>(collected->wait(lock, survey_time()));
}

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
  const bool all_answered = collected->wait(lock);
  // Each partition names the paused orchestrators.
  std::set<std::string> of_node;
  std::erase_if(collected->found, [&](const auto& each) {
    return each.first.empty() && !of_node.insert(each.second).second;
  });
  if (!all_answered)
    collected->found.emplace_back(
      "", std::to_string(collected->left)
            + " partitions have no thread to run on: orchestrators that "
              "never await occupy all threads");
  return collected->found;
}

actors::partition_figures
survey_figures(const std::vector<actors::partition_actor>& partitions,
               const std::shared_ptr<known_figures>& known) {
  const auto collected = std::make_shared<collection<nothing>>();
  collected->left = partitions.size();
  {
    const std::lock_guard lock(known->mutex);
    known->of.resize(partitions.size());
  }
  for (std::size_t i = 0; i < partitions.size(); ++i)
    caf::anon_send(
      partitions[i],
      actors::counters_request{
        std::make_shared<std::function<void(const actors::partition_figures&)>>(
          [collected, known, i](const actors::partition_figures& one) {
            {
              const std::lock_guard lock(known->mutex);
              if (i < known->of.size())
                known->of[i] = one;
            }
            collected->count_answer();
          })});
  {
    std::unique_lock lock(collected->mutex);
    static_cast<void>(collected->wait(lock, survey_time()));
  }
  actors::partition_figures sum;
  const std::lock_guard lock(known->mutex);
  for (const actors::partition_figures& one : known->of) {
    sum.live += one.live;
    sum.outbox += one.outbox;
    sum.stuck += one.stuck;
    sum.live_bytes += one.live_bytes;
    sum.request_keys += one.request_keys;
    sum.request_key_bytes += one.request_key_bytes;
    sum.counters += one.counters;
    sum.damage += one.damage;
    sum.trees_ending += one.trees_ending;
    sum.paused.insert(sum.paused.end(), one.paused.begin(), one.paused.end());
  }
  return sum;
}

std::vector<paused_name>
paused_in(const std::vector<persistence::name_pause>& pauses) {
  std::map<std::string, paused_name> found;
  for (const persistence::name_pause& each : pauses) {
    paused_name& known = found[each.name];
    ++known.partitions;
    if (known.name.empty() || known.since < each.since) {
      known.name = each.name;
      known.since = each.since;
      known.reason = each.reason;
    }
  }
  std::vector<paused_name> all;
  for (auto& [name, each] : found)
    all.push_back(std::move(each));
  return all;
}

node_statistics statistics_of(const actors::partition_figures& figures,
                              const persistence::journal_statistics& disk) {
  node_statistics sum;
  static_cast<actors::partition_counters&>(sum) = figures.counters;
  static_cast<persistence::journal_statistics&>(sum) = disk;
  sum.instances_live = figures.live;
  sum.instances_live_bytes = figures.live_bytes;
  sum.request_keys = figures.request_keys;
  sum.request_key_bytes = figures.request_key_bytes;
  sum.outbox = figures.outbox;
  sum.damage = figures.damage;
  sum.instances_stuck = figures.stuck;
  sum.orchestrators_paused = paused_in(figures.paused).size();
  sum.trees_ending = figures.trees_ending;
  return sum;
}

} // namespace perdura::cluster
