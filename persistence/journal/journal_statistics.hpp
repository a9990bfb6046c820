// SPDX-License-Identifier: Apache-2.0
/// The counters of a journal. Each counter is declared only here: the code for
/// sums, statistics and metrics reads the tables below.
#pragma once

#include <perdura/persistence/records/histogram.hpp>

#include <array>
#include <cstdint>

namespace perdura::persistence {

/// Counters since the journal was opened, summed over its lanes.
struct journal_statistics {
  std::uint64_t commits = 0;       ///< Synced transactions of the journal.
  std::uint64_t views_commits = 0; ///< Synced transactions of the views.
  std::uint64_t turns = 0;         ///< Turns committed to the journal.
  std::uint64_t journal_bytes = 0; ///< Bytes of the journal records written.
  std::uint64_t rows_scrubbed = 0; ///< Rows that the slow check has read.
  std::uint64_t scrub_passes = 0;  ///< Passes of this check over all rows.
  std::uint64_t rows_damaged = 0;  ///< Damaged rows that it has found.
  histogram commit_turns;          ///< Turns in each commit.
  histogram commit_time_us;        ///< Microseconds to write and sync a commit.
};

/// A counter and its metric in /metrics.
struct journal_counter {
  std::uint64_t journal_statistics::*value;
  const char* metric;
  const char* help;
};

inline constexpr auto journal_counter_table = std::to_array<journal_counter>({
  {&journal_statistics::commits, "perdura_journal_commits_total",
   "Synced commits of the journal."},
  {&journal_statistics::views_commits, "perdura_views_commits_total",
   "Synced commits of the views."},
  {&journal_statistics::turns, "perdura_journal_turns_total",
   "Turns committed to the journal."},
  {&journal_statistics::journal_bytes, "perdura_journal_bytes_total",
   "Bytes of journal records written."},
  {&journal_statistics::rows_scrubbed, "perdura_scrubbed_rows_total",
   "Stored rows that the slow check has read."},
  {&journal_statistics::scrub_passes, "perdura_scrub_passes_total",
   "Passes of the slow check over all stored rows of a lane."},
  {&journal_statistics::rows_damaged, "perdura_damaged_rows_total",
   "Damaged rows that the slow check has found; the log names them."},
});

/// A histogram and its metric in /metrics.
struct journal_histogram {
  histogram journal_statistics::*values;
  const char* metric;
  const char* help;
  double unit; ///< The metric shows the recorded values divided by `unit`.
};

inline constexpr auto journal_histogram_table
  = std::to_array<journal_histogram>({
    {&journal_statistics::commit_turns, "perdura_journal_commit_turns",
     "Turns in one commit.", 1},
    {&journal_statistics::commit_time_us, "perdura_journal_commit_seconds",
     "Time to write and sync one commit.", 1e6},
  });

static_assert(sizeof(journal_statistics)
                == journal_counter_table.size() * sizeof(std::uint64_t)
                     + journal_histogram_table.size() * sizeof(histogram),
              "each counter has one row in a table");

} // namespace perdura::persistence
