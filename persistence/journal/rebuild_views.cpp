// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/rebuild_views.hpp"

#include "persistence/journal/directory_lock.hpp"
#include "persistence/journal/hub_directory.hpp"
#include "persistence/stores/lmdb_row_walk.hpp"
#include "persistence/views/rows.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <map>

namespace perdura::persistence {

namespace fs = std::filesystem;

namespace {

// Rows and bytes of one transaction; LMDB holds its pages in memory.
constexpr std::size_t rows_per_commit = 20'000;
constexpr std::size_t bytes_per_commit = 32U << 20U;

// A larger row is not searched for a flipped bit: the time grows with the
// square of the size.
constexpr std::size_t repaired_bytes_max = 64U << 10U;

struct raw_row {
  std::string key;
  std::string value;
};

bool is_sound(table t, const raw_row& row) {
  try {
    checked_payload(t, row.key, row.value);
    return true;
  } catch (const storage_exception&) {
    return false;
  }
}

/// Sets one flipped bit of the key or the value back. The checksum has 64 bits,
/// so a wrong bit is practically never taken for the right one.
bool repair(table t, raw_row& row) {
  if (row.key.size() + row.value.size() > repaired_bytes_max)
    return false;
  for (std::string* text : {&row.key, &row.value})
    for (char& byte : *text)
      for (int bit = 0; bit < 8; ++bit) {
        byte = static_cast<char>(byte ^ (1 << bit));
        if (is_sound(t, row))
          return true;
        byte = static_cast<char>(byte ^ (1 << bit));
      }
  return false;
}

/// Writes rows in transactions of a bounded size.
class batch_writer {
public:
  explicit batch_writer(row_store& rows) : store_(rows) {
    begin();
  }

  void put_raw(table t, const raw_row& row) {
    rows_->put(t, row.key, row.value);
    count(row.key.size() + row.value.size());
  }

  template <class T>
  void put(table t, const std::string& key, const T& value) {
    typed_->put(t, key, value);
    count(key.size());
  }

  void commit() {
    rows_->commit();
    begin();
  }

  void finish() {
    rows_->commit();
    typed_.reset();
    rows_.reset();
  }

private:
  void begin() {
    typed_.reset();
    rows_.reset();
    rows_ = store_.write();
    typed_ = std::make_unique<typed_row_writer>(*rows_);
    count_ = bytes_ = 0;
  }

  void count(std::size_t bytes) {
    bytes_ += bytes;
    if (++count_ >= rows_per_commit || bytes_ >= bytes_per_commit)
      commit();
  }

  row_store& store_;
  std::unique_ptr<row_writer> rows_;
  std::unique_ptr<typed_row_writer> typed_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

/// Copies one lane.
class lane_rebuild {
public:
  lane_rebuild(const lmdb_file& from, row_store& to, views_rebuild& found)
    : from_(from), store_(to), to_(to), found_(found) {}

  /// @throws storage_exception  A table that cannot be restored is damaged, or
  ///                            a write failed.
  void run() {
    for (const table t :
         {table::meta, table::partitions, table::outbox_heads, table::marks})
      copy(t, true);
    copy(table::outbox, false);
    copy_requests();
    walk(
      table::instances,
      [this](raw_row row, bool sound) { add(std::move(row), sound); },
      [this](const std::string& sentence) { lose(sentence); });
    end_instance();
    to_.commit();
    compare_indexes();
    for (const auto& [key, count] : counts_)
      to_.put(table::counts, key, count);
    to_.finish();
  }

private:
  void lose(const std::string& sentence) {
    ++found_.loss_count;
    if (found_.losses.size() < rebuild_losses_max)
      found_.losses.push_back(sentence);
  }

  static std::string name(table t, std::string_view key) {
    return std::string("the row ") + readable(key) + " of table " + name_of(t);
  }

