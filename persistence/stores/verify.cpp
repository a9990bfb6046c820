#include "persistence/stores/verify.hpp"

#include "persistence/journal/group_committer.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/views/rows.hpp"

#include <map>
#include <set>

namespace perdura::persistence {

namespace {

class verifier {
public:
  verifier(const row_reader& rows, verification& found)
    : rows_(rows), found_(found) {}

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
    check_all<partition_meta>(table::partitions);
  }

private:
  template <class F>
  void guarded(F check) {
    try {
      check();
    } catch (const storage_exception& e) {
      problem(e.reason().message);
    }
  }

  void problem(std::string sentence) {
    if (found_.problems.size() < problems_max)
      found_.problems.push_back(std::move(sentence));
  }

  void problem(table t, std::string_view key, const char* how) {
    problem(std::string("the row ") + readable(key) + " of table " + name_of(t)
            + " " + how);
  }

  template <class Visit>
  void for_all(table t, Visit visit) {
    guarded([&] {
      for_each_row(rows_, t, {}, [&](auto key, auto row) {
        ++found_.rows;
        guarded([&] { visit(key, row); });
      });
    });
  }

  template <class T>
  void check_all(table t) {
    for_all(t, [&](auto key, auto row) { decode_row<T>(t, key, row); });
  }

  void walk_instances() {
    constexpr table t = table::instances;
    for_all(t, [&](std::string_view key, std::string_view row) {
      const std::size_t zero = key.find('\0', 2);
      if (key.size() < 4 || zero == std::string_view::npos
          || zero + 1 >= key.size())
        return problem(t, key, "has a key that is none");
      const std::string owner(key.substr(0, zero));
      const auto kind = static_cast<row_kind>(key[zero + 1]);
      if (kind == row_kind::record)
        return take_record(key, owner,
                           decode_row<instance_record>(t, key, row));
      if (owner != owner_)
        return problem(t, key, "has no record before it");
      const std::uint64_t number = number_of(key).value_or(0);
      switch (kind) {
      case row_kind::custom_status:
        decode_row<std::string>(t, key, row);
        break;
      case row_kind::requests:
        decode_row<std::vector<request_record>>(t, key, row);
        break;
      case row_kind::task:
        take_task(number, decode_row<open_task>(t, key, row));
        break;
      case row_kind::inbox:
        decode_row<inbox_message>(t, key, row);
        break;
      case row_kind::history:
        if (number != history_reached_)
          problem(t, key, "leaves a gap in its instance's history");
        history_reached_
          = number + decode_row<std::vector<history_event>>(t, key, row).size();
        break;
      default:
        problem(t, key, "is of an unknown kind");
      }
    });
    end_instance();
  }

