// SPDX-License-Identifier: Apache-2.0
/// Reports to a partition the commits that the partition's thread has made
/// itself. The processor must not be called again while it queues turns, so the
/// position of such a commit is kept until the processor has returned.
#pragma once

#include "persistence/records/ids.hpp"

#include <optional>
#include <utility>

namespace perdura::actors {

using persistence::journal_position;

/// Largest number of reports that follow each other without a look at the
/// mailbox. A report can queue turns that are committed and reported in turn,
/// so without a limit the other messages of the partition could wait for ever.
inline constexpr int own_commit_rounds_max = 4;

/// Not thread-safe: used by the thread that calls the processor.
class own_commits {
public:
  /// Keeps the result of `turn_log::request_commit`. A position includes all
  /// earlier ones.
  void add(std::optional<journal_position> reached) {
    if (reached)
      reached_ = reached;
  }

  /// Calls `report(position)` for the kept position, and again for each one
  /// that is added during the call, at most `own_commit_rounds_max` times. To
  /// be called when the processor has returned.
  /// @return The position that is left at the limit. The caller must report it
  ///         after the messages that wait in its mailbox.
  template <class Report>
  std::optional<journal_position> report_each(Report report) {
    for (int round = 0; reached_ && round < own_commit_rounds_max; ++round) {
      const journal_position position = *reached_;
      reached_.reset();
      report(position);
    }
    return std::exchange(reached_, std::nullopt);
  }

private:
  std::optional<journal_position> reached_;
};

} // namespace perdura::actors
