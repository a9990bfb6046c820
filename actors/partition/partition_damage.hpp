// SPDX-License-Identifier: Apache-2.0
/// What a partition knows about damaged rows: the instances that it cannot use,
/// and the messages from other partitions that wait until they are repaired.
///
/// A damaged instance refuses every request with errc::storage_damaged, and
/// nothing is written for it. A message from another partition is stored in the
/// outbox, under the destination `quarantine_partition`, in the turn that
/// advances the mark of its source; so it does not block the messages after it.
/// When the instance can be read again, its messages move to the partition's
/// outbox to itself, in one turn, and are delivered like all others.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/records.hpp"
#include "persistence/views/partition_snapshot.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace perdura::actors {

// Bounds of the quarantine of one partition. At a bound, the partition accepts
// no further message for a damaged instance: the messages of that source wait
// at the source, which asks again (partition_config::probe_interval).
inline constexpr std::size_t quarantined_messages_max = 4'096;
inline constexpr std::size_t quarantined_bytes_max = 4U << 20U;

/// Maximum number of damaged instances that `stuck` lists, and whose work goes
/// on without a new start of the node. All of them refuse requests.
inline constexpr std::size_t damaged_instances_max = 1'000;

/// The work of a damaged instance that goes on when it can be read again.
struct damaged_work {
  std::set<persistence::task_sequence> activities;
  std::set<std::pair<persistence::time_scale, persistence::due_task>> timers;
  bool turn_due = false;
};

/// Not thread-safe: the partition_processor owns it.
class partition_damage {
public:
  enum class extent : std::uint8_t {
    rows,      ///< The instance cannot be read.
    set_aside, ///< A flush has set it aside, or its history cannot be read; it
               ///< stays so in this process.
    part, ///< It can be read, but a part of its work is missing, e.g. the input
          ///< of an activity.
  };

  /// Notes a damaged instance.
  /// @return True if it was not known.
  bool note(const persistence::instance_id& id, extent what,
            const std::string& error);

  /// Notes that the instance could be read; `what` is the extent up to which it
  /// is sound.
  void note_sound(const persistence::instance_id& id,
                  extent what = extent::rows);

  /// The error of an instance that is set aside; null if it is not.
  const std::string* set_aside(const persistence::instance_id& id) const;

  /// Damaged rows that belong to no known instance, a sentence for each.
  void note_row(const std::string& sentence);

  /// The instances, and the rows with an empty ID, each with a sentence.
  std::vector<std::pair<persistence::instance_id, std::string>> list() const;

  std::size_t count() const {
    return instances_.size();
  }

  bool empty() const {
    return instances_.empty();
  }

  /// Streams whose next message is not accepted because a bound is reached.
  std::set<persistence::partition_id> waiting;
  /// Sum of `message_bytes_of` over the quarantine.
  std::size_t quarantined_bytes = 0;
  /// By instance. An instance that can be read may be among them, until
  /// `retry_at`.
  std::map<persistence::instance_id, damaged_work> work;
  /// When the instances of the quarantine and of `work` are read again.
  std::optional<persistence::elapsed_time> retry_at;
  /// Instances whose messages have left the quarantine, and the last sequence
  /// of these messages in the partition's outbox to itself. Later messages
  /// follow them, until that message is accepted.
  std::map<persistence::instance_id, std::uint64_t> released;
  /// The number of set-aside instances of the lane that was seen last.
  std::size_t set_aside_seen = 0;

private:
  struct noted {
    extent what = extent::rows;
    std::string error;
  };

  std::map<persistence::instance_id, noted> instances_;
  std::vector<std::string> rows_;
};

} // namespace perdura::actors