  void take_record(std::string_view key, const std::string& owner,
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

  void end_instance() {
    if (!owner_.empty() && history_reached_ != history_expected_)
      problem("the history of instance \"" + readable(id_) + "\" has "
              + std::to_string(history_reached_) + " events, its record says "
              + std::to_string(history_expected_));
    history_reached_ = 0;
  }

  void take_task(std::uint64_t number, const open_task& task) {
    const auto sequence = static_cast<task_sequence>(number);
    if (task.kind == task_kind::activity)
      activities_.insert(activity_key(partition_, id_, sequence));
    else if (task.kind == task_kind::timer
             || task.kind == task_kind::scheduled_start)
      due_.insert(due_key(partition_, task.fire_at, id_, sequence));
  }

  void compare(table t, std::set<std::string>& expected) {
    for_all(t, [&](std::string_view key, std::string_view row) {
      decode_row<std::uint64_t>(t, key, row);
      if (expected.erase(std::string(key)) == 0)
        problem(t, key, "stands for nothing");
    });
    for (const std::string& key : expected)
      problem(t, key, "is missing");
  }

  void compare_names(table t, std::map<std::string, std::string>& expected) {
    for_all(t, [&](std::string_view key, std::string_view row) {
      const auto found = expected.find(std::string(key));
      if (found == expected.end())
        return problem(t, key, "stands for nothing");
      if (decode_row<std::string>(t, key, row) != found->second)
        problem(t, key, "names another orchestrator than the record");
      expected.erase(found);
    });
    for (const auto& [key, name] : expected)
      problem(t, key, "is missing");
  }

  void compare_counts() {
    for_all(table::counts, [&](std::string_view key, std::string_view row) {
      const auto stored = decode_row<std::uint64_t>(table::counts, key, row);
      if (stored != counts_[std::string(key)])
        problem(table::counts, key, "counts wrongly");
      counts_.erase(std::string(key));
    });
    for (const auto& [key, count] : counts_)
      if (count > 0)
        problem(table::counts, key, "is missing");
  }

  void walk_outbox() {
    for_all(table::outbox, [&](std::string_view key, std::string_view row) {
      const auto message = decode_row<outbox_message>(table::outbox, key, row);
      const auto head
        = get_row<std::uint64_t>(rows_, table::outbox_heads, key.substr(0, 4));
      if (number_of(key) != message.sequence || !head
          || *head < message.sequence)
        problem(table::outbox, key, "is beyond what was given out");
    });
  }

  const row_reader& rows_;
  verification& found_;
  std::set<std::string> due_;
  std::set<std::string> activities_;
  std::set<std::string> turns_due_;
  std::map<std::string, std::string> by_created_;
  std::map<std::string, std::string> by_status_;
  std::map<std::string, std::uint64_t> counts_;

  // The instance that the walk is in.
  std::string owner_;
  partition_id partition_{};
  instance_id id_;
  std::uint64_t history_expected_ = 0;
  std::uint64_t history_reached_ = 0;
};

void verify_journal(const record_log& log, const row_reader& rows,
                    std::uint32_t lane, verification& found) {
  const auto problem = [&](const std::string& sentence) {
    if (found.problems.size() < problems_max)
      found.problems.push_back(sentence);
  };
  const auto applied
    = get_row<journal_position>(rows, table::meta, applied_key);
  journal_position next = 0;
  std::map<std::uint32_t, partition_sequence> sequences;
  for (auto stored = log.read(0); stored; stored = log.read(next)) {
    ++found.records;
    if (next != 0 && stored->first != next)
      problem("the journal of lane " + std::to_string(lane)
              + " has no position " + std::to_string(next));
    next = stored->first + 1;
    const auto record = open_record(stored->first, lane, stored->bytes);
    if (!record) {
      problem(record.error().message);
      continue;
    }
    next = stored->first + record->count;
    for (const partition_turns& group : record->partitions) {
      partition_sequence& sequence = sequences[index_of(group.partition)];
      if (sequence != 0 && group.first_sequence != sequence + 1)
        problem("partition " + std::to_string(index_of(group.partition))
                + " has no turn " + std::to_string(sequence + 1));
      sequence = group.first_sequence + group.turns.size() - 1;
      for (const encoded_turn& turn : group.turns)
        if (const auto decoded = decode<turn_writes>(turn.bytes); !decoded)
          problem("a turn at position " + std::to_string(record->first) + ": "
                  + decoded.error().message);
    }
  }
  if (!applied || (next != 0 && *applied >= next)
      || (next == 0 && *applied != 0))
    problem("the views of lane " + std::to_string(lane)
            + " are ahead of the journal");
}

} // namespace

result<verification> verify_hub(const std::filesystem::path& directory) {
  const auto hub = read_hub(directory);
  if (!hub)
    return hub.error();
  const auto lock = directory_lock::take(directory);
  if (!lock)
    return lock.error();
  verification found;
  try {
    for (std::uint32_t lane = 0; lane < hub->lane_count; ++lane) {
      const lmdb_rows rows(views_directory(directory, lane), false);
      const lmdb_log log(journal_directory(directory, lane), false);
      const auto reader = rows.read();
      verifier(*reader, found).run();
      verify_journal(log, *reader, lane, found);
    }
  } catch (const storage_exception& e) {
    found.problems.push_back(e.reason().message);
  }
  return found;
}

} // namespace perdura::persistence
