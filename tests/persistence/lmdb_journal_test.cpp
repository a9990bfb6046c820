// SPDX-License-Identifier: Apache-2.0
// Properties of the journal on LMDB that need files, processes or threads.
#include "persistence/journal/verify.hpp"
#include "persistence/process/logging.hpp"

#include "damage_tools.hpp"
#include "durable_waiter.hpp"
#include "journal_harness.hpp"
#include "storage_kinds.hpp"
#include <boost/test/unit_test.hpp>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

constexpr partition_id partition_1{1};

/// Number of flipped bits after which reads returned errors, returned wrong
/// data, or crashed.
struct flip_outcome {
  int refused = 0;
  int wrong = 0;
  int crashed = 0;
};

flip_outcome flip_bits(lmdb_storage& storage, const char* name, int rounds) {
  const model expected = turns_of(60);
  std::mt19937_64 random(7);
  const fs::path file = storage.hub() / name;
  const fs::path views = storage.hub() / "lane-0/views/data.mdb";
  const std::string views_whole = read_file(views);
  const std::string whole = read_file(file);
  flip_outcome found;
  for (int i = 0; i < rounds; ++i) {
    std::string flipped = whole;
    const std::size_t place = random() % whole.size();
    flipped[place] = static_cast<char>(flipped[place] ^ (1 << (random() % 8)));
    write_file(views, views_whole);
    write_file(file, flipped);
    const int outcome = in_child([&] { return read_all(storage, expected); });
    BOOST_TEST_CONTEXT(name << " byte " << place << ": " << outcome) {
      found.refused += outcome == 1 ? 1 : 0;
      found.wrong += outcome == 2 ? 1 : 0;
      found.crashed += outcome > 2 ? 1 : 0;
      BOOST_TEST(outcome != 2);
    }
  }
  return found;
}

} // namespace

BOOST_AUTO_TEST_SUITE(lmdb_journal)

// --- Opening -----------------------------------------------------------------

// Opens a missing directory, an empty one, and one with other files.
BOOST_AUTO_TEST_CASE(directory_without_a_hub_is_refused_and_unchanged) {
  temporary_directory directory;
  lmdb_journal_options options;
  options.directory = directory.path() / "nowhere";
  BOOST_TEST((open_code(options) == errc::storage_missing));
  options.directory = directory.path();
  BOOST_TEST((open_code(options) == errc::storage_missing));
  BOOST_TEST(fs::is_empty(directory.path()));
  write_file(directory.path() / "notes", "other data");
  BOOST_TEST((open_code(options) == errc::storage_missing));
  BOOST_TEST((create_hub(directory.path(), small_hub()).code()
              == errc::storage_foreign));
  BOOST_TEST(!fs::exists(directory.path() / "lock"));
}

// Each partition gets its own random incarnation.
BOOST_AUTO_TEST_CASE(hub_is_created_once_with_owner_only_permissions) {
  lmdb_storage storage;
  BOOST_TEST(
    (create_hub(storage.hub(), small_hub()).code() == errc::storage_in_use));
  BOOST_TEST((fs::status(storage.hub()).permissions() == fs::perms::owner_all));
  BOOST_TEST((create_hub(storage.hub() / "x", small_hub(0)).code()
              == errc::invalid_argument));
  auto j = storage.open();
  std::vector<std::string> incarnations;
  for (std::uint32_t p = 0; p < 4; ++p)
    incarnations.push_back(j->load(partition_id(p))->meta.incarnation);
  std::sort(incarnations.begin(), incarnations.end());
  BOOST_TEST((std::unique(incarnations.begin(), incarnations.end())
              == incarnations.end()));
  BOOST_TEST(incarnations.front().size() == 32U);
}

// The configuration names another hub ID or lane count than the directory has.
BOOST_AUTO_TEST_CASE(unexpected_hub_id_or_lane_count_is_refused) {
  lmdb_storage storage;
  auto options = storage.options();
  options.hub_id = random_hex32();
  BOOST_TEST((open_code(options) == errc::storage_foreign));
  options = storage.options();
  options.lane_count = 2;
  BOOST_TEST((open_code(options) == errc::storage_foreign));
  options.lane_count = 1;
  options.hub_id = read_hub(storage.hub())->hub_id;
  BOOST_TEST((open_code(options) == errc::ok));
}

