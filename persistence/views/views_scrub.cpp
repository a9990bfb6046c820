// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/views_scrub.hpp"

#include "persistence/process/thread_role.hpp"
#include "persistence/process/thread_start.hpp"
#include "persistence/views/instance_rows.hpp"
#include "persistence/views/rows.hpp"

#include <algorithm>
#include <array>
#include <system_error>

namespace perdura::persistence {

namespace {

/// Damaged rows that are remembered, so that each is reported once.
constexpr std::size_t known_damage_max = 1'000;

constexpr std::array scrubbed_tables{
  table::instances, table::due,           table::activities,
  table::turns_due, table::by_created,    table::by_status,
  table::counts,    table::outbox,        table::outbox_heads,
  table::marks,     table::partitions,    table::meta,
  table::requests,  table::request_counts};

partition_id partition_in(std::string_view key) {
  return partition_id{std::uint32_t{static_cast<unsigned char>(key[0])} << 8U
                      | std::uint32_t{static_cast<unsigned char>(key[1])}};
}

/// Checks one row and its relations.
class row_check {
public:
  row_check(const row_reader& rows, table t, std::string_view key,
            std::string_view row)
    : rows_(rows), t_(t), key_(key), row_(row) {}

  /// @throws storage_exception  The row, or one that belongs to it, is damaged
  ///                            or missing.
  void run() const {
    const auto found = rows_.get(t_, key_);
    if (!found || found->data() != row_.data())
      throw_damaged(t_, key_, "it is not found by its key");
    if (t_ == table::meta)
      return static_cast<void>(checked_payload(t_, key_, row_));
    if (key_.size() < 2)
      throw_damaged(t_, key_, "its key is too short");
    switch (t_) {
    case table::instances:
      return check_instance_row();
    case table::due:
      return check_due(decode_row<std::uint64_t>(t_, key_, row_));
    case table::activities:
      decode_row<std::uint64_t>(t_, key_, row_);
      return static_cast<void>(task_of(parse_activity_key(key_)));
    case table::turns_due:
      decode_row<std::uint64_t>(t_, key_, row_);
      if (!record_of(instance_id(key_.substr(2))).turn_due)
        throw_damaged(t_, key_, "no turn of its instance is due");
      return;
    case table::by_created:
    case table::by_status:
      return check_index_row();
    default:
      checked_payload(t_, key_, row_);
    }
  }

private:
  void require(table t, const std::string& key) const {
    if (!rows_.get(t, key))
      throw_damaged(t, key, "it is missing, but its instance exists");
  }

  void check_instance_row() const {
    const partition_id partition = partition_in(key_);
    const instance_id id = id_of_instance_key(key_);
    const std::size_t kind_at = 2 + id.size() + 1;
    if (kind_at >= key_.size())
      throw_damaged(t_, key_, "its key is too short");
    switch (static_cast<row_kind>(key_[kind_at])) {
    case row_kind::record: {
      const auto record = decode_row<instance_record>(t_, key_, row_);
      require(table::by_created, created_key(partition, record.created_at, id));
      require(table::by_status,
              status_key(partition, record.status, record.created_at, id));
      if (record.turn_due)
        require(table::turns_due, turn_due_key(partition, id));
      return check_history_end(rows_, partition, id, record.history_count);
    }
    case row_kind::task: {
      const auto task = decode_row<open_task>(t_, key_, row_);
      const auto sequence
        = static_cast<task_sequence>(number_of(key_).value_or(0));
      if (has_due_time(task.kind))
        require(table::due, due_key(partition, due_of(task), id, sequence));
      else if (task.kind == task_kind::activity)
        require(table::activities, activity_key(partition, id, sequence));
      return require(t_, instance_key(partition, id, row_kind::record));
    }
    default:
      checked_payload(t_, key_, row_);
      return require(t_, instance_key(partition, id, row_kind::record));
    }
  }

  instance_record record_of(const instance_id& id) const {
    auto record = get_row<instance_record>(
      rows_, table::instances,
      instance_key(partition_in(key_), id, row_kind::record));
    if (!record)
      throw_damaged(t_, key_, "its instance does not exist");
    return std::move(*record);
  }

