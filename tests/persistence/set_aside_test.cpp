// SPDX-License-Identifier: Apache-2.0
// Damaged rows of one instance stop neither a flush nor the recovery of a
// partition (finding S3).
#include "persistence/journal/memory_journal.hpp"
#include "persistence/views/rows.hpp"
#include "persistence/views/set_aside.hpp"

#include "journal_harness.hpp"
#include "storage_kinds.hpp"
#include <boost/test/unit_test.hpp>

#include <algorithm>

namespace perdura::persistence {

using namespace testing;

namespace {

constexpr partition_id aside_partition{1};

/// Turns of five instances with a task, an unread event, a custom status and a
/// request each, and turns that continue them.
struct aside_fixture {
  aside_fixture() {
    open();
    turn_writes turn = next_turn();
    for (const std::string& id : ids) {
      instance_write write
        = std::move(start_turn(aside_partition, 1, id).instances.front());
      write.custom_status = "\"packed\"";
      write.tasks_opened.push_back(
        {1, {task_kind::activity, "Pack", {}, {}, 1}});
      write.tasks_opened.push_back(
        {2, {task_kind::timer, "", at(9000), {}, 1}});
      write.inbox_put.push_back({1, {{at(1000), event_raised{"paid", "1"}}}});
      write.requests.push_back({"r-1", errc::ok, id, {}});
      turn.instances.push_back(std::move(write));
    }
    append(std::move(turn));
    flush();
  }

  void open() {
    j.reset();
    j = open_memory_journal(disk).value();
    sequence = j->load(aside_partition)->meta.sequence;
  }

  turn_writes next_turn() {
    turn_writes turn;
    turn.partition = aside_partition;
    turn.epoch = 1;
    turn.sequence = ++sequence;
    turn.now = at(2000);
    return turn;
  }

  void append(turn_writes turn) {
    j->append(std::move(turn));
    j->commit();
  }

  void flush() {
    j->flush_views(true);
  }

  /// A turn that reads all kinds of rows that a flush reads. `events` is the
  /// number of events that the instances have.
  turn_writes continue_all(event_index events = 2) {
    turn_writes turn = next_turn();
    for (const std::string& id : ids) {
      instance_write write;
      write.id = id;
      write.record = *start_turn(aside_partition, 1, id).instances[0].record;
      write.record->status = runtime_status::suspended;
      write.record->history_count = events + 1;
      write.history_first = events;
      write.history.push_back({at(2000), event_raised{"paid", "2"}});
      write.tasks_closed.push_back({1, task_kind::activity, {}});
      write.tasks_opened.push_back(
        {2, {task_kind::timer, "", at(8000), {}, 1}});
      write.inbox_removed.push_back(1);
      write.requests.push_back({"r-2", errc::ok, id, {}});
      turn.instances.push_back(std::move(write));
    }
    return turn;
  }

  row_map& rows(table t) {
    return disk->at(0).rows.rows(t);
  }

  /// Damages the value of a row.
  void flip_value(table t, const std::string& key) {
    rows(t).at(key)[3] ^= 4;
  }

  /// Moves a row to another key, as a flipped bit in its key does.
  void flip_key(table t, const std::string& key) {
    std::string other = key;
    other.back() ^= 64;
    auto row = rows(t).extract(key);
    row.key() = other;
    rows(t).insert(std::move(row));
  }

  errc read_code(const std::string& id) {
    return j->read(aside_partition, id).code();
  }

  std::size_t errors_in_list() {
    instance_query query;
    const auto page = j->query({aside_partition}, query).value();
    return static_cast<std::size_t>(
      std::count_if(page.rows.begin(), page.rows.end(),
                    [](const auto& row) { return !row.error.empty(); }));
  }