  /// Visits the rows of a table; those with one flipped bit are repaired.
  template <class Visit, class Defect>
  void walk(table t, Visit visit, Defect defect) {
    const auto root = from_.find(from_.newest().main, name_of(t));
    if (!root)
      throw storage_exception(root.error());
    if (!*root && static_cast<std::size_t>(t) >= table_count_oldest)
      return; // a file of an older format
    if (!*root || (*root)->size() != lmdb_tree_size)
      throw storage_exception(
        from_.damaged(std::string("table ") + name_of(t) + " is missing"));
    const lmdb_tree tree = parse_lmdb_tree(**root);
    walk_lmdb_rows(from_, tree,
                   {[&](std::string_view key, std::string_view value) {
                      raw_row row{std::string(key), std::string(value)};
                      bool sound = is_sound(t, row);
                      if (!sound && repair(t, row)) {
                        sound = true;
                        ++found_.repaired;
                      }
                      visit(std::move(row), sound);
                    },
                    defect});
  }

  /// Takes a table over. If `is_required`, each row must be sound.
  void copy(table t, bool is_required) {
    walk(
      t,
      [&](const raw_row& row, bool sound) {
        if (!sound && is_required)
          throw storage_exception(from_.damaged(
            name(t, row.key) + " cannot be restored from other rows"));
        // A damaged message stays damaged; see `partition_snapshot::damage`.
        if (!sound)
          lose(name(t, row.key) + " is damaged; the message is lost");
        ++found_.rows;
        to_.put_raw(t, row);
      },
      [&](const std::string& sentence) {
        if (is_required)
          throw storage_exception(from_.damaged(sentence));
        lose(sentence);
      });
  }

  /// Takes the answers to requests over. The sizes of the windows are counted
  /// anew; the stored ones are used only where they are greater, because the
  /// last flush may have been interrupted.
  void copy_requests() {
    std::map<std::string, request_count> counts;
    walk(
      table::requests,
      [&](const raw_row& row, bool sound) {
        const auto window = parse_request_window(row.key);
        if (!sound || !window)
          return lose(name(table::requests, row.key)
                      + " is damaged and lost: a repeat of its request is "
                        "carried out");
        request_count& count = counts[row.key.substr(0, window_key_size)];
        count.window = *window;
        ++count.keys;
        count.bytes += request_row_bytes(
          decode_row<request_row>(table::requests, row.key, row.value));
        ++found_.rows;
        to_.put_raw(table::requests, row);
      },
      [this](const std::string& sentence) { lose(sentence); });
    walk(
      table::request_counts,
      [&](const raw_row& row, bool sound) {
        if (!sound)
          return;
        const auto stored = decode_row<request_count>(table::request_counts,
                                                      row.key, row.value);
        request_count& count = counts[row.key];
        count.window = stored.window;
        count.keys = std::max(count.keys, stored.keys);
        count.bytes = std::max(count.bytes, stored.bytes);
      },
      [](const std::string&) {});
    for (const auto& [key, count] : counts)
      to_.put(table::request_counts, key, count);
  }

  /// Adds a row of the table `instances`. The rows come in the order of their
  /// keys, so the rows of an instance are adjacent.
  void add(raw_row row, bool sound) {
    const bool is_of_current = !owner_.empty() && row.key.starts_with(owner_);
    if (!sound && !is_of_current) {
      // The key may be wrong. A row of its own instance follows its record.
      const std::string prefix = prefix_of(row.key);
      if (prefix.empty() || prefix <= owner_) {
        lose(name(table::instances, row.key)
             + " is damaged and lost; the row before it belongs to instance \""
             + readable(id_) + "\"");
        return;
      }
    }
    if (!is_of_current) {
      end_instance();
      owner_ = prefix_of(row.key);
      partition_ = partition_id(
        static_cast<std::uint32_t>(static_cast<unsigned char>(row.key[0]) << 8U)
        | static_cast<unsigned char>(row.key[1]));
      id_ = id_of_instance_key(row.key);
    }
    if (!sound)
      lose(name(table::instances, row.key) + " is damaged; instance \""
           + readable(id_) + "\" stays damaged, and its requests are refused");
    else
      index(row);
    ++found_.rows;
    to_.put_raw(table::instances, row);
  }

