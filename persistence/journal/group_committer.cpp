#include "persistence/journal/group_committer.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/thread_role.hpp"
#include "persistence/records/checksum.hpp"
#include "persistence/records/codec.hpp"
#include "persistence/records/keys.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace perdura::persistence {

namespace {

// Raised if a later layout of records cannot be read by this program.
constexpr std::uint32_t record_format = 1;

// LMDB's transaction bears 131,072 dirty pages, 512 MiB; a commit stays far
// below that.
constexpr std::size_t commit_bytes_max = 64U << 20U;

// A commit of more turns says that there is much to do: then the thread's are
// larger, because more gathers while it is woken. Measured at 128 in flight:
// 54 turns a commit instead of 41, and 97 us an orchestration instead of 109.
constexpr std::size_t quiet_turns_max = 2;

// While the views are brought up from a long journal.
constexpr std::size_t recovery_bytes_max = 64U << 20U;

error damaged_record(journal_position place, std::uint32_t lane,
                     const std::string& how) {
  return {errc::storage_damaged,
          "the journal record at position " + std::to_string(place)
            + " of lane " + std::to_string(lane) + " is damaged (" + how
            + "); keep a copy of the data directory and restore it from a "
              "backup"};
}

} // namespace

std::string seal_record(const journal_record& record) {
  std::string bytes;
  encode_to(bytes, record);
  bytes += big_endian(checksum_of(bytes, record.first));
  return bytes;
}

result<journal_record> open_record(journal_position place, std::uint32_t lane,
                                   std::string_view bytes) {
  if (bytes.size() < checksum_size)
    return damaged_record(place, lane, "too short");
  const std::string_view body = bytes.substr(0, bytes.size() - checksum_size);
  if (parse_big_endian(bytes.substr(body.size())) != checksum_of(body, place))
    return damaged_record(place, lane, "its checksum does not fit");
  auto record = decode<journal_record>(body);
  if (!record)
    return record.code() == errc::storage_format
             ? record.error()
             : damaged_record(place, lane, record.error().message);
  if (record->format != record_format)
    return error{errc::storage_format,
                 "the journal was written in record format "
                   + std::to_string(record->format)
                   + "; this program reads format "
                   + std::to_string(record_format)};
  std::uint64_t count = 0;
  for (const partition_turns& turns : record->partitions)
    count += turns.turns.size();
  if (record->lane != lane || record->first != place || count == 0
      || record->count != count)
    return damaged_record(place, lane, "it belongs elsewhere");
  return record;
}

group_committer::group_committer(options how, record_log& log, views& into,
                                 std::shared_ptr<crash_switch> crash)
  : how_(how), log_(log), views_(into), crash_(std::move(crash)) {}

group_committer::~group_committer() {
  if (thread_.joinable()) {
    stopping_ = true;
    { std::lock_guard lock(queue_mutex_); }
    queue_filled_.notify_all();
    thread_.join();
  }
}

// --- Recovery ----------------------------------------------------------------

result<void> group_committer::recover() {
  try {
    return recover_tail();
  } catch (const storage_exception& e) {
    return e.reason();
  }
}

result<void> group_committer::recover_tail() {
  const journal_position applied = views_.applied();
  journal_position reached = applied;
  const auto newest = log_.last();
  if (!newest && applied > 0)
    return damaged_record(applied, how_.lane, "the journal is empty");
  if (newest) {
    // Also when the views hold it already: the tail must be sound.
    const auto record = open_record(newest->first, how_.lane, newest->bytes);
    if (!record)
      return record.error();
    const journal_position end = record->first + record->count - 1;
    if (end < applied)
      return damaged_record(record->first, how_.lane,
                            "the views are ahead of the journal's end");
  }
  while (auto stored = log_.read(reached + 1)) {
    if (stored->first != reached + 1)
      return damaged_record(reached + 1, how_.lane, "it is missing");
    auto record = open_record(stored->first, how_.lane, stored->bytes);
    if (!record)
      return record.error();
    reached += record->count;
    if (const auto taken = take_record(std::move(*record)); !taken)
      return taken;
    if (views_.waiting().bytes > recovery_bytes_max)
      if (const auto flushed = views_.flush(); !flushed)
        return flushed;
  }
  if (newest && reached == applied && applied > 0) {
    const auto record = open_record(newest->first, how_.lane, newest->bytes);
    if (record->first + record->count - 1 != applied)
      return damaged_record(record->first, how_.lane,
                            "the views end within it");
  }
  std::lock_guard lock(queue_mutex_);
  last_ = durable_ = reached;
  return {};
}