  /// The task to which an index row refers.
  template <class Parts>
  open_task task_of(const std::optional<Parts>& parts) const {
    if (!parts)
      throw_damaged(t_, key_, "its key is too short");
    auto task
      = get_row<open_task>(rows_, table::instances,
                           instance_key(partition_in(key_), parts->id,
                                        row_kind::task, parts->sequence));
    if (!task)
      throw_damaged(t_, key_, "its task does not exist");
    return std::move(*task);
  }

  void check_due(std::uint64_t value) const {
    const auto parts = parse_due_key(key_);
    const open_task task = task_of(parts);
    if (due_of(task) != parts->fire_at)
      throw_damaged(t_, key_, "its task has another time");
    // Before format 3, the value of a scheduled start was that of a timer.
    const bool is_older
      = task.kind == task_kind::scheduled_start
        && value == static_cast<std::uint64_t>(time_scale::elapsed);
    if (value != static_cast<std::uint64_t>(scale_of(task)) && !is_older)
      throw_damaged(t_, key_, "its task is due on another scale");
  }

  void check_index_row() const {
    const bool has_status = t_ == table::by_status;
    const auto name = decode_row<std::string>(t_, key_, row_);
    const auto parts = parse_created_key(key_, has_status);
    if (!parts)
      throw_damaged(t_, key_, "its key is too short");
    const instance_record record = record_of(parts->id);
    const partition_id partition = partition_in(key_);
    const std::string expected
      = has_status
          ? status_key(partition, record.status, record.created_at, parts->id)
          : created_key(partition, record.created_at, parts->id);
    if (expected != key_ || name != record.name)
      throw_damaged(t_, key_, "it differs from its instance");
  }

  const row_reader& rows_;
  const table t_;
  const std::string_view key_;
  const std::string_view row_;
};

} // namespace

views_scrub::progress views_scrub::step(std::size_t rows_max) {
  progress done;
  const table t = scrubbed_tables.at(table_);
  bool more = false;
  try {
    const auto rows = store_.read();
    const auto cursor = rows->walk(t);
    more = cursor->seek(after_);
    if (more && !after_.empty() && cursor->key() == after_)
      more = cursor->next();
    for (; more && done.rows < rows_max; more = cursor->next()) {
      ++done.rows;
      after_ = cursor->key();
      try {
        row_check(*rows, t, cursor->key(), cursor->value()).run();
      } catch (const storage_exception& e) {
        if (e.reason().code != errc::storage_damaged)
          throw;
        done.damage.push_back(e.reason().message);
      }
    }
  } catch (const storage_exception& e) {
    // The table cannot be read beyond this place: the pass goes on with the
    // next one.
    done.damage.push_back(e.reason().message);
    more = false;
  }
  if (!more) {
    after_.clear();
    table_ = (table_ + 1) % scrubbed_tables.size();
    done.is_complete = table_ == 0;
  }
  return done;
}

// --- The thread --------------------------------------------------------------

views_scrubber::views_scrubber(const row_store& rows, limits settings,
                               std::function<void(const std::string&)> report)
  : scrub_(rows), limits_(settings), report_(std::move(report)) {}

views_scrubber::~views_scrubber() {
  stop();
}

void views_scrubber::start() {
  if (limits_.cpu_share <= 0)
    return;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    note_refused_thread("the check of stored rows");
  }
}

void views_scrubber::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

/// Makes one step; true if it has ended a pass.
bool views_scrubber::scrub_once() {
  const auto done = scrub_.step(limits_.rows_per_step);
  row_count_ += done.rows;
  pass_count_ += done.is_complete ? 1 : 0;
  for (const std::string& sentence : done.damage)
    if (known_.size() < known_damage_max && known_.insert(sentence).second) {
      ++damage_count_;
      report_(sentence);
    }
  return done.is_complete;
}

/// The loop of the thread. The time of a step is measured by the steady clock,
/// which includes the time that the thread waits for pages of the disk.
void views_scrubber::run() {
  enter_thread_role("scrub");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const auto began = std::chrono::steady_clock::now();
    const bool is_complete = scrub_once();
    const std::chrono::duration<double> took
      = std::chrono::steady_clock::now() - began;
    lock.lock();
    auto pause = std::chrono::duration_cast<std::chrono::microseconds>(
      took * (1 / limits_.cpu_share - 1));
    if (is_complete)
      pause
        = std::max<std::chrono::microseconds>(pause, limits_.pause_after_pass);
    changed_.wait_for(lock, pause, [this] { return stopping_; });
  }
}

} // namespace perdura::persistence