  /// The part of a key up to the 0 byte after the ID; empty if it has none.
  static std::string prefix_of(const std::string& key) {
    const std::size_t zero = key.find('\0', 2);
    return key.size() < 4 || zero == std::string::npos || zero + 1 >= key.size()
             ? std::string()
             : key.substr(0, zero + 1);
  }

  void index(const raw_row& row) {
    switch (static_cast<row_kind>(row.key[owner_.size()])) {
    case row_kind::record:
      index_record(
        decode_row<instance_record>(table::instances, row.key, row.value));
      break;
    case row_kind::task:
      index_task(static_cast<task_sequence>(number_of(row.key).value_or(0)),
                 decode_row<open_task>(table::instances, row.key, row.value));
      break;
    case row_kind::history: {
      const auto events = decode_row<std::vector<history_event>>(
        table::instances, row.key, row.value);
      if (number_of(row.key) == history_end_)
        history_end_ += events.size();
      break;
    }
    default:
      break;
    }
  }

  void index_record(instance_record record) {
    ++found_.instances;
    to_.put(table::by_created, created_key(partition_, record.created_at, id_),
            record.name);
    to_.put(table::by_status,
            status_key(partition_, record.status, record.created_at, id_),
            record.name);
    ++counts_[count_key(partition_, record.status)];
    if (record.turn_due)
      to_.put(table::turns_due, turn_due_key(partition_, id_),
              std::uint64_t{1});
    record_ = std::move(record);
  }

  void index_task(task_sequence sequence, const open_task& task) {
    if (has_due_time(task.kind))
      to_.put(table::due, due_key(partition_, due_of(task), id_, sequence),
              static_cast<std::uint64_t>(scale_of(task)));
    else if (task.kind == task_kind::activity)
      to_.put(table::activities, activity_key(partition_, id_, sequence),
              std::uint64_t{1});
  }

  /// Compares the history of the current instance with its record.
  void end_instance() {
    if (owner_.empty())
      return;
    if (!record_)
      lose("the record of instance \"" + readable(id_)
           + "\" cannot be read: it is in no index, and its requests are "
             "refused");
    else if (history_end_ != record_->history_count)
      lose("the history of instance \"" + readable(id_) + "\" ends at event "
           + std::to_string(history_end_) + ", but its record counts "
           + std::to_string(record_->history_count));
    record_.reset();
    history_end_ = 0;
    owner_.clear();
  }

  /// Lists what the old indexes refer to and the new file does not have. If
  /// rows of instances were lost, a damaged row takes the place of each, so
  /// that the instance is not taken for one that does not exist.
  void compare_indexes() {
    const bool has_lost_rows = found_.loss_count > 0;
    const auto rows = store_.read();
    for (const table t : {table::by_created, table::by_status, table::due,
                          table::activities, table::turns_due})
      walk(
        t,
        [&](const raw_row& row, bool sound) {
          if (!sound)
            return;
          const std::string key = row_of_index(t, row.key);
          if (key.empty() || rows->get(table::instances, key))
            return;
          if (!has_lost_rows)
            return lose(name(t, row.key)
                        + " was left out: it refers to a row that does not "
                          "exist");
          lose(name(table::instances, key)
               + " is lost; its instance stays damaged");
          to_.put_raw(table::instances, {key, std::string("lost row")});
          to_.put_raw(t, row);
          if (t == table::by_status)
            ++counts_[row.key.substr(0, count_key({}, {}).size())];
        },
        [](const std::string&) {});
  }