result<void> group_committer::take_record(journal_record&& record) {
  std::vector<views::weighed_turn> turns;
  turns.reserve(record.count);
  for (const partition_turns& group : record.partitions) {
    partition_sequence sequence = group.first_sequence;
    for (const encoded_turn& bytes : group.turns) {
      auto turn = decode<turn_writes>(bytes.bytes);
      if (!turn)
        return turn.code() == errc::storage_format
                 ? turn.error()
                 : damaged_record(record.first, how_.lane,
                                  turn.error().message);
      if (turn->partition != group.partition || turn->sequence != sequence)
        return damaged_record(record.first, how_.lane,
                              "a turn of it belongs elsewhere");
      ++sequence;
      turns.push_back({std::move(*turn), bytes.bytes.size()});
    }
  }
  views_.add(record.first + record.count - 1, std::move(turns));
  return {};
}

// --- The way of a turn -------------------------------------------------------

journal_position group_committer::enqueue(turn_writes&& turn) {
  const journal_position place = gather(std::move(turn));
  gathered(false);
  return place;
}

/// Whoever is waited for is woken: the thread looks at the queue by itself
/// whenever it has committed.
void group_committer::gathered(bool may_block) {
  const auto waits_for_thread = [this] {
    std::lock_guard lock(queue_mutex_);
    return idle_ && !queue_.empty();
  };
  if (!waits_for_thread())
    return;
  if (may_block && views_.has_room(how_.backlog_bytes_max)) {
    std::unique_lock committing(commit_mutex_, std::try_to_lock);
    if (committing)
      commit_queued();
    committing = {};
    if (!waits_for_thread())
      return;
  }
  queue_filled_.notify_one();
}

bool group_committer::is_quiet() const {
  return last_turns_ <= quiet_turns_max;
}

journal_position group_committer::gather(turn_writes&& turn) {
  queued_turn item;
  item.bytes.reserve(512);
  encode_to(item.bytes, turn);
  item.turn = std::move(turn);
  std::lock_guard lock(queue_mutex_);
  // What a replica is sent must have no holes: a wrong number is a defect of
  // the caller.
  partition_sequence& sequence = sequences_[index_of(item.turn.partition)];
  if (sequence != 0 && item.turn.sequence != sequence + 1)
    throw std::logic_error(
      "partition " + std::to_string(index_of(item.turn.partition))
      + " queued turn " + std::to_string(item.turn.sequence) + " after "
      + std::to_string(sequence));
  sequence = item.turn.sequence;
  queue_.push_back(std::move(item));
  return ++last_;
}

std::vector<record_log::record>
group_committer::fold(std::vector<queued_turn>& batch,
                      journal_position first) const {
  std::vector<record_log::record> records;
  journal_record record;
  std::unordered_map<std::uint32_t, std::size_t> groups;
  std::size_t size = 0;
  const auto close_record = [&] {
    if (record.count == 0)
      return;
    records.push_back({record.first, seal_record(record)});
    first += record.count;
  };
  const auto begin_record = [&] {
    record = {};
    record.format = record_format;
    record.lane = how_.lane;
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
    if (fresh || record.partitions[found->second].epoch != item.turn.epoch) {
      found->second = record.partitions.size();
      record.partitions.push_back(
        {item.turn.partition, item.turn.epoch, item.turn.sequence, {}});
    }
    // 32: a group's head and a turn's length.
    size += item.bytes.size() + 32;
    ++record.count;
    record.partitions[found->second].turns.push_back({std::move(item.bytes)});
  }
  close_record();
  return records;
}

