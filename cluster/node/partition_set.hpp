// SPDX-License-Identifier: Apache-2.0
/// The partitions that a node owns, from their start to their end. Each is an
/// actor; this class starts them together, waits until all have recovered, asks
/// all for their figures, and ends them.
#pragma once

#include "actors/partition/partition_actor.hpp"
#include "persistence/records/ids.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

struct known_figures;

/// The owned partitions of one hub.
///
/// Life cycle: `spawn`, `recover`, `end`, `release`. `spawn` writes the lists
/// of actors and `release` clears them; in between any thread may call the
/// const functions and `end`. `owned` may always be called.
///
/// A partition actor and the router refer to each other, and a partition uses
/// the objects in its partition_dependencies. These must outlive the actors,
/// which end some time after `end`.
class partition_set {
public:
  /// `owned` lists the partitions of this node, `partition_count` is the number
  /// of partitions of the hub. `owned` may be empty.
  partition_set(std::vector<persistence::partition_id> owned,
                std::uint32_t partition_count);

  /// The partitions of this node. Never changes.
  const std::vector<persistence::partition_id>& owned() const {
    return owned_;
  }

  /// Spawns all owned partitions with the same settings and dependencies,
  /// except `config.id` and `shared.on_ready`, which this function sets. None
  /// reads the journal before `recover`; messages that arrive earlier are kept.
  /// Call once.
  void spawn(caf::actor_system& system, const actors::partition_config& config,
             const actors::partition_dependencies& shared);

  /// Recovers all partitions at the same time. Blocks until each has reported
  /// that it serves or that it cannot recover; a partition that fails does not
  /// keep the others from serving. Damage of some partitions is no error:
  /// they refuse all requests; see `damaged`. Call once, after `spawn`.
  /// @error errc::shutting_down  `end` was called before all had reported.
  /// @error errc::storage_damaged  No partition can be used.
  /// @error the first other error with which a partition fails to recover
  persistence::result<void> recover();

  /// The partitions that could not recover because stored rows are damaged.
  /// Does not change after `recover`.
  std::map<persistence::partition_id, persistence::error> damaged() const;

  /// The number of partitions of an adopted directory that have not agreed on
  /// the numbers of messages with all partitions of other nodes yet.
  std::size_t agreeing_count() const;

  /// The actors; the index is the partition_id. Null for the partitions of
  /// other nodes. Empty before `spawn` and after `release`.
  const std::vector<actors::partition_actor>& by_id() const {
    return by_id_;
  }

  /// Sends the result of an activity to the partition that waits for it; never
  /// blocks.
  void deliver(actors::activity_result result) const;

  /// Tells the partition that the input of an activity cannot be read; never
  /// blocks.
  void report_unread(actors::activity_unread item) const;

  /// Tells a partition that code of an instance must not run; never blocks.
  void hold(persistence::partition_id partition,
            actors::instance_hold instance) const;

  /// The instances that cannot continue; see survey_stuck. Blocks for at most
  /// two seconds, and must not be called on a scheduler thread.
  std::vector<std::pair<std::string, std::string>> stuck() const;

  /// The sum of the figures of the partitions; see survey_figures. Blocks for
  /// at most two seconds, and must not be called on a scheduler thread.
  actors::partition_figures figures() const;

  /// Waits until the partitions have processed the messages that they have
  /// received. Blocks for at most two seconds, and must not be called on a
  /// scheduler thread.
  void finish_batches() const;

  /// Tells all partitions to end; does not wait. A running `recover` returns.
  /// Idempotent.
  void end();

  /// Blocks until all partitions have ended after `end`: they use nothing of
  /// the node any more. Must not be called on a scheduler thread.
  void wait_for_end() const;

  /// Releases the references to the actors, so that they can be destroyed.
  void release();

private:
  struct readiness;

  /// Kept alive by answers that arrive late.
  const std::shared_ptr<known_figures> figures_;
  const std::vector<persistence::partition_id> owned_;
  const std::uint32_t partition_count_;
  std::vector<actors::partition_actor> actors_; ///< In the order of `owned_`.
  std::vector<actors::partition_actor> by_id_;
  const std::shared_ptr<readiness> readiness_;
};

} // namespace perdura::cluster
