// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/group_committer.hpp"

#include "persistence/process/process_end.hpp"
#include "persistence/process/space_wait.hpp"
#include "persistence/process/thread_role.hpp"
#include "persistence/records/checksum.hpp"
#include "persistence/records/codec.hpp"
#include "persistence/records/keys.hpp"
#include "persistence/views/views_load.hpp"

#include <algorithm>
#include <chrono>

namespace perdura::persistence {

namespace {

// Number of the record layout. It is raised when older programs must refuse
// newer records.
constexpr std::uint32_t record_format = 1;

// An LMDB transaction can hold 131,072 dirty pages, 512 MiB. A commit stays
// far below that limit.
constexpr std::size_t commit_bytes_max = 64U << 20U;

// If the last commit contained at most this many turns, the load is light and
// the calling thread may commit. Under higher load the committer thread
// commits: more turns are queued while it is being woken, so its commits are
// larger. In a measurement with 128 orchestrations in flight, the committer
// thread committed 54 turns at a time instead of 41, and an orchestration
// needed 97 us of CPU instead of 109 us.
constexpr std::size_t light_load_turns_max = 2;

// During recovery the views are flushed whenever this many bytes of turns are
// in memory, so that a long journal does not have to fit into memory.
constexpr std::size_t recovery_bytes_max = 64U << 20U;

/// Returns errc::storage_damaged for a record that cannot be used. `defect`
/// stands in brackets in the message.
error damaged_record(journal_position position, std::uint32_t lane,
                     const std::string& defect) {
  return {errc::storage_damaged,
          "the journal record at position " + std::to_string(position)
            + " of lane " + std::to_string(lane) + " is damaged (" + defect
            + "); keep a copy of the data directory and restore it from a "
              "backup"};
}

/// The sequences of the partitions in the views.
turn_queue::sequence_map stored_sequences(const row_reader& rows) {
  turn_queue::sequence_map sequences;
  for (const auto& [partition, meta] : read_partition_metas(rows))
    sequences[partition] = meta.sequence;
  return sequences;
}

} // namespace

std::uint64_t hub_digest(const hub_identity& hub) {
  return std::max<std::uint64_t>(checksum_of(hub.hub_id), 1);
}

std::string encode_journal_record(const journal_record& record) {
  std::string bytes;
  encode_to(bytes, record);
  bytes += big_endian(checksum_of(bytes, record.first));
  return bytes;
}

result<journal_record> decode_journal_record(journal_position position,
                                             std::uint32_t lane,
                                             std::string_view bytes) {
  if (bytes.size() < checksum_size)
    return damaged_record(position, lane, "too short");
  const std::string_view body = bytes.substr(0, bytes.size() - checksum_size);
  if (parse_big_endian(bytes.substr(body.size()))
      != checksum_of(body, position))
    return damaged_record(position, lane, "its checksum does not match");
  auto record = decode<journal_record>(body);
  if (!record)
    return record.code() == errc::storage_format
             ? record.error()
             : damaged_record(position, lane, record.error().message);
  if (record->format != record_format)
    return error{errc::storage_format,
                 "the journal was written in record format "
                   + std::to_string(record->format)
                   + "; this program reads format "
                   + std::to_string(record_format)};
  std::uint64_t count = 0;
  for (const partition_turns& turns : record->partitions)
    count += turns.turns.size();
  if (record->lane != lane || record->first != position || count == 0
      || record->count != count)
    return damaged_record(position, lane,
                          "its lane, position or count does not match");
  return record;
}

group_committer::group_committer(options settings, record_log& log,
                                 views& target,
                                 std::shared_ptr<crash_switch> crash)
  : options_(settings), log_(log), views_(target), crash_(std::move(crash)) {}

group_committer::~group_committer() {
  queue_.stop();
  if (thread_.joinable())
    thread_.join();
}

// --- Recovery ----------------------------------------------------------------

result<void> group_committer::recover() {
  try {
    return recover_tail();
  } catch (const storage_exception& e) {
    return e.reason();
  }
}

/// Reads the part of the journal that the views do not contain.
/// @throws storage_exception  The record log cannot be read.
result<void> group_committer::recover_tail() {
  const journal_position applied = views_.applied();
  journal_position reached = applied;
  turn_queue::sequence_map sequences = stored_sequences(*views_.rows().read());
  const auto newest = log_.last();
  if (!newest && applied > 0)
    return damaged_record(applied, options_.lane, "the journal is empty");
  if (newest) {
    // The newest record is checked even if the views contain it already: a
    // damaged end of the journal must be found before new turns follow it.
    const auto record
      = decode_journal_record(newest->first, options_.lane, newest->bytes);
    if (!record)
      return record.error();
    const journal_position end = record->first + record->count - 1;
    if (end < applied)
      return damaged_record(record->first, options_.lane,
                            "the views contain later positions than the "
                            "journal");
  }
  while (auto stored = log_.read(reached + 1)) {
    if (stored->first != reached + 1)
      return damaged_record(reached + 1, options_.lane, "it is missing");
    auto record
      = decode_journal_record(stored->first, options_.lane, stored->bytes);
    if (!record)
      return record.error();
    reached += record->count;
    // An interrupted flush may have stored a later sequence already.
    for (const partition_turns& group : record->partitions) {
      partition_sequence& last = sequences[index_of(group.partition)];
      last = std::max(last, group.first_sequence + group.turns.size() - 1);
    }
    if (const auto added = add_to_views(std::move(*record)); !added)
      return added;
    if (views_.current_backlog().bytes > recovery_bytes_max)
      if (const auto flushed = views_.flush(); !flushed)
        return flushed;
  }
  // If the loop has read nothing, the newest record begins at or before
  // `applied`. It must end exactly there, because a flush never ends inside a
  // record.
  if (newest && reached == applied && applied > 0) {
    const auto record
      = decode_journal_record(newest->first, options_.lane, newest->bytes);
    if (record->first + record->count - 1 != applied)
      return damaged_record(record->first, options_.lane,
                            "the position of the views lies inside it");
  }
  // New turns get the positions after the last one in the journal.
  durable_ = reached;
  queue_.start_after(reached, std::move(sequences));
  return {};
}

/// Decodes the turns of a record and adds them to the views.
result<void> group_committer::add_to_views(journal_record&& record) {
  std::vector<views::sized_turn> turns;
  turns.reserve(record.count);
  for (const partition_turns& group : record.partitions) {
    partition_sequence sequence = group.first_sequence;
    for (const encoded_turn& bytes : group.turns) {
      auto turn = decode<turn_writes>(bytes.bytes);
      if (!turn)
        return turn.code() == errc::storage_format
                 ? turn.error()
                 : damaged_record(record.first, options_.lane,
                                  turn.error().message);
      if (turn->partition != group.partition || turn->sequence != sequence)
        return damaged_record(
          record.first, options_.lane,
          "the partition or sequence of a turn does not match");
      ++sequence;
      turns.push_back({std::move(*turn), bytes.bytes.size()});
    }
  }
  views_.add(record.first + record.count - 1, std::move(turns));
  return {};
}

// --- Queueing and committing turns -------------------------------------------

/// Wakes the committer thread only if it is idle and turns are queued. If it
/// is not idle, it looks at the queue again after its commit.
std::optional<journal_position>
group_committer::request_commit(partition_id caller, bool may_block) {
  if (!queue_.needs_wake())
    return {};
  std::optional<journal_position> reached;
  if (may_block && is_lightly_loaded()
      && views_.has_capacity(options_.backlog_bytes_max)) {
    // If another commit is running, this thread does not wait for it.
    const std::unique_lock committing(commit_mutex_, std::try_to_lock);
    if (committing) {
      const journal_position before = durable_;
      commit_queued(caller);
      // Another thread may have emptied the queue, and after an injected crash
      // nothing becomes durable.
      if (durable_ > before)
        reached = durable_;
    }
  }
  if (queue_.needs_wake())
    queue_.wake();
  return reached;
}

bool group_committer::is_lightly_loaded() const {
  return last_turns_ <= light_load_turns_max;
}

journal_position group_committer::append(turn_writes&& turn) {
  return queue_.append(std::move(turn));
}

/// Distributes a batch over records of at most `journal_record_bytes_max`
/// bytes. Within a record, turns are grouped by partition and owner epoch.
std::vector<record_log::record>
group_committer::build_records(std::vector<queued_turn>& batch,
                               journal_position first) const {
  std::vector<record_log::record> records;
  journal_record record;
  std::unordered_map<std::uint32_t, std::size_t> groups;
  std::size_t size = 0;
  const auto close_record = [&] {
    if (record.count == 0)
      return;
    records.push_back({record.first, encode_journal_record(record)});
    first += record.count;
  };
  const auto begin_record = [&] {
    record = {};
    record.format = record_format;
    record.lane = options_.lane;
    record.hub = options_.hub;
    record.first = first;
    groups.clear();
    size = 0;
  };
  begin_record();
  for (queued_turn& item : batch) {
    if (size > 0 && size + item.bytes.size() > journal_record_bytes_max) {
      close_record();
      begin_record();
    }
    const auto [found, fresh] = groups.try_emplace(
      index_of(item.turn.partition), record.partitions.size());
    // A group has one epoch, so a turn of a newer epoch begins another group.
    if (fresh || record.partitions[found->second].epoch != item.turn.epoch) {
      found->second = record.partitions.size();
      record.partitions.push_back(
        {item.turn.partition, item.turn.epoch, item.turn.sequence, {}});
    }
    // The head of a group and the length of a turn take less than 32 bytes.
    size += item.bytes.size() + 32;
    ++record.count;
    record.partitions[found->second].turns.push_back({std::move(item.bytes)});
  }
  close_record();
  return records;
}

/// Makes a batch durable, adds it to the views and calls the listeners, in
/// this order; not the listener of `caller`. The calling thread holds the
/// commit mutex.
void group_committer::commit_batch(std::vector<queued_turn>&& batch,
                                   std::optional<partition_id> caller) {
  // At an injected crash the function returns at once. As in a real crash, a
  // batch that is not durable yet is lost. A batch that is durable already is
  // kept, but its listeners are not called.
  const std::uint64_t n = counters_.commits + 1;
  if (crash_->crashes_at(crash_point::before_commit, n))
    return;
  std::vector<views::sized_turn> turns;
  std::vector<partition_id> partitions;
  for (const queued_turn& item : batch)
    partitions.push_back(item.turn.partition);
  std::sort(partitions.begin(), partitions.end());
  partitions.erase(std::unique(partitions.begin(), partitions.end()),
                   partitions.end());
  // The sizes of the encoded turns are copied first, because `build_records`
  // moves the turns out of the batch.
  std::vector<std::size_t> sizes;
  for (const queued_turn& item : batch)
    sizes.push_back(item.bytes.size());

  const journal_position reached = durable_ + batch.size();
  const auto records = build_records(batch, durable_ + 1);
  const auto began = std::chrono::steady_clock::now();
  write(records, trim_records_max); // The batch is durable after this.
  const auto took = std::chrono::steady_clock::now() - began;
  counters_.commit_time_us.add(static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  counters_.commit_turns.add(batch.size());
  last_turns_ = batch.size();
  for (const record_log::record& record : records)
    counters_.bytes += record.bytes.size();
  counters_.turns += batch.size();
  counters_.commits = n;
  if (crash_->crashes_at(crash_point::after_commit, n))
    return;

  if (options_.decode_after_commit) {
    for (const record_log::record& record : records)
      add_to_views(
        decode_journal_record(record.first, options_.lane, record.bytes)
          .value())
        .value();
  } else {
    for (std::size_t i = 0; i < batch.size(); ++i)
      turns.push_back({std::move(batch[i].turn), sizes[i]});
    views_.add(reached, std::move(turns));
  }
  // The views contain the turns now, so listeners may read them.
  durable_ = reached;
  listeners_.report(partitions, reached, caller);
  if (on_commit_)
    on_commit_();
}

std::size_t group_committer::commit() {
  std::lock_guard committing(commit_mutex_);
  return commit_queued();
}

/// Commits the whole queue, without a call of the listener of `caller`. The
/// calling thread holds the commit mutex.
std::size_t group_committer::commit_queued(std::optional<partition_id> caller) {
  std::vector<queued_turn> batch = queue_.take();
  if (crash_->crashed())
    return 0;
  std::size_t turns = batch.size();
  // The whole queue is one batch, unless it exceeds `commit_bytes_max`.
  while (!batch.empty() && !crash_->crashed()) {
    std::size_t size = 0;
    std::size_t count = 0;
    while (count < batch.size() && size < commit_bytes_max)
      size += batch[count++].bytes.size();
    if (count == batch.size()) {
      commit_batch(std::move(batch), caller);
      break;
    }
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<queued_turn> part(std::make_move_iterator(batch.begin()),
                                  std::make_move_iterator(middle));
    batch.erase(batch.begin(), middle);
    commit_batch(std::move(part), caller);
  }
  return turns;
}

// Appends no records and deletes all old records that may be deleted.
void group_committer::trim() {
  std::lock_guard committing(commit_mutex_);
  if (!crash_->crashed())
    write({}, static_cast<std::size_t>(-1));
}

/// Appends and syncs records and deletes old ones. If the disk has no space,
/// nothing was written, and the write waits for space. A failed sync cannot be
/// repeated: the kernel may have dropped the pages that it failed to write.
/// Therefore any other storage error here ends the process.
void group_committer::write(const std::vector<record_log::record>& records,
                            std::size_t trim_max) {
  for (space_wait space("the journal");;) {
    try {
      log_.append(records, views_.applied(), trim_max);
      return;
    } catch (const storage_exception& e) {
      if (e.reason().code != errc::storage_full)
        end_process("the journal could not be written: " + e.reason().message
                    + "; everything acknowledged so far is durable, and the "
                      "next start recovers it");
      space.wait(e.reason().message);
    }
  }
}

// --- The committer thread ----------------------------------------------------

void group_committer::start() {
  if (!options_.manual)
    thread_ = std::thread(
      [this] { run_thread_body("the journal thread", [this] { run(); }); });
}

/// The loop of the committer thread. After the queue was stopped, it commits
/// what is queued and ends.
void group_committer::run() {
  enter_thread_role("journal");
  while (queue_.wait()) {
    commit();
    // If flushes of the views are slower than commits, the committer waits
    // for them here. This bounds the memory used by unflushed turns.
    views_.await_capacity(options_.backlog_bytes_max, queue_.stopping());
  }
}

void group_committer::stop() {
  if (!thread_.joinable()) {
    commit();
    return;
  }
  queue_.stop();
  thread_.join();
}

// --- Listeners and counters
// ---------------------------------------------------------------

void group_committer::listen(partition_id partition,
                             std::function<void(journal_position)> on_durable) {
  listeners_.set(partition, std::move(on_durable));
}

journal_statistics group_committer::statistics() const {
  return {.commits = counters_.commits,
          .views_commits = 0,
          .turns = counters_.turns,
          .journal_bytes = counters_.bytes,
          .rows_scrubbed = 0,
          .scrub_passes = 0,
          .rows_damaged = 0,
          .commit_turns = counters_.commit_turns.now(),
          .commit_time_us = counters_.commit_time_us.now()};
}

} // namespace perdura::persistence