void group_committer::commit_batch(std::vector<queued_turn>&& batch) {
  const std::uint64_t n = commits_ + 1;
  if (crash_->crashes_at(crash_point::before_commit, n))
    return;
  std::vector<views::weighed_turn> turns;
  std::vector<partition_id> partitions;
  for (const queued_turn& item : batch)
    partitions.push_back(item.turn.partition);
  std::sort(partitions.begin(), partitions.end());
  partitions.erase(std::unique(partitions.begin(), partitions.end()),
                   partitions.end());
  std::vector<std::size_t> sizes;
  for (const queued_turn& item : batch)
    sizes.push_back(item.bytes.size());

  const journal_position reached = durable_ + batch.size();
  const auto records = fold(batch, durable_ + 1);
  const auto began = std::chrono::steady_clock::now();
  append(records, trim_records_max);
  const auto took = std::chrono::steady_clock::now() - began;
  commit_time_us_.add(static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  commit_turns_.add(batch.size());
  last_turns_ = batch.size();
  for (const record_log::record& record : records)
    bytes_ += record.bytes.size();
  turns_ += batch.size();
  commits_ = n;
  if (crash_->crashes_at(crash_point::after_commit, n))
    return;

  if (how_.decode_again) {
    for (const record_log::record& record : records)
      take_record(open_record(record.first, how_.lane, record.bytes).value())
        .value();
  } else {
    for (std::size_t i = 0; i < batch.size(); ++i)
      turns.push_back({std::move(batch[i].turn), sizes[i]});
    views_.add(reached, std::move(turns));
  }
  durable_ = reached;
  tell(partitions, reached);
  if (on_commit_)
    on_commit_();
}

std::size_t group_committer::commit() {
  std::lock_guard committing(commit_mutex_);
  return commit_queued();
}

/// Under the commit mutex.
std::size_t group_committer::commit_queued() {
  std::vector<queued_turn> batch;
  {
    std::lock_guard lock(queue_mutex_);
    batch.swap(queue_);
  }
  if (crash_->crashed())
    return 0;
  std::size_t turns = batch.size();
  // Several commits only when far more has gathered than one should hold.
  while (!batch.empty() && !crash_->crashed()) {
    std::size_t size = 0;
    std::size_t count = 0;
    while (count < batch.size() && size < commit_bytes_max)
      size += batch[count++].bytes.size();
    if (count == batch.size()) {
      commit_batch(std::move(batch));
      break;
    }
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<queued_turn> part(std::make_move_iterator(batch.begin()),
                                  std::make_move_iterator(middle));
    batch.erase(batch.begin(), middle);
    commit_batch(std::move(part));
  }
  return turns;
}

void group_committer::trim() {
  std::lock_guard committing(commit_mutex_);
  if (!crash_->crashed())
    append({}, static_cast<std::size_t>(-1));
}

void group_committer::append(const std::vector<record_log::record>& records,
                             std::size_t trim_max) {
  try {
    log_.append(records, views_.applied(), trim_max);
  } catch (const storage_exception& e) {
    end_process("the journal could not be written: " + e.reason().message
                + "; nothing that was not acknowledged is kept, and the next "
                  "start recovers the rest");
  }
}

// --- The thread --------------------------------------------------------------

void group_committer::start() {
  if (!how_.manual)
    thread_ = std::thread([this] { run(); });
}

void group_committer::run() {
  enter_thread_role("journal");
  for (;;) {
    {
      std::unique_lock lock(queue_mutex_);
      idle_ = true;
      queue_filled_.wait(lock, [this] { return !queue_.empty() || stopping_; });
      idle_ = false;
      if (queue_.empty())
        return;
    }
    commit();
    // A disk that is slower for the views than for the journal slows the
    // journal down, before memory runs out.
    views_.await_room(how_.backlog_bytes_max, stopping_);
  }
}

void group_committer::stop() {
  if (!thread_.joinable()) {
    commit();
    return;
  }
  {
    std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  queue_filled_.notify_all();
  thread_.join();
}

// --- Listeners ---------------------------------------------------------------

void group_committer::listen(partition_id partition,
                             std::function<void(journal_position)> on_durable) {
  std::lock_guard lock(listeners_mutex_);
  listeners_[index_of(partition)] = std::move(on_durable);
}

void group_committer::tell(const std::vector<partition_id>& partitions,
                           journal_position reached) {
  std::lock_guard lock(listeners_mutex_);
  for (partition_id partition : partitions) {
    const auto found = listeners_.find(index_of(partition));
    if (found != listeners_.end() && found->second)
      found->second(reached);
  }
}

} // namespace perdura::persistence