  const std::vector<std::string> ids{"order-1", "order-2", "order-3", "order-4",
                                     "order-5"};
  std::shared_ptr<memory_disk> disk = make_memory_disk(4);
  std::unique_ptr<manual_journal> j;
  partition_sequence sequence = 0;
};

std::string key_of_row(const std::string& id, row_kind kind,
                       std::optional<std::uint64_t> number = {}) {
  return number ? instance_key(aside_partition, id, kind, *number)
                : instance_key(aside_partition, id, kind);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(set_aside, aside_fixture)

// Each row that a flush reads, damaged alone. The other instances are written,
// and the journal's records are deleted. After a repair nothing is missing.
BOOST_AUTO_TEST_CASE(flush_sets_a_damaged_instance_aside) {
  const std::vector<std::pair<std::string, bool>> keys{
    {key_of_row("order-3", row_kind::record), false},
    {key_of_row("order-3", row_kind::record), true},
    {key_of_row("order-3", row_kind::requests), false},
    {key_of_row("order-3", row_kind::task, 1), false},
    {key_of_row("order-3", row_kind::task, 2), false}};
  aside_fixture sound;
  sound.append(sound.continue_all());
  sound.flush();
  sound.append(sound.continue_all(3));
  sound.flush();
  for (const auto& [key, is_key] : keys) {
    aside_fixture now;
    const auto saved = now.rows(table::instances);
    const auto damage = [&] {
      if (is_key)
        now.flip_key(table::instances, key);
      else
        now.flip_value(table::instances, key);
    };
    const auto check_damaged = [&] {
      BOOST_TEST((now.read_code("order-3") == errc::storage_damaged));
      BOOST_TEST((now.j->history(aside_partition, "order-3").code()
                  == errc::storage_damaged));
      const auto found = now.j->set_aside(aside_partition);
      BOOST_TEST_REQUIRE(found.size() == 1U, readable(key));
      BOOST_TEST(found[0].id == "order-3");
      BOOST_TEST(now.j->set_aside_count(aside_partition) == 1U);
      BOOST_TEST(now.j->set_aside(partition_id(0)).empty());
      BOOST_TEST(now.errors_in_list() == 1U);
      for (const std::string& id : now.ids)
        if (id != "order-3")
          BOOST_TEST((*now.j->read(aside_partition, id)
                      == *sound.j->read(aside_partition, id)),
                     id);
      BOOST_TEST(now.disk->at(0).log.records().size() == 1U);
    };
    damage();
    now.append(now.continue_all());
    now.flush();
    now.append(now.continue_all(3)); // the instance is set aside already
    now.flush();
    check_damaged();
    now.open(); // the damage is still there
    check_damaged();
    now.j.reset();
    auto& rows = now.rows(table::instances);
    std::erase_if(rows, [](const auto& row) {
      return row.first.starts_with(instance_prefix(aside_partition, "order-3"));
    });
    for (const auto& [at, value] : saved)
      if (at.starts_with(instance_prefix(aside_partition, "order-3")))
        rows.emplace(at, value);
    now.open(); // repaired
    BOOST_TEST(now.j->set_aside(aside_partition).empty());
    BOOST_TEST(now.errors_in_list() == 0U);
    for (const std::string& id : now.ids) {
      BOOST_TEST((*now.j->read(aside_partition, id)
                  == *sound.j->read(aside_partition, id)),
                 readable(key) << ": " << id);
      BOOST_TEST((*now.j->history(aside_partition, id)
                  == *sound.j->history(aside_partition, id)),
                 id);
    }
    for (std::size_t i = 1; i < table_count; ++i)
      if (const auto t = static_cast<table>(i); t != table::partitions)
        BOOST_TEST((now.rows(t) == sound.rows(t)), readable(key)
                                                     << ": " << name_of(t));
  }
}

// All instances of a slice are damaged, and the crash is in the middle of the
// flush.
BOOST_AUTO_TEST_CASE(damage_and_a_crash_in_a_flush_lose_nothing) {
  for (const auto point :
       {crash_point::before_views_commit, crash_point::after_views_commit})
    for (const std::uint64_t n : {1, 2}) {
      aside_fixture now;
      for (const char* id : {"order-1", "order-2", "order-5"})
        now.flip_value(table::instances, key_of_row(id, row_kind::record));
      now.j.reset();
      memory_journal_options options;
      options.crash = [&](crash_point where, std::uint64_t number) {
        return where == point && number == n;
      };
      now.j = open_memory_journal(now.disk, options).value();
      now.append(now.continue_all());
      now.flush();
      now.open();
      BOOST_TEST(now.j->set_aside(aside_partition).size() == 3U);
      BOOST_TEST((now.j->read(aside_partition, "order-3").value()->record.status
                  == runtime_status::suspended));
    }
}

// A count that cannot be read is restored from the index.
BOOST_AUTO_TEST_CASE(damaged_count_is_restored_from_the_index) {
  flip_value(table::counts,
             count_key(aside_partition, runtime_status::running));
  const auto running = static_cast<std::size_t>(runtime_status::running);
  BOOST_TEST(j->count({aside_partition}).value()[running] == 5U);
  append(continue_all());
  BOOST_TEST(j->count({aside_partition}).value()[running] == 0U);
  flush();
  BOOST_TEST(j->count({aside_partition}).value()[running] == 0U);
}

// Rows of one instance or message that recovery reads. None keeps the partition
// from starting, and each is named.
BOOST_AUTO_TEST_CASE(recovery_leaves_damaged_rows_out) {
  turn_writes turn = next_turn();
  for (std::uint64_t i = 1; i <= 4; ++i)
    turn.outbox.push_back(
      {partition_id(2), i, "order-9", event_send{"paid", "1"}});
  append(std::move(turn));
  flush();
  const std::string due = due_key(aside_partition, at(9000), "order-2", 2);

  struct damage_case {
    table t;
    std::string key;
    std::size_t sentences;
    std::size_t timers;
  };

  const std::vector<damage_case> cases{
    {table::activities, activity_key(aside_partition, "order-2", 1), 1, 5},
    {table::due, due, 0, 4},
    {table::outbox, outbox_key(aside_partition, partition_id(2), 1), 0, 5},
    {table::outbox, outbox_key(aside_partition, partition_id(2), 2), 0, 5},
    {table::outbox, outbox_key(aside_partition, partition_id(2), 4), 0, 5}};
  for (const auto& each : cases)
    for (const bool is_key : {false, true}) {
      const auto saved = rows(each.t);
      if (is_key)
        flip_key(each.t, each.key);
      else
        flip_value(each.t, each.key);
      open();
      const auto found = j->load(aside_partition);
      BOOST_TEST_REQUIRE(!!found, readable(each.key));
      BOOST_TEST(found->damage.size() >= each.sentences, readable(each.key));
      BOOST_TEST(found->activities.size()
                 == (each.t == table::activities ? 4U : 5U));
      const auto timers
        = j->due(aside_partition, time_scale::elapsed, at(0), timestamp::max());
      BOOST_TEST_REQUIRE(!!timers);
      BOOST_TEST(timers->tasks.size() == each.timers);
      // The numbers of the messages have no gap. A message whose key has one
      // flipped bit is read; one whose value is damaged is replaced.
      const auto page
        = j->outbox(aside_partition, partition_id(2), 1, 4, 1U << 20U);
      BOOST_TEST_REQUIRE(!!page, readable(each.key));
      BOOST_TEST_REQUIRE(page->messages.size() == 4U, readable(each.key));
      for (std::uint64_t i = 1; i <= 4; ++i)
        BOOST_TEST(page->messages[i - 1].sequence == i);
      BOOST_TEST(page->damage.size()
                 == (each.t == table::outbox && !is_key ? 1U : 0U));
      // In this store a row with another key has another place, so the first
      // message seems to be absent.
      const outbox_range whole{partition_id(2), 1, 4};
      if (each.t != table::outbox || !is_key || number_of(each.key) != 1U)
        BOOST_TEST((found->outbox == std::vector{whole}), readable(each.key));
      rows(each.t) = saved;
    }
}

// A row without which a partition cannot recover: the journal opens, the others
// are served, and the row stays damaged. One flipped bit of its key is set
// back.
BOOST_AUTO_TEST_CASE(damage_of_one_partition_keeps_no_other_from_recovering) {
  const partition_id other{0};
  const std::vector<std::pair<table, std::string>> cases{
    {table::partitions, partition_key(aside_partition)},
    {table::marks, pair_key(aside_partition, partition_id(2))},
    {table::outbox_heads, pair_key(aside_partition, partition_id(2))}};
  for (const auto& [t, key] : cases) {
    aside_fixture now;
    const auto append_other = [&](partition_sequence number) {
      turn_writes turn;
      turn.partition = other;
      turn.epoch = 1;
      turn.sequence = number;
      now.append(std::move(turn));
      now.flush();
    };
    const auto reopen = [&] {
      now.j.reset();
      now.j = open_memory_journal(now.disk).value();
    };
    turn_writes turn = now.next_turn();
    turn.outbox.push_back(
      {partition_id(2), 1, "order-9", event_send{"paid", "1"}});
    turn.marks.push_back({partition_id(2), 7});
    now.append(std::move(turn));
    append_other(1);
    const std::string sound = now.rows(t).at(key);
    now.flip_value(t, key);
    reopen();
    const auto damaged = now.j->load(aside_partition);
    BOOST_TEST((damaged.code() == errc::storage_damaged), name_of(t));
    BOOST_TEST(damaged.error().message.find(name_of(t)) != std::string::npos);
    BOOST_TEST(now.j->load(other).value().meta.sequence == 1U);
    BOOST_TEST(now.j->read(aside_partition, "order-2").value().has_value());
    append_other(2);
    BOOST_TEST((now.j->load(aside_partition).code() == errc::storage_damaged));
    BOOST_TEST(now.j->load(other).value().meta.sequence == 2U);
    now.rows(t).at(key) = sound;
    const auto saved = now.rows(t);
    now.flip_key(t, key);
    reopen();
    const auto restored = now.j->load(aside_partition);
    BOOST_TEST_REQUIRE(!!restored,
                       name_of(t)
                         << ": " << (restored ? "" : restored.error().message));
    BOOST_TEST(restored->meta.sequence == now.sequence);
    BOOST_TEST(restored->marks.size() == 1U);
    BOOST_TEST(
      (restored->outbox == std::vector{outbox_range{partition_id(2), 1, 1}}));
    now.rows(t) = saved;
    now.rows(t).erase(key);
    reopen();
    // Only the source of the messages knows that there was a mark.
    BOOST_TEST((now.j->load(aside_partition).code()
                == (t == table::marks ? errc::ok : errc::storage_damaged)));
  }
}

// Damage of the row while the node runs: the next flush writes it anew.
BOOST_AUTO_TEST_CASE(row_of_a_running_partition_is_written_anew) {
  const std::string incarnation
    = j->load(aside_partition).value().meta.incarnation;
  flip_value(table::partitions, partition_key(aside_partition));
  append(continue_all());
  flush();
  open();
  const auto found = j->load(aside_partition);
  BOOST_TEST_REQUIRE(!!found);
  BOOST_TEST(found->meta.incarnation == incarnation);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
