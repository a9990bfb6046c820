/// One lane's way to the disk: turns queue up, and whatever has gathered while
/// one sync ran becomes the next commit. No timer, no commit without turns.
#pragma once

#include "persistence/journal/crash_switch.hpp"
#include "persistence/journal/journal_record.hpp"
#include "persistence/records/distribution.hpp"
#include "persistence/views/views.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace perdura::persistence {

/// A record holds at most this much, unless a single turn is larger.
inline constexpr std::size_t journal_record_bytes_max = 1U << 20U;

/// Records behind the views that one commit may delete.
inline constexpr std::size_t trim_records_max = 256;

/// A record's bytes as they are stored: encoded, then its checksum.
std::string seal_record(const journal_record& record);

/// @error errc::storage_damaged  Checksum, shape, lane or place does not fit.
result<journal_record> open_record(journal_position place, std::uint32_t lane,
                                   std::string_view bytes);

class group_committer {
public:
  struct options {
    std::uint32_t lane = 0;
    bool manual = false;       ///< No thread; `commit` is called.
    bool decode_again = false; ///< Feed the views from the bytes written.
    std::size_t backlog_bytes_max = 256U << 20U;
  };

  group_committer(options how, record_log& log, views& into,
                  std::shared_ptr<crash_switch> crash);
  ~group_committer();

  group_committer(const group_committer&) = delete;
  group_committer& operator=(const group_committer&) = delete;

  /// Feeds the views with what the journal has beyond them, and finds the
  /// next position. To be called once, first.
  /// @error errc::storage_damaged  Names the record.
  result<void> recover();

  /// Starts the thread, unless manual.
  void start();

  journal_position enqueue(turn_writes&& turn);
  journal_position gather(turn_writes&& turn);
  void gathered(bool may_block);
  bool is_quiet() const;
  void listen(partition_id partition,
              std::function<void(journal_position)> on_durable);

  journal_position durable() const {
    return durable_;
  }

  /// Commits all that is queued; returns the number of turns.
  std::size_t commit();

  /// Drops the journal's prefix behind the views now. For tests: otherwise
  /// it rides along with commits.
  void trim();

  /// Commits what is queued, then ends the thread.
  void stop();

  /// Called after each commit, on the committer's thread.
  void on_commit(std::function<void()> call) {
    on_commit_ = std::move(call);
  }

  std::uint64_t commits() const {
    return commits_;
  }

  std::uint64_t turns() const {
    return turns_;
  }

  std::uint64_t bytes() const {
    return bytes_;
  }

  distribution commit_turns() const {
    return commit_turns_.now();
  }

  distribution commit_time_us() const {
    return commit_time_us_.now();
  }

private:
  struct queued_turn {
    turn_writes turn;
    std::string bytes;
  };

  void run();
  std::size_t commit_queued();
  void commit_batch(std::vector<queued_turn>&& batch);
  std::vector<record_log::record> fold(std::vector<queued_turn>& batch,
                                       journal_position first) const;
  void append(const std::vector<record_log::record>& records,
              std::size_t trim_max);
  result<void> recover_tail();
  result<void> take_record(journal_record&& record);
  void tell(const std::vector<partition_id>& partitions,
            journal_position reached);

  const options how_;
  record_log& log_;
  views& views_;
  std::shared_ptr<crash_switch> crash_;
  std::function<void()> on_commit_;

  std::mutex queue_mutex_;
  std::condition_variable queue_filled_;
  std::vector<queued_turn> queue_;
  journal_position last_ = 0; ///< Given out.
  std::unordered_map<std::uint32_t, partition_sequence> sequences_;
  bool idle_ = false; ///< The thread waits for turns.

  std::mutex commit_mutex_; // One commit at a time.
  std::atomic<journal_position> durable_{0};
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> turns_{0};
  std::atomic<std::size_t> last_turns_{0}; ///< Of the last commit.
  std::atomic<std::uint64_t> bytes_{0};
  live_distribution commit_turns_;
  live_distribution commit_time_us_;

  // Held while listeners are called: after `listen` has returned, the old
  // one is not called any more.
  std::mutex listeners_mutex_;
  std::unordered_map<std::uint32_t, std::function<void(journal_position)>>
    listeners_;

  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

} // namespace perdura::persistence
