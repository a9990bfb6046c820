// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/verify.hpp"

#include "persistence/journal/adopt_hub.hpp"
#include "persistence/journal/directory_lock.hpp"
#include "persistence/journal/group_committer.hpp"
#include "persistence/journal/lane_check.hpp"
#include "persistence/stores/lmdb_page_walk.hpp"
#include "persistence/views/rows.hpp"
#include "persistence/views/set_aside.hpp"

#include <map>
#include <set>

namespace perdura::persistence {

namespace {

/// Checks the views of one lane. The walk over the table `instances` collects
/// the rows that the index tables must contain; the other tables are then
/// compared with them.
class verifier {
public:
  verifier(const row_reader& rows, const hub_identity& hub, std::uint32_t lane,
           verification& found)
    : rows_(rows), hub_(hub), lane_(lane), found_(found) {}

  /// Runs all checks. `walk_instances` must be first: it collects the rows with
  /// which the index tables are compared.
  void run() {
    walk_instances();
    compare(table::due, due_);
    compare(table::activities, activities_);
    compare(table::turns_due, turns_due_);
    compare_names(table::by_created, by_created_);
    compare_names(table::by_status, by_status_);
    compare_counts();
    walk_outbox();
    check_all<std::uint64_t>(table::outbox_heads);
    check_all<std::uint64_t>(table::marks);
    walk_requests();
    walk_partitions();
    walk_set_aside();
  }

private:
  /// Runs a check. A storage error that it throws is listed as a problem.
  template <class F>
  void guarded(F check) {
    try {
      check();
    } catch (const storage_exception& e) {
      problem(e.reason().message);
    }
  }

  /// Lists a problem, unless the list is full.
  void problem(std::string sentence) {
    if (found_.problems.size() < problems_max)
      found_.problems.push_back(std::move(sentence));
  }

  /// Lists a problem of one row. `defect` completes the sentence "the row … of
  /// table …".
  void problem(table t, std::string_view key, const char* defect) {
    problem(std::string("the row ") + readable(key) + " of table " + name_of(t)
            + " " + defect);
  }

  /// Calls `visit` for all rows of a table. A damaged row is listed, and the
  /// walk goes on with the next row.
  template <class Visit>
  void for_all(table t, Visit visit) {
    guarded([&] {
      for_each_row(rows_, t, {}, [&](auto key, auto row) {
        ++found_.rows;
        const auto found = rows_.get(t, key);
        if (!found || found->data() != row.data())
          problem(t, key, "is not found by its key");
        guarded([&] { visit(key, row); });
      });
    });
  }

  /// Checks that all rows of a table can be decoded as T.
  template <class T>
  void check_all(table t) {
    for_all(t, [&](auto key, auto row) { decode_row<T>(t, key, row); });
  }

  /// Checks all rows of the table `instances` in the order of their keys. For
  /// each instance the record comes first; its history comes last.
  void walk_instances() {
    constexpr table t = table::instances;
    for_all(t, [&](std::string_view key, std::string_view row) {
      // The key is: partition (2 bytes), ID, a 0 byte, kind, number.
      const std::size_t zero = key.find('\0', 2);
      if (key.size() < 4 || zero == std::string_view::npos
          || zero + 1 >= key.size())
        return problem(t, key, "has a key of an unknown layout");
      const std::string owner(key.substr(0, zero));
      const auto kind = static_cast<row_kind>(key[zero + 1]);
      if (kind == row_kind::record)
        return begin_instance(key, owner,
                              decode_row<instance_record>(t, key, row));
      if (owner != owner_)
        return problem(t, key, "does not follow the record of its instance");
      const std::uint64_t number = number_of(key).value_or(0);
      switch (kind) {
      case row_kind::custom_status:
        decode_row<std::string>(t, key, row);
        break;
      case row_kind::requests:
        decode_row<std::vector<request_record>>(t, key, row);
        break;
      case row_kind::task:
        expect_index_of(number, decode_row<open_task>(t, key, row));
        break;
      case row_kind::inbox:
        decode_row<inbox_message>(t, key, row);
        break;
      case row_kind::history:
        if (number != history_reached_)
          problem(t, key, "does not continue the history of its instance");
        history_reached_
          = number + decode_row<std::vector<history_event>>(t, key, row).size();
        break;
      default:
        problem(t, key, "is of an unknown kind");
      }
    });
    end_instance();
  }