BOOST_AUTO_TEST_CASE(unknown_hub_format_is_refused_and_named) {
  lmdb_storage storage;
  std::string text = read_file(storage.hub() / "hub");
  const std::string known = "format " + std::to_string(storage_format);
  text.replace(text.find(known), known.size(), "format 7");
  write_file(storage.hub() / "hub", text);
  const auto hub = read_hub(storage.hub());
  BOOST_TEST((hub.code() == errc::storage_format));
  BOOST_TEST(hub.error().message.find("format 7") != std::string::npos);
  BOOST_TEST(hub.error().message.find("to " + std::to_string(storage_format))
             != std::string::npos);
}

// One bit of each byte of the hub file is flipped in turn.
BOOST_AUTO_TEST_CASE(hub_file_with_a_flipped_bit_is_refused) {
  lmdb_storage storage;
  const std::string text = read_file(storage.hub() / "hub");
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    write_file(storage.hub() / "hub", flipped);
    BOOST_TEST(!read_hub(storage.hub()), "byte " << i);
  }
}

// The error contains the ID of the process that uses the directory.
BOOST_AUTO_TEST_CASE(directory_in_use_is_refused_and_the_process_named) {
  lmdb_storage storage;
  auto j = storage.open();
  auto options = storage.options();
  options.manual = true;
  auto second = open_lmdb_journal(options);
  BOOST_TEST((second.code() == errc::storage_in_use));
  BOOST_TEST(second.error().message.find(std::to_string(::getpid()))
             != std::string::npos);
  j.reset();
  BOOST_TEST((open_code(options) == errc::ok));
}

