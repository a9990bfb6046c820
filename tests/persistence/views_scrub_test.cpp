// SPDX-License-Identifier: Apache-2.0
// The slow check of all rows in the running node (finding S6).
#include "persistence/journal/memory_journal.hpp"
#include "persistence/views/rows.hpp"
#include "persistence/views/views_scrub.hpp"

#include "journal_harness.hpp"
#include <boost/test/unit_test.hpp>

namespace perdura::persistence {

using namespace testing;

namespace {

/// The views of random turns.
struct scrub_fixture {
  scrub_fixture() {
    auto j = open_memory_journal(disk).value();
    model expected;
    turn_generator generator(7, 4);
    for (int i = 0; i < 200; ++i) {
      turn_writes turn = generator.next(expected);
      expected.add_turn(turn);
      j->append(std::move(turn));
    }
    j->commit();
    j->flush_views(true);
  }

  map_store& rows() {
    return disk->at(0).rows;
  }

  std::size_t row_count() {
    std::size_t count = 0;
    for (std::size_t i = 0; i < table_count; ++i)
      count += rows().rows(static_cast<table>(i)).size();
    return count;
  }

  /// The damage that one pass finds.
  std::vector<std::string> pass(std::size_t rows_max = 5) {
    views_scrub scrub(rows());
    std::vector<std::string> damage;
    std::size_t read = 0;
    for (bool ended = false; !ended;) {
      const auto done = scrub.step(rows_max);
      BOOST_TEST(done.rows <= rows_max);
      read += done.rows;
      ended = done.is_complete;
      damage.insert(damage.end(), done.damage.begin(), done.damage.end());
    }
    BOOST_TEST(read == row_count());
    return damage;
  }

  std::shared_ptr<memory_disk> disk = make_memory_disk(4);
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(views_scrub_suite, scrub_fixture)

BOOST_AUTO_TEST_CASE(sound_views_have_no_damage) {
  for (const std::size_t rows_max : {1, 7, 1'000'000})
    for (const std::string& sentence : pass(rows_max))
      BOOST_ERROR(sentence);
}

// Each row of each table, with a flipped bit in its value, then without the
// row.
BOOST_AUTO_TEST_CASE(each_damaged_row_is_found_in_one_pass) {
  for (std::size_t i = 0; i < table_count; ++i) {
    const auto t = static_cast<table>(i);
    const row_map saved = rows().rows(t);
    std::size_t missing = 0;
    for (const auto& [key, value] : saved) {
      rows().rows(t).at(key)[9] ^= 2;
      BOOST_TEST(!pass(100).empty(), name_of(t) << ' ' << readable(key));
      rows().rows(t) = saved;
      rows().rows(t).erase(key);
      missing += pass(100).empty() ? 1 : 0;
      rows().rows(t) = saved;
    }
    // Other rows show that an index row is missing.
    if (t == table::due || t == table::activities || t == table::turns_due
        || t == table::by_created || t == table::by_status)
      BOOST_TEST(missing == 0U, name_of(t));
  }
}

// The value of a row in the table due is the scale of its time. Before format
// 3, that of a scheduled start was that of a timer.
BOOST_AUTO_TEST_CASE(due_row_of_another_scale_is_found) {
  const row_map saved = rows().rows(table::due);
  std::size_t starts = 0;
  std::size_t by_wall = 0;
  for (const auto& [key, value] : saved) {
    const auto scale = decode_row<std::uint64_t>(table::due, key, value);
    const auto parts = parse_due_key(key).value();
    const auto task = get_row<open_task>(
      *rows().read(), table::instances,
      instance_key(partition_id(static_cast<unsigned char>(key[1])), parts.id,
                   row_kind::task, parts.sequence));
    const bool is_start = task->kind == task_kind::scheduled_start;
    starts += is_start ? 1 : 0;
    by_wall += task->absolute ? 1 : 0;
    {
      const auto writer = rows().write();
      typed_row_writer(*writer).put(table::due, key, 3 - scale);
      writer->commit();
    }
    BOOST_TEST(pass(100).empty() == is_start, readable(key));
    rows().rows(table::due) = saved;
  }
  BOOST_TEST(starts > 0U);
  BOOST_TEST(by_wall > 0U);
  BOOST_TEST(saved.size() > starts + by_wall);
}

// Rows that change between two steps are no damage.
BOOST_AUTO_TEST_CASE(changes_between_steps_are_no_damage) {
  views_scrub scrub(rows());
  auto j = open_memory_journal(disk).value();
  for (std::uint32_t i = 0; i < 200; ++i) {
    const partition_id p{i % 4};
    const auto meta = j->load(p)->meta;
    turn_writes turn
      = start_turn(p, meta.sequence + 1, "new-" + std::to_string(i));
    if (i >= 40) {
      turn.instances[0].id = "new-" + std::to_string(i - 40);
      turn.instances[0] = {.id = turn.instances[0].id, .removed = true};
    }
    j->append(std::move(turn));
    j->commit();
    j->flush_views(true);
    for (const std::string& sentence : scrub.step(9).damage)
      BOOST_ERROR(sentence);
  }
}

BOOST_AUTO_TEST_CASE(thread_reports_each_damaged_row_once) {
  auto& counts = rows().rows(table::counts);
  BOOST_TEST_REQUIRE(!counts.empty());
  counts.begin()->second[3] ^= 1;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> reported;
  views_scrubber scrubber(rows(),
                          {.cpu_share = 1,
                           .rows_per_step = 50,
                           .pause_after_pass = std::chrono::milliseconds(0)},
                          [&](const std::string& sentence) {
                            const std::lock_guard lock(mutex);
                            reported.push_back(sentence);
                            changed.notify_all();
                          });
  scrubber.start();
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return !reported.empty(); });
  lock.unlock();
  const std::uint64_t passes = scrubber.passes();
  while (scrubber.passes() < passes + 3)
    std::this_thread::yield();
  scrubber.stop();
  BOOST_TEST(reported.size() == 1U);
  BOOST_TEST(scrubber.damaged() == 1U);
  BOOST_TEST(scrubber.rows() >= row_count());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