  /// Collects the index rows that the record of an instance requires.
  void begin_instance(std::string_view key, const std::string& owner,
                      const instance_record& record) {
    end_instance();
    owner_ = owner;
    ++found_.instances;
    partition_ = partition_id(
      static_cast<std::uint32_t>(static_cast<unsigned char>(key[0]) << 8U)
      | static_cast<unsigned char>(key[1]));
    id_ = owner.substr(2);
    history_expected_ = record.history_count;
    by_created_[created_key(partition_, record.created_at, id_)] = record.name;
    by_status_[status_key(partition_, record.status, record.created_at, id_)]
      = record.name;
    ++counts_[count_key(partition_, record.status)];
    if (record.turn_due)
      turns_due_.insert(turn_due_key(partition_, id_));
  }

  /// Checks the number of history events, after the last row of an instance.
  void end_instance() {
    if (!owner_.empty() && history_reached_ != history_expected_)
      problem("the history of instance \"" + readable(id_) + "\" has "
              + std::to_string(history_reached_)
              + " events, but its record counts "
              + std::to_string(history_expected_));
    history_reached_ = 0;
  }

  /// Collects the index row that an open task requires, if its kind has one.
  void expect_index_of(std::uint64_t number, const open_task& task) {
    const auto sequence = static_cast<task_sequence>(number);
    if (task.kind == task_kind::activity)
      activities_.insert(activity_key(partition_, id_, sequence));
    else if (has_due_time(task.kind))
      due_.insert(due_key(partition_, due_of(task), id_, sequence));
  }

  /// Compares an index table without values with the expected keys.
  void compare(table t, std::set<std::string>& expected) {
    for_all(t, [&](std::string_view key, std::string_view row) {
      decode_row<std::uint64_t>(t, key, row);
      if (expected.erase(std::string(key)) == 0)
        problem(t, key, "refers to a row that does not exist");
    });
    for (const std::string& key : expected)
      problem(t, key, "is missing");
  }

  /// Compares an index table whose values are names of orchestrators.
  void compare_names(table t, std::map<std::string, std::string>& expected) {
    for_all(t, [&](std::string_view key, std::string_view row) {
      const auto found = expected.find(std::string(key));
      if (found == expected.end())
        return problem(t, key, "refers to a row that does not exist");
      if (decode_row<std::string>(t, key, row) != found->second)
        problem(t, key,
                "has an orchestrator name that differs from the "
                "record");
      expected.erase(found);
    });
    for (const auto& [key, name] : expected)
      problem(t, key, "is missing");
  }

  /// Compares the stored counts with those of the instances that were read.
  void compare_counts() {
    for_all(table::counts, [&](std::string_view key, std::string_view row) {
      const auto stored = decode_row<std::uint64_t>(table::counts, key, row);
      if (stored != counts_[std::string(key)])
        problem(table::counts, key, "has a wrong count");
      counts_.erase(std::string(key));
    });
    for (const auto& [key, count] : counts_)
      if (count > 0)
        problem(table::counts, key, "is missing");
  }

  /// Checks that the sequence in each message equals the sequence in its key,
  /// and that it is not above the last assigned sequence (table
  /// `outbox_heads`).
  void walk_outbox() {
    for_all(table::outbox, [&](std::string_view key, std::string_view row) {
      const auto message = decode_row<outbox_message>(table::outbox, key, row);
      const auto head
        = get_row<std::uint64_t>(rows_, table::outbox_heads, key.substr(0, 4));
      if (number_of(key) != message.sequence || !head
          || *head < message.sequence)
        problem(table::outbox, key,
                "has a sequence number that was not assigned");
    });
  }

  /// Checks the answers to requests and the sizes of their windows. The
  /// numbers are not compared: a flush that was interrupted has written rows
  /// and not the size, and the next one writes the rest.
  void walk_requests() {
    for_all(table::requests, [&](std::string_view key, std::string_view row) {
      if (key.size() != request_row_key({}, 0, {}).size())
        return problem(table::requests, key, "has a key of an unknown layout");
      decode_row<request_row>(table::requests, key, row);
    });
    constexpr table t = table::request_counts;
    for_all(t, [&](std::string_view key, std::string_view row) {
      if (decode_row<request_count>(t, key, row).window
          != parse_request_window(key))
        problem(t, key, "has the number of another window");
    });
  }

  /// Checks that each partition of the lane, and no other, has its row.
  void walk_partitions() {
    std::set<std::string> expected;
    for (std::uint32_t i = lane_; i < hub_.partition_count;
         i += hub_.lane_count)
      expected.insert(partition_key(partition_id(i)));
    for_all(table::partitions, [&](std::string_view key, std::string_view row) {
      if (expected.erase(std::string(key)) == 0)
        problem(table::partitions, key, "is of a partition of another lane");
      decode_row<partition_meta>(table::partitions, key, row);
    });
    for (const std::string& key : expected)
      problem(table::partitions, key, "is missing");
  }