// The child process commits a turn and is killed with SIGKILL.
BOOST_AUTO_TEST_CASE(killed_process_leaves_no_lock_behind) {
  lmdb_storage storage;
  const int status = in_child([&] {
    auto j = storage.open();
    j->append(start_turn(partition_1, 1, "order-1"));
    j->commit();
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  BOOST_TEST(status == 128 + SIGKILL);
  auto j = storage.open();
  BOOST_TEST(j->read(partition_1, "order-1")->has_value());
}

// LMDB does not allow a second environment on the same file in a process.
BOOST_AUTO_TEST_CASE(environment_opens_only_once_in_a_process) {
  lmdb_storage storage;
  auto j = storage.open();
  try {
    lmdb_log second(journal_directory(storage.hub(), 0), false);
    BOOST_ERROR("the environment was opened twice");
  } catch (const storage_exception& e) {
    BOOST_TEST((e.reason().code == errc::storage_in_use));
  }
}

// --- Damage ------------------------------------------------------------------

// Access to a mapped page beyond the end of a file would end the process with
// SIGBUS. The damaged file must stay unchanged.
BOOST_AUTO_TEST_CASE(truncated_or_missing_file_is_refused_before_mapping) {
  for (const char* name :
       {"lane-0/journal/data.mdb", "lane-0/views/data.mdb"}) {
    lmdb_storage storage;
    {
      // The file must be so large that its truncation matters.
      auto j = storage.open();
      turn_writes turn = start_turn(partition_1, 1, "order-1");
      std::get<execution_started>(turn.instances[0].history[1].body).input
        = "\"" + std::string(1 << 20, 'x') + "\"";
      j->append(turn);
      j->commit();
      j->flush_views(false);
    }
    const fs::path file = storage.hub() / name;
    const std::string whole = read_file(file);
    for (std::size_t size : {std::size_t{0}, std::size_t{100},
                             std::size_t{5000}, whole.size() / 3}) {
      write_file(file, whole.substr(0, size));
      BOOST_TEST((open_code(storage.options()) == errc::storage_damaged),
                 name << " of " << size << " bytes");
      BOOST_TEST(fs::file_size(file) == size);
    }
    write_file(file, "not LMDB" + whole.substr(8, 20) + whole.substr(0, 9000));
    BOOST_TEST((open_code(storage.options()) == errc::storage_damaged));
    fs::remove(file);
    BOOST_TEST((open_code(storage.options()) == errc::storage_damaged));
    BOOST_TEST(!fs::exists(file));
    write_file(file, whole);
    BOOST_TEST((open_code(storage.options()) == errc::ok));
  }
}

// The views contain turns that the journal, as it was when the hub was created,
// has never had.
BOOST_AUTO_TEST_CASE(journal_replaced_by_an_empty_one_is_refused) {
  lmdb_storage storage;
  const fs::path file = storage.hub() / "lane-0/journal/data.mdb";
  const std::string fresh = read_file(file);
  write_turns(storage);
  write_file(file, fresh);
  BOOST_TEST((open_code(storage.options()) == errc::storage_damaged));
}

// A read of damaged data returns an error or the right answer, never a wrong
// one, and does not crash.
BOOST_AUTO_TEST_CASE(flipped_bits_never_crash_a_read_or_change_an_answer) {
  int found = 0;
  for (const char* name :
       {"lane-0/journal/data.mdb", "lane-0/views/data.mdb"}) {
    lmdb_storage storage;
    write_turns(storage, true);
    const auto [refused, wrong, crashed] = flip_bits(storage, name, 150);
    BOOST_TEST(wrong == 0, name);
    BOOST_TEST(crashed == 0, name);
    found += refused;
  }
  // If no flipped bit caused an error, the test would prove nothing.
  BOOST_TEST(found > 3);
}

// When the views must be written to damaged pages, LMDB may end the process.
// The journal still has the durable turns, and no read returns a wrong answer.
BOOST_AUTO_TEST_CASE(flipped_bits_during_a_flush_give_no_wrong_answer) {
  for (const char* name :
       {"lane-0/journal/data.mdb", "lane-0/views/data.mdb"}) {
    lmdb_storage storage;
    write_turns(storage);
    BOOST_TEST(flip_bits(storage, name, 80).wrong == 0, name);
  }
}

// The name of a task is changed in all copies of its page.
BOOST_AUTO_TEST_CASE(verify_accepts_an_intact_hub_and_names_a_damaged_row) {
  lmdb_storage storage;
  write_turns(storage);
  const auto sound = verify_hub(storage.hub(), small_maps);
  BOOST_REQUIRE(sound);
  BOOST_TEST(sound->problems.empty());
  for (const std::string& problem : sound->problems)
    BOOST_TEST_MESSAGE(problem);
  BOOST_TEST(sound->instances > 0U);
  BOOST_TEST(sound->records > 0U);
  const fs::path file = storage.hub() / "lane-0/views/data.mdb";
  std::string bytes = read_file(file);
  // The file can hold several copies of a page, and LMDB uses the newest one.
  // All copies are damaged.
  std::size_t hits = 0;
  for (std::size_t at = bytes.find("Pack"); at != std::string::npos;
       at = bytes.find("Pack", at + 1), ++hits)
    bytes[at] = 'p';
  BOOST_REQUIRE(hits > 0U);
  write_file(file, bytes);
  const auto damaged = verify_hub(storage.hub(), small_maps);
  BOOST_REQUIRE(damaged);
  BOOST_REQUIRE(!damaged->problems.empty());
  BOOST_TEST(damaged->problems.front().find("instances") != std::string::npos);
}

// --- Trimming and size limits ------------------------------------------------

// Flushed turns are trimmed and their pages are reused.
BOOST_AUTO_TEST_CASE(journal_file_stays_small_when_views_are_flushed) {
  lmdb_storage storage;
  auto j = storage.open();
  const fs::path file = storage.hub() / "lane-0/journal/data.mdb";
  std::uintmax_t size = 0;
  for (std::uint64_t i = 1; i <= 400; ++i) {
    turn_writes turn
      = start_turn(partition_1, i, "order-" + std::to_string(i % 10));
    turn.instances[0].removed = true;
    std::get<execution_started>(turn.instances[0].history[1].body).input
      = "\"" + std::string(20'000, 'x') + "\"";
    j->append(std::move(turn));
    j->commit();
    if (i % 20 == 0)
      j->flush_views(false);
    if (i == 100)
      size = fs::file_size(file);
  }
  // 300 more turns of 20 kB each were written, but the file grew by less than 1
  // MiB.
  BOOST_TEST(fs::file_size(file) < size + (1U << 20U));
}

// An input of 2 MiB exceeds a limit of 1 MiB.
BOOST_AUTO_TEST_CASE(full_store_reports_full_until_rows_are_purged) {
  lmdb_storage storage;
  auto options = storage.options();
  options.manual = true;
  options.disk_limits.storage_bytes_max = 1U << 20U;
  auto j = open_lmdb_journal(options).value();
  BOOST_TEST(!j->is_full());
  turn_writes turn = start_turn(partition_1, 1, "order-1");
  std::get<execution_started>(turn.instances[0].history[1].body).input
    = "\"" + std::string(2U << 20U, 'x') + "\"";
  j->append(turn);
  j->commit();
  j->flush_views(true);
  BOOST_TEST(j->is_full());
  turn.sequence = 2;
  turn.instances[0] = {};
  turn.instances[0].id = "order-1";
  turn.instances[0].removed = true;
  j->append(turn);
  j->commit();
  j->flush_views(true);
  BOOST_TEST(!j->is_full());
}

// --- Threads -----------------------------------------------------------------

// Eight callers on two lanes with real threads. A turn can be read as soon as
// it is durable, and many turns share one commit.
BOOST_AUTO_TEST_CASE(committer_threads_commit_turns_of_many_callers) {
  lmdb_storage storage(8, 2);
  auto options = storage.options();
  options.views.age = std::chrono::milliseconds(5);
  constexpr std::uint64_t turns = 300;
  {
    auto opened = open_lmdb_journal(options).value();
    journal& j = *opened;
    std::array<durable_waiter, 8> reported;
    std::vector<std::thread> callers;
    for (std::uint32_t p = 0; p < 8; ++p)
      j.listen(partition_id(p),
               [&, p](auto place) { reported[p].report(place); });
    for (std::uint32_t p = 0; p < 8; ++p)
      callers.emplace_back([&, p] {
        journal_position last = 0;
        for (std::uint64_t i = 1; i <= turns; ++i) {
          const std::string id = "order-" + std::to_string(i);
          last = j.append(start_turn(partition_id(p), i, id));
          j.request_commit(partition_id(p), false);
          if (i % 50 == 0) {
            reported[p].wait_for(last);
            // A durable turn can be read at once, before and after its flush.
            if (!j.read(partition_id(p), id)->has_value()
                || j.history(partition_id(p), id)->size() != 2)
              std::abort();
          }
        }
        reported[p].wait_for(last);
      });
    for (std::thread& caller : callers)
      caller.join();
    const auto statistics = j.statistics();
    BOOST_TEST(statistics.turns == 8 * turns);
    BOOST_TEST(statistics.commits < 8 * turns / 4);
    for (std::uint32_t p = 0; p < 8; ++p)
      j.listen(partition_id(p), {});
    // Without close(): the destructor commits all queued turns.
  }
  auto j = storage.open();
  std::vector<partition_id> all;
  for (std::uint32_t p = 0; p < 8; ++p)
    all.push_back(partition_id(p));
  BOOST_TEST(j->count(all).value()[0] == 8 * turns);
  j.reset();
  BOOST_TEST(verify_hub(storage.hub(), small_maps)->problems.empty());
}

// A hundred turns are queued and the journal is closed.
BOOST_AUTO_TEST_CASE(close_commits_all_queued_turns) {
  lmdb_storage storage;
  {
    auto j = open_lmdb_journal(storage.options()).value();
    for (std::uint64_t i = 1; i <= 100; ++i)
      j->append(start_turn(partition_1, i, "order-" + std::to_string(i)));
    j->close();
    BOOST_TEST(j->durable(partition_1) == 100U);
  }
  BOOST_TEST(storage.open()->count({partition_1}).value()[0] == 100U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
