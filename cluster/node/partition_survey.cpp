#include "cluster/node/partition_survey.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

namespace perdura::cluster {

namespace {

constexpr std::chrono::seconds patience{2};

template <class T>
struct gathering {
  std::mutex mutex;
  std::condition_variable changed;
  T found;
  std::size_t left = 0;

  /// False if some have not answered in time.
  bool wait(std::unique_lock<std::mutex>& lock) {
    return changed.wait_for(lock, patience, [&] { return left == 0; });
  }
};

} // namespace

std::vector<std::pair<std::string, std::string>>
survey_stuck(const std::vector<actors::partition_actor>& partitions) {
  using list = std::vector<std::pair<std::string, std::string>>;
  const auto gathered = std::make_shared<gathering<list>>();
  gathered->left = partitions.size();
  const auto answer
    = std::make_shared<std::function<void(list)>>([gathered](const list& one) {
        const std::lock_guard lock(gathered->mutex);
        gathered->found.insert(gathered->found.end(), one.begin(), one.end());
        --gathered->left;
        gathered->changed.notify_all();
      });
  for (const actors::partition_actor& one : partitions)
    caf::anon_send(one, actors::stuck_request{answer});
  std::unique_lock lock(gathered->mutex);
  if (!gathered->wait(lock))
    gathered->found.emplace_back(
      "", std::to_string(gathered->left)
            + " partitions have no thread to run on: orchestrators that "
              "never await hold them all");
  return gathered->found;
}

actors::partition_figures
survey_figures(const std::vector<actors::partition_actor>& partitions) {
  const auto gathered
    = std::make_shared<gathering<actors::partition_figures>>();
  gathered->left = partitions.size();
  const auto answer
    = std::make_shared<std::function<void(const actors::partition_figures&)>>(
      [gathered](const actors::partition_figures& one) {
        const std::lock_guard lock(gathered->mutex);
        actors::partition_figures& sum = gathered->found;
        sum.live += one.live;
        sum.outbox_messages += one.outbox_messages;
        actors::partition_counters& to = sum.counters;
        const actors::partition_counters& from = one.counters;
        to.starts += from.starts;
        to.turns += from.turns;
        to.replays += from.replays;
        to.completed += from.completed;
        to.failed += from.failed;
        to.terminated += from.terminated;
        to.continued += from.continued;
        to.activities += from.activities;
        to.results_stale += from.results_stale;
        to.events_discarded += from.events_discarded;
        to.messages_repeated += from.messages_repeated;
        to.evictions += from.evictions;
        --gathered->left;
        gathered->changed.notify_all();
      });
  for (const actors::partition_actor& one : partitions)
    caf::anon_send(one, actors::counters_request{answer});
  std::unique_lock lock(gathered->mutex);
  static_cast<void>(gathered->wait(lock));
  return gathered->found;
}

node_statistics statistics_of(const actors::partition_figures& figures,
                              const persistence::journal_statistics& disk) {
  const actors::partition_counters& counted = figures.counters;
  node_statistics sum;
  sum.starts = counted.starts;
  sum.orchestration_turns = counted.turns;
  sum.replays = counted.replays;
  sum.completed = counted.completed;
  sum.failed = counted.failed;
  sum.terminated = counted.terminated;
  sum.continued = counted.continued;
  sum.activities = counted.activities;
  sum.results_stale = counted.results_stale;
  sum.events_discarded = counted.events_discarded;
  sum.messages_repeated = counted.messages_repeated;
  sum.evictions = counted.evictions;
  sum.instances_live = figures.live;
  sum.outbox_messages = figures.outbox_messages;
  sum.commits = disk.commits;
  sum.views_commits = disk.views_commits;
  sum.turns = disk.turns;
  sum.journal_bytes = disk.bytes;
  sum.commit_turns = disk.commit_turns;
  sum.commit_time_us = disk.commit_time_us;
  return sum;
}

} // namespace perdura::cluster
