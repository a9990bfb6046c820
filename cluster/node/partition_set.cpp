// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/partition_set.hpp"

#include "cluster/node/partition_survey.hpp"
#include "cluster/routing/router_config.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace perdura::cluster {

using namespace persistence;

/// The reports of the partitions. A partition reports on its own thread, and
/// may do so after the set has been destroyed, so its `on_ready` shares this
/// state.
struct partition_set::readiness {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t owned = 0; ///< Partitions of the set.
  std::size_t left = 0;  ///< Partitions that have not reported.
  bool ended = false;    ///< `end` was called: the others will not report.
  result<void> outcome;  ///< The first error.
  /// The partitions that damage keeps from serving, with the errors.
  std::map<partition_id, error> damaged;
  /// Partitions of an adopted directory that have not agreed with the others.
  std::set<partition_id> agreeing;

  void report(partition_id id, result<void> one) {
    const std::lock_guard lock(mutex);
    if (one.code() == errc::storage_damaged)
      damaged.emplace(id, one.error());
    else if (!one && outcome)
      outcome = std::move(one);
    --left;
    changed.notify_all();
  }

  result<void> wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return left == 0 || ended; });
    if (left != 0 && outcome)
      return error{errc::shutting_down, stopping_sentence};
    if (outcome && !damaged.empty() && damaged.size() == owned)
      return damaged.begin()->second;
    return outcome;
  }
};

partition_set::partition_set(std::vector<partition_id> owned,
                             std::uint32_t partition_count)
  : figures_(std::make_shared<known_figures>()),
    owned_(std::move(owned)),
    partition_count_(partition_count),
    readiness_(std::make_shared<readiness>()) {
  readiness_->owned = readiness_->left = owned_.size();
}

void partition_set::spawn(caf::actor_system& system,
                          const actors::partition_config& config,
                          const actors::partition_dependencies& shared) {
  by_id_.resize(partition_count_);
  for (const partition_id id : owned_) {
    actors::partition_config its = config;
    its.id = id;
    actors::partition_dependencies dependencies = shared;
    dependencies.on_ready = [ready = readiness_, id](result<void> one) {
      ready->report(id, std::move(one));
    };
    dependencies.on_agreeing = [ready = readiness_, id](bool is_agreeing) {
      const std::lock_guard lock(ready->mutex);
      if (is_agreeing)
        ready->agreeing.insert(id);
      else
        ready->agreeing.erase(id);
    };
    actors_.push_back(system.spawn(actors::partition_behavior, std::move(its),
                                   std::move(dependencies)));
    by_id_[index_of(id)] = actors_.back();
  }
}

result<void> partition_set::recover() {
  for (const actors::partition_actor& one : actors_)
    caf::anon_send(one, actors::begin_recovery{});
  return readiness_->wait();
}

std::map<partition_id, error> partition_set::damaged() const {
  const std::lock_guard lock(readiness_->mutex);
  return readiness_->damaged;
}

std::size_t partition_set::agreeing_count() const {
  const std::lock_guard lock(readiness_->mutex);
  return readiness_->agreeing.size();
}

void partition_set::deliver(actors::activity_result result) const {
  caf::anon_send(by_id_[index_of(result.partition)], std::move(result));
}

void partition_set::report_unread(actors::activity_unread item) const {
  caf::anon_send(by_id_[index_of(item.partition)], std::move(item));
}

void partition_set::hold(partition_id partition,
                         actors::instance_hold instance) const {
  caf::anon_send(by_id_[index_of(partition)], std::move(instance));
}

std::vector<std::pair<std::string, std::string>> partition_set::stuck() const {
  return survey_stuck(actors_);
}

actors::partition_figures partition_set::figures() const {
  return survey_figures(actors_, figures_);
}

void partition_set::finish_batches() const {
  cluster::finish_batches(actors_);
}

void partition_set::end() {
  {
    const std::lock_guard lock(readiness_->mutex);
    readiness_->ended = true;
    readiness_->changed.notify_all();
  }
  for (const actors::partition_actor& one : actors_)
    caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
}

void partition_set::wait_for_end() const {
  struct countdown {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t left = 0;
  };

  const auto running = std::make_shared<countdown>();
  running->left = actors_.size();
  for (const actors::partition_actor& one : actors_)
    // An actor that has ended calls the function at once.
    caf::actor_cast<caf::abstract_actor*>(one)->attach_functor([running] {
      {
        const std::lock_guard lock(running->mutex);
        --running->left;
      }
      running->changed.notify_all();
    });
  std::unique_lock lock(running->mutex);
  running->changed.wait(lock, [&] { return running->left == 0; });
}

void partition_set::release() {
  actors_.clear();
  by_id_.clear();
}

} // namespace perdura::cluster