  /// The row of `table::instances` to which a row of an index refers; empty if
  /// its key is not valid.
  static std::string row_of_index(table t, const std::string& key) {
    if (key.size() < 3)
      return {};
    const partition_id partition = partition_of(key);
    const auto task_of = [&](const auto& parts) {
      return parts ? instance_key(partition, parts->id, row_kind::task,
                                  parts->sequence)
                   : std::string();
    };
    if (t == table::due)
      return task_of(parse_due_key(key));
    if (t == table::activities)
      return task_of(parse_activity_key(key));
    if (t == table::turns_due)
      return instance_key(partition, key.substr(2), row_kind::record);
    const auto parts = parse_created_key(key, t == table::by_status);
    return parts ? instance_key(partition, parts->id, row_kind::record)
                 : std::string();
  }

  static partition_id partition_of(const std::string& key) {
    return partition_id{std::uint32_t{static_cast<unsigned char>(key[0])} << 8U
                        | std::uint32_t{static_cast<unsigned char>(key[1])}};
  }

  static constexpr std::size_t window_key_size = 6;

  const lmdb_file& from_;
  row_store& store_;
  batch_writer to_;
  views_rebuild& found_;
  std::map<std::string, std::uint64_t> counts_;

  // The instance whose rows are being added.
  std::string owner_; ///< The prefix of its keys; empty if there is none.
  partition_id partition_{};
  instance_id id_;
  std::optional<instance_record> record_;
  std::uint64_t history_end_ = 0;
};

storage_exception failed(const std::string& what, const std::error_code& code) {
  return storage_exception(
    {errc::storage_failed, what + ": " + code.message()});
}

void sync_directory(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const std::error_code code(errno, std::generic_category());
  if (fd >= 0)
    ::close(fd);
  if (!synced)
    throw failed("syncing " + directory.string(), code);
}

/// Puts the new file in the place of the old one, which gets another name.
void replace_file(const fs::path& views, const fs::path& made) {
  const fs::path current = views / "data.mdb";
  fs::path kept = views / "data.mdb.damaged";
  for (int i = 2; fs::exists(kept); ++i)
    kept = views / ("data.mdb.damaged-" + std::to_string(i));
  std::error_code code;
  fs::create_hard_link(current, kept, code);
  if (code)
    throw failed("keeping " + current.string() + " as " + kept.string(), code);
  // The transactions of the new file are numbered anew, and the table of
  // readers still has the old numbers if a reader keeps it open.
  fs::remove(views / "lock.mdb", code);
  fs::rename(made / "data.mdb", current, code);
  if (code)
    throw failed("renaming " + (made / "data.mdb").string(), code);
  sync_directory(views);
  fs::remove_all(made, code);
}

void rebuild_lane(const fs::path& directory, std::uint32_t lane,
                  const lmdb_map_sizes& map_bytes, views_rebuild& found) {
  const fs::path views = views_directory(directory, lane);
  const fs::path made = views / "rebuilt";
  std::error_code code;
  fs::remove_all(made, code); // of an interrupted rebuild
  fs::create_directory(made, code);
  if (code)
    throw failed("creating " + made.string(), code);
  try {
    const auto from = lmdb_file::open(views / "data.mdb");
    if (!from)
      throw storage_exception(from.error());
    lmdb_rows rows(made, true, map_bytes.views);
    lane_rebuild(**from, rows, found).run();
  } catch (...) {
    fs::remove_all(made, code);
    throw;
  }
  replace_file(views, made);
}

} // namespace

result<views_rebuild> rebuild_views(const fs::path& directory,
                                    const lmdb_map_sizes& map_bytes) {
  const auto hub = read_hub_file(directory);
  if (!hub)
    return hub.error();
  const auto lock = directory_lock::acquire(directory);
  if (!lock)
    return lock.error();
  views_rebuild found;
  try {
    for (std::uint32_t lane = 0; lane < hub->hub.lane_count; ++lane)
      rebuild_lane(directory, lane, map_bytes, found);
  } catch (const storage_exception& e) {
    return e.reason();
  }
  return found;
}

} // namespace perdura::persistence