  /// Reports the instances that are set aside, and checks their changes.
  void walk_set_aside() {
    std::set<instance_id> known;
    for_all(table::meta, [&](std::string_view key, std::string_view row) {
      if (!key.starts_with(set_aside_prefix()))
        return;
      const auto owner = parse_set_aside_key(key);
      if (!owner)
        return problem(table::meta, key, "has a key of an unknown layout");
      decode_row<instance_write>(table::meta, key, row);
      if (known.insert(owner->second).second)
        problem("instance \"" + readable(owner->second)
                + "\" is set aside until its rows are repaired");
    });
  }

  const row_reader& rows_;
  const hub_identity& hub_;
  const std::uint32_t lane_;
  verification& found_;

  // The index rows and counts that the instances require, by key.
  std::set<std::string> due_;
  std::set<std::string> activities_;
  std::set<std::string> turns_due_;
  std::map<std::string, std::string> by_created_;
  std::map<std::string, std::string> by_status_;
  std::map<std::string, std::uint64_t> counts_;

  // The instance whose rows the walk is reading.
  std::string owner_; ///< The part of the instance's keys before the 0 byte.
  partition_id partition_{};
  instance_id id_;
  std::uint64_t history_expected_ = 0;
  std::uint64_t history_reached_ = 0;
};

void add_problem(verification& found, const std::string& sentence) {
  if (found.problems.size() < problems_max)
    found.problems.push_back(sentence);
}

/// Runs a check; false, with the sentence listed, if it throws.
template <class F>
bool passes(verification& found, F check) {
  try {
    check();
    return true;
  } catch (const storage_exception& e) {
    if (e.reason().code == errc::storage_failed
        || e.reason().code == errc::storage_in_use)
      throw; // The environment cannot be examined.
    add_problem(found, e.reason().message);
    return false;
  }
}

/// Checks the journal of one lane and, unless a node is writing to both, that
/// its views are not ahead of it.
void verify_journal(const record_log& log, const row_reader& rows,
                    const hub_identity& hub, std::uint32_t lane,
                    verification& found) {
  const auto problem = [&](const std::string& sentence) {
    if (found.problems.size() < problems_max)
      found.problems.push_back(sentence);
  };
  const auto applied
    = get_row<journal_position>(rows, table::meta, applied_key);
  // The first record may have any position and sequences, because records that
  // the views contain are deleted.
  journal_position next = 0;
  std::map<std::uint32_t, partition_sequence> sequences;
  // `next` is the position after the last record that was read; 0 before the
  // first one. If a record cannot be decoded, its number of turns is unknown,
  // and the search continues at the position after its first turn.
  for (auto stored = log.read(0); stored; stored = log.read(next)) {
    ++found.records;
    if (next != 0 && stored->first != next)
      problem("the journal of lane " + std::to_string(lane)
              + " does not contain position " + std::to_string(next));
    next = stored->first + 1;
    const auto record
      = decode_journal_record(stored->first, lane, stored->bytes);
    if (!record) {
      problem(record.error().message);
      continue;
    }
    passes(found, [&] { check_record_owner(*record, hub, lane); });
    next = stored->first + record->count;
    for (const partition_turns& group : record->partitions) {
      partition_sequence& sequence = sequences[index_of(group.partition)];
      if (sequence != 0 && group.first_sequence != sequence + 1)
        problem("the journal does not contain turn "
                + std::to_string(sequence + 1) + " of partition "
                + std::to_string(index_of(group.partition)));
      sequence = group.first_sequence + group.turns.size() - 1;
      for (const encoded_turn& turn : group.turns)
        if (const auto decoded = decode<turn_writes>(turn.bytes); !decoded)
          problem("a turn at position " + std::to_string(record->first) + ": "
                  + decoded.error().message);
    }
  }
  // The newest record is never deleted, so the journal must reach the applied
  // position.
  if (!applied
      || (!found.is_in_use
          && ((next != 0 && *applied >= next) || (next == 0 && *applied != 0))))
    problem("the views of lane " + std::to_string(lane)
            + " contain later positions than the journal");
}

/// Walks the pages of a state; throws the number of defects as one error.
/// @throws storage_exception  errc::storage_damaged; the defects are listed.
void walk_state(const lmdb_file& file, const lmdb_meta& state,
                verification& found) {
  const auto walked = walk_lmdb_pages(file, state, lmdb_walk_depth::everything);
  found.pages += state.last_page + 1;
  for (const std::string& defect : walked.defects)
    add_problem(found, defect);
  if (!walked.defects.empty())
    throw storage_exception(
      file.damaged(std::to_string(walked.defects.size())
                   + " defects of its pages; its rows were not read"));
}

/// Opens a file and throws its error.
std::unique_ptr<lmdb_file> open_file(const std::filesystem::path& path) {
  auto file = lmdb_file::open(path);
  if (!file)
    throw storage_exception(file.error());
  return std::move(*file);
}

/// How to open an environment: its pages are checked before LMDB reads them.
/// While a node writes to the file, the state that a read transaction protects
/// is checked, and the check runs within the transaction.
lmdb_reading checked_reading(const std::filesystem::path& environment,
                             verification& found) {
  const auto path = environment / "data.mdb";
  if (!found.is_in_use) {
    const auto file = open_file(path);
    walk_state(*file, file->newest(), found);
    return {};
  }
  return {.is_shared = true, .inspect = [path, &found](std::uint64_t txnid) {
            const auto file = open_file(path);
            if (file->newest().txnid == txnid)
              return walk_state(*file, file->newest(), found);
            if (file->older().txnid == txnid)
              return walk_state(*file, file->older(), found);
            throw storage_exception(
              {errc::storage_in_use,
               path.string() + " changes too fast to be read; try again"});
          }};
}

/// Opens an environment. Two commits of a node between the begin of the read
/// transaction and the reading of the meta pages make it necessary to begin
/// again.
template <class Store>
std::unique_ptr<Store> open_environment(const std::filesystem::path& directory,
                                        std::uint64_t map_bytes,
                                        verification& found) {
  constexpr int attempts_max = 20;
  for (int attempt = 1;; ++attempt)
    try {
      return std::make_unique<Store>(
        directory, checked_reading(directory, found), map_bytes);
    } catch (const storage_exception& e) {
      if (!found.is_in_use || e.reason().code != errc::storage_in_use
          || attempt == attempts_max)
        throw;
    }
}

void verify_lane(const std::filesystem::path& directory, const hub_file& hub,
                 std::uint32_t lane, const lmdb_map_sizes& map_bytes,
                 verification& found) {
  std::unique_ptr<lmdb_log> log;
  std::unique_ptr<lmdb_rows> rows;
  // Both environments are examined, even if the first one is damaged.
  bool is_sound = passes(found, [&] {
    log = open_environment<lmdb_log>(journal_directory(directory, lane),
                                     map_bytes.journal, found);
  });
  is_sound
    = passes(found,
             [&] {
               rows = open_environment<lmdb_rows>(
                 views_directory(directory, lane), map_bytes.views, found);
             })
      && is_sound;
  if (!is_sound)
    return;
  // The journal's state is taken first, so that it begins at or before the
  // position that the views have applied.
  log->freeze();
  const auto reader = rows->read();
  passes(found, [&] { check_views_owner(*reader, hub, lane); });
  if (hub.format == storage_format && !rows->has_all_tables())
    add_problem(found, "a table of the views of lane " + std::to_string(lane)
                         + " is missing");
  passes(found, [&] { check_journal_owner(*log, hub, lane); });
  verifier(*reader, hub.hub, lane, found).run();
  passes(found, [&] { verify_journal(*log, *reader, hub.hub, lane, found); });
  if (!found.is_in_use) {
    passes(found, [&] { check_newest_states(directory, lane); });
    passes(found, [&] { check_sequences(*log, *reader, hub.hub, lane); });
  }
}

} // namespace

result<verification> verify_hub(const std::filesystem::path& directory,
                                const lmdb_map_sizes& map_bytes) {
  const auto hub = read_hub_file(directory);
  if (!hub)
    return hub.error();
  if (const auto complete = check_no_adoption(directory); !complete)
    return complete.error();
  verification found;
  const auto lock
    = directory_lock::acquire(directory, directory_lock::use::reading);
  found.is_in_use = lock.code() == errc::storage_in_use;
  if (!lock && !found.is_in_use)
    return lock.error();
  try {
    for (std::uint32_t lane = 0; lane < hub->hub.lane_count; ++lane)
      verify_lane(directory, *hub, lane, map_bytes, found);
  } catch (const storage_exception& e) {
    return e.reason();
  }
  return found;
}

} // namespace perdura::persistence
