// SPDX-License-Identifier: Apache-2.0
/// Group commit for one lane of the journal. Turns are queued by many
/// threads; one transaction and one sync make all queued turns durable. While
/// a sync runs, the next batch accumulates in the queue. No timer delays a
/// commit, and no commit is made without turns.
/// @source Group commit as in LevelDB's DBImpl::Write.
#pragma once

#include "persistence/journal/durable_listeners.hpp"
#include "persistence/journal/journal_statistics.hpp"
#include "persistence/journal/turn_queue.hpp"
#include "persistence/process/crash_switch.hpp"
#include "persistence/records/histogram.hpp"
#include "persistence/records/journal_record.hpp"
#include "persistence/views/views.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace perdura::persistence {

/// Largest size of a journal record in bytes. A single turn that is larger
/// gets a record of its own.
inline constexpr std::size_t journal_record_bytes_max = 1U << 20U;

/// Maximum number of records that one commit deletes from the beginning of the
/// journal.
inline constexpr std::size_t trim_records_max = 256;

/// A digest of the hub's ID; never 0.
std::uint64_t hub_digest(const hub_identity& hub);

/// Returns the stored form of a record: the encoded record and its checksum.
std::string encode_journal_record(const journal_record& record);

/// Decodes and checks a record that was read at `position` of `lane`.
/// @error errc::storage_damaged  The checksum, shape, lane, position or number
///                               of turns does not match.
/// @error errc::storage_format   The record has another format version.
result<journal_record> decode_journal_record(journal_position position,
                                             std::uint32_t lane,
                                             std::string_view bytes);

/// Assigns positions to turns, writes them to the record log in batches, adds
/// them to the views and then calls the listeners.
///
/// Invariants:
/// - Positions are dense and in the order of the queue.
/// - A turn is in the views before its listener is called, so a listener can
///   read the turns that are reported to it as durable.
/// - At most one commit runs at a time (`commit_mutex_`).
///
/// Bound: while a flush is running and at least `backlog_bytes_max` bytes of
/// turns wait for the next flush, the committer thread pauses after its commit.
/// The queue itself is bounded by its callers.
///
/// Thread-safe, except that `recover` and `start` are called once, in this
/// order, before any other function. `log` and `target` must outlive the
/// committer.
class group_committer {
public:
  struct options {
    std::uint32_t lane = 0;
    std::uint64_t hub = 0; ///< See journal_record::hub.
    /// If true, no thread is started, and the owner calls `commit`.
    bool manual = false;
    /// If true, each record is decoded again after it was written, and the
    /// result is added to the views instead of the original turns. In tests,
    /// every commit thus checks the codec.
    bool decode_after_commit = false;
    std::size_t backlog_bytes_max = 256U << 20U;
  };

  group_committer(options settings, record_log& log, views& target,
                  std::shared_ptr<crash_switch> crash);

  /// Commits what is queued and ends the thread, if one was started.
  ~group_committer();

  group_committer(const group_committer&) = delete;
  group_committer& operator=(const group_committer&) = delete;

  /// Adds to the views all turns of the journal that they do not contain yet,
  /// and determines the next position. Writes nothing to the journal.
  /// @error errc::storage_damaged  A record is damaged or missing, or the
  ///                               views contain positions that the journal
  ///                               does not have. The message names the record.
  /// @error errc::storage_format   A record has another format version.
  result<void> recover();

  /// Starts the committer thread, unless in manual mode.
  void start();

  // The interface `turn_log` documents the next three functions.
  journal_position append(turn_writes&& turn);
  std::optional<journal_position> request_commit(partition_id caller,
                                                 bool may_block);
  void listen(partition_id partition,
              std::function<void(journal_position)> on_durable);

  /// The newest durable position; 0 means that there is no turn.
  journal_position durable() const {
    return durable_;
  }

  /// Commits all queued turns on the calling thread.
  /// @return The number of turns that were queued; 0 if a crash was injected
  ///         earlier.
  std::size_t commit();

  /// Deletes at once all records whose turns the views contain, except the
  /// newest record. Used by tests only: in a running node, each commit deletes
  /// up to `trim_records_max` records.
  void trim();

  /// Commits what is queued, then ends the thread.
  void stop();

  /// Sets a function that is called after each commit, on the thread that
  /// made the commit. Must be called before `start`.
  void on_commit(std::function<void()> call) {
    on_commit_ = std::move(call);
  }

  /// The counters since construction. `views_commits` is 0.
  journal_statistics statistics() const;

  /// journal_statistics::journal_bytes.
  std::uint64_t committed_bytes() const {
    return counters_.bytes;
  }

private:
  /// The part of `journal_statistics` that concerns the commits of a lane.
  struct atomic_counters {
    std::atomic<std::uint64_t> commits{0};
    std::atomic<std::uint64_t> turns{0};
    std::atomic<std::uint64_t> bytes{0};
    atomic_histogram commit_turns;
    atomic_histogram commit_time_us;
  };

  void run();
  bool is_lightly_loaded() const;
  std::size_t commit_queued(std::optional<partition_id> caller = {});
  void commit_batch(std::vector<queued_turn>&& batch,
                    std::optional<partition_id> caller);
  std::vector<record_log::record> build_records(std::vector<queued_turn>& batch,
                                                journal_position first) const;
  void write(const std::vector<record_log::record>& records,
             std::size_t trim_max);
  result<void> recover_tail();
  result<void> add_to_views(journal_record&& record);

  const options options_;
  record_log& log_;
  views& views_;
  std::shared_ptr<crash_switch> crash_;
  std::function<void()> on_commit_;

  turn_queue queue_;

  // Held during a whole commit. Taken before the locks of `queue_`, of
  // `listeners_` and of the views.
  std::mutex commit_mutex_;
  std::atomic<journal_position> durable_{0};
  std::atomic<std::size_t> last_turns_{0}; ///< Turns in the last commit.
  atomic_counters counters_;

  durable_listeners listeners_;
  std::thread thread_;
};

} // namespace perdura::persistence
