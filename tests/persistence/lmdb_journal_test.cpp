/// What only a disk and threads can break.
#include "persistence/process/logging.hpp"
#include "persistence/stores/verify.hpp"

#include "journal_harness.hpp"
#include "worlds.hpp"
#include <boost/test/unit_test.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

constexpr partition_id p1{1};

/// Waits for the places that a journal's threads report.
class reached {
public:
  void tell(journal_position position) {
    std::lock_guard lock(mutex_);
    position_ = std::max(position_, position);
    ++calls_;
    changed_.notify_all();
  }

  void wait_for(journal_position position) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return position_ >= position; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  journal_position position_ = 0;
  std::uint64_t calls_ = 0;
};

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
}

/// Sixty turns; `all_in_views`: none waits in the journal alone.
void fill(lmdb_world& world, bool all_in_views = false) {
  auto j = world.open();
  turn_maker make(1, 4);
  model expected;
  for (int i = 0; i < 60; ++i) {
    auto turn = make.next(expected);
    expected.take(turn);
    j->enqueue(std::move(turn));
    if (i % 10 == 9)
      j->commit();
    if (i == 29 || (all_in_views && i == 59))
      j->flush_views(false);
  }
}

/// Calls it in a child, so that even a crash of LMDB's would be seen.
/// Returns what it returned, or 128 + the signal.
template <class F>
int in_child(F work) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (int number : {SIGSEGV, SIGBUS, SIGABRT})
      ::signal(number, SIG_DFL); // Not Boost's.
    set_log_level(log_level::off);
    ::_exit(work());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Reads everything that `fill` wrote: 0: all answers are right; 1: one was
/// refused; 2: one was wrong.
int answers(lmdb_world& world, const model& expected) {
  auto how = world.options();
  how.manual = true;
  auto opened = open_lmdb_journal(how);
  if (!opened)
    return 1;
  const auto& j = *opened;
  int worst = 0;
  for (const auto& [where, x] : expected.instances) {
    const partition_id p{where.first};
    const auto stored = j->read(p, where.second);
    const auto events = j->history(p, where.second);
    if (!stored || !events)
      worst = std::max(worst, 1);
    else if (*stored != x.state || *events != x.history)
      worst = 2;
  }
  for (std::uint32_t p = 0; p < 4; ++p)
    if (!j->load(partition_id(p)) || !j->count({partition_id(p)})
        || !j->due(partition_id(p), at(0), timestamp::max())
        || !j->query({partition_id(p)}, {}))
      worst = std::max(worst, 1);
  return worst;
}

struct flip_outcome {
  int refused = 0;
  int wrong = 0;
  int crashed = 0;
};

flip_outcome flip_bits(lmdb_world& world, const char* name, int rounds) {
  model expected;
  turn_maker make(1, 4);
  for (int i = 0; i < 60; ++i)
    expected.take(make.next(expected));
  std::mt19937_64 random(7);
  const fs::path file = world.hub() / name;
  const fs::path views = world.hub() / "lane-0/views/data.mdb";
  const std::string views_whole = read_file(views);
  const std::string whole = read_file(file);
  flip_outcome found;
  for (int i = 0; i < rounds; ++i) {
    std::string flipped = whole;
    const std::size_t place = random() % whole.size();
    flipped[place] = static_cast<char>(flipped[place] ^ (1 << (random() % 8)));
    write_file(views, views_whole);
    write_file(file, flipped);
    const int outcome = in_child([&] { return answers(world, expected); });
    BOOST_TEST_CONTEXT(name << " byte " << place << ": " << outcome) {
      found.refused += outcome == 1 ? 1 : 0;
      found.wrong += outcome == 2 ? 1 : 0;
      found.crashed += outcome > 2 ? 1 : 0;
      BOOST_TEST(outcome != 2);
    }
  }
  return found;
}

errc open_code(lmdb_journal_options how) {
  how.manual = true;
  return open_lmdb_journal(std::move(how)).code();
}

} // namespace

BOOST_AUTO_TEST_SUITE(lmdb_journal)

// --- Opening -----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_directory_without_a_hub_is_refused_and_left_alone) {
  temporary_directory directory;
  lmdb_journal_options how;
  how.directory = directory.path() / "nowhere";
  BOOST_TEST((open_code(how) == errc::storage_missing));
  how.directory = directory.path();
  BOOST_TEST((open_code(how) == errc::storage_missing));
  BOOST_TEST(fs::is_empty(directory.path()));
  write_file(directory.path() / "letter", "dear");
  BOOST_TEST((open_code(how) == errc::storage_missing));
  BOOST_TEST((create_hub(directory.path(), small_hub()).code()
              == errc::storage_foreign));
  BOOST_TEST(!fs::exists(directory.path() / "lock"));
}

BOOST_AUTO_TEST_CASE(a_hub_is_created_once_and_closed_to_others) {
  lmdb_world world;
  BOOST_TEST(
    (create_hub(world.hub(), small_hub()).code() == errc::storage_in_use));
  BOOST_TEST((fs::status(world.hub()).permissions() == fs::perms::owner_all));
  BOOST_TEST((create_hub(world.hub() / "x", small_hub(0)).code()
              == errc::invalid_argument));
  auto j = world.open();
  std::vector<std::string> incarnations;
  for (std::uint32_t p = 0; p < 4; ++p)
    incarnations.push_back(j->load(partition_id(p))->meta.incarnation);
  std::sort(incarnations.begin(), incarnations.end());
  BOOST_TEST((std::unique(incarnations.begin(), incarnations.end())
              == incarnations.end()));
  BOOST_TEST(incarnations.front().size() == 32U);
}

BOOST_AUTO_TEST_CASE(another_hub_or_lane_count_than_expected_is_refused) {
  lmdb_world world;
  auto how = world.options();
  how.hub_id = random_hex32();
  BOOST_TEST((open_code(how) == errc::storage_foreign));
  how = world.options();
  how.lane_count = 2;
  BOOST_TEST((open_code(how) == errc::storage_foreign));
  how.lane_count = 1;
  how.hub_id = read_hub(world.hub())->hub_id;
  BOOST_TEST((open_code(how) == errc::ok));
}

BOOST_AUTO_TEST_CASE(stores_of_another_hub_are_refused) {
  lmdb_world world;
  lmdb_world other;
  fs::copy_file(other.hub() / "lane-0/views/data.mdb",
                world.hub() / "lane-0/views/data.mdb",
                fs::copy_options::overwrite_existing);
  BOOST_TEST((open_code(world.options()) == errc::storage_foreign));
}

BOOST_AUTO_TEST_CASE(another_format_is_refused_and_both_are_named) {
  lmdb_world world;
  std::string text = read_file(world.hub() / "hub");
  text.replace(text.find("format 1"), 8, "format 7");
  write_file(world.hub() / "hub", text);
  const auto hub = read_hub(world.hub());
  BOOST_TEST((hub.code() == errc::storage_format));
  BOOST_TEST(hub.error().message.find("format 7") != std::string::npos);
  BOOST_TEST(hub.error().message.find("format 1") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_hub_file_with_a_flipped_bit_is_refused) {
  lmdb_world world;
  const std::string text = read_file(world.hub() / "hub");
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    write_file(world.hub() / "hub", flipped);
    BOOST_TEST(!read_hub(world.hub()), "byte " << i);
  }
}

BOOST_AUTO_TEST_CASE(a_directory_in_use_is_refused_and_the_user_named) {
  lmdb_world world;
  auto j = world.open();
  auto how = world.options();
  how.manual = true;
  auto second = open_lmdb_journal(how);
  BOOST_TEST((second.code() == errc::storage_in_use));
  BOOST_TEST(second.error().message.find(std::to_string(::getpid()))
             != std::string::npos);
  j.reset();
  BOOST_TEST((open_code(how) == errc::ok));
}

BOOST_AUTO_TEST_CASE(a_process_that_was_killed_leaves_no_lock_behind) {
  lmdb_world world;
  const int status = in_child([&] {
    auto j = world.open();
    j->enqueue(start_turn(p1, 1, "order-1"));
    j->commit();
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  BOOST_TEST(status == 128 + SIGKILL);
  auto j = world.open();
  BOOST_TEST(j->read(p1, "order-1")->has_value());
}

BOOST_AUTO_TEST_CASE(an_environment_is_not_opened_twice_in_a_process) {
  lmdb_world world;
  auto j = world.open();
  try {
    lmdb_log second(journal_directory(world.hub(), 0), false);
    BOOST_ERROR("it was opened twice");
  } catch (const storage_exception& e) {
    BOOST_TEST((e.reason().code == errc::storage_in_use));
  }
}

// --- Damage ------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(
  a_truncated_or_missing_file_is_refused_before_it_is_mapped) {
  for (const char* name :
       {"lane-0/journal/data.mdb", "lane-0/views/data.mdb"}) {
    lmdb_world world;
    {
      // Large enough that its end is missed.
      auto j = world.open();
      turn_writes turn = start_turn(p1, 1, "order-1");
      std::get<execution_started>(turn.instances[0].history[1].body).input
        = "\"" + std::string(1 << 20, 'x') + "\"";
      j->enqueue(turn);
      j->commit();
      j->flush_views(false);
    }
    const fs::path file = world.hub() / name;
    const std::string whole = read_file(file);
    for (std::size_t size : {std::size_t{0}, std::size_t{100},
                             std::size_t{5000}, whole.size() / 3}) {
      write_file(file, whole.substr(0, size));
      BOOST_TEST((open_code(world.options()) == errc::storage_damaged),
                 name << " of " << size << " bytes");
      BOOST_TEST(fs::file_size(file) == size);
    }
    write_file(file, "not LMDB" + whole.substr(8, 20) + whole.substr(0, 9000));
    BOOST_TEST((open_code(world.options()) == errc::storage_damaged));
    fs::remove(file);
    BOOST_TEST((open_code(world.options()) == errc::storage_damaged));
    BOOST_TEST(!fs::exists(file));
    write_file(file, whole);
    BOOST_TEST((open_code(world.options()) == errc::ok));
  }
}

BOOST_AUTO_TEST_CASE(an_emptied_journal_is_refused) {
  lmdb_world world;
  lmdb_world fresh;
  fill(world);
  fs::copy_file(fresh.hub() / "lane-0/journal/data.mdb",
                world.hub() / "lane-0/journal/data.mdb",
                fs::copy_options::overwrite_existing);
  BOOST_TEST((open_code(world.options()) == errc::storage_damaged));
}

// Whatever bit is wrong: an error, or the right answer; never a wrong one, and
// no crash by reading.
BOOST_AUTO_TEST_CASE(flipped_bits_are_refused_and_never_crash) {
  int found = 0;
  for (const char* name :
       {"lane-0/journal/data.mdb", "lane-0/views/data.mdb"}) {
    lmdb_world world;
    fill(world, true);
    const auto [refused, wrong, crashed] = flip_bits(world, name, 150);
    BOOST_TEST(wrong == 0, name);
    BOOST_TEST(crashed == 0, name);
    found += refused;
  }
  // The test would prove nothing if no flip were noticed.
  BOOST_TEST(found > 3);
}

// Where views must be written on damaged pages, LMDB may end the process; what
// was durable in the journal is there still, and no answer is wrong.
BOOST_AUTO_TEST_CASE(flipped_bits_under_a_flush_give_no_wrong_answer) {
  for (const char* name :
       {"lane-0/journal/data.mdb", "lane-0/views/data.mdb"}) {
    lmdb_world world;
    fill(world);
    BOOST_TEST(flip_bits(world, name, 80).wrong == 0, name);
  }
}

BOOST_AUTO_TEST_CASE(a_sound_hub_verifies_and_a_damaged_row_is_named) {
  lmdb_world world;
  fill(world);
  const auto sound = verify_hub(world.hub());
  BOOST_REQUIRE(sound);
  BOOST_TEST(sound->problems.empty());
  for (const std::string& problem : sound->problems)
    BOOST_TEST_MESSAGE(problem);
  BOOST_TEST(sound->instances > 0U);
  BOOST_TEST(sound->records > 0U);
  const fs::path file = world.hub() / "lane-0/views/data.mdb";
  std::string bytes = read_file(file);
  // The last of several copies is the one in use; damage them all.
  std::size_t hits = 0;
  for (std::size_t at = bytes.find("Pack"); at != std::string::npos;
       at = bytes.find("Pack", at + 1), ++hits)
    bytes[at] = 'p';
  BOOST_REQUIRE(hits > 0U);
  write_file(file, bytes);
  const auto damaged = verify_hub(world.hub());
  BOOST_REQUIRE(damaged);
  BOOST_REQUIRE(!damaged->problems.empty());
  BOOST_TEST(damaged->problems.front().find("instances") != std::string::npos);
}

// --- Trimming, room ----------------------------------------------------------

BOOST_AUTO_TEST_CASE(the_journal_does_not_grow_behind_the_views) {
  lmdb_world world;
  auto j = world.open();
  const fs::path file = world.hub() / "lane-0/journal/data.mdb";
  std::uintmax_t size = 0;
  for (std::uint64_t i = 1; i <= 400; ++i) {
    turn_writes turn = start_turn(p1, i, "order-" + std::to_string(i % 10));
    turn.instances[0].removed = true;
    std::get<execution_started>(turn.instances[0].history[1].body).input
      = "\"" + std::string(20'000, 'x') + "\"";
    j->enqueue(std::move(turn));
    j->commit();
    if (i % 20 == 0)
      j->flush_views(false);
    if (i == 100)
      size = fs::file_size(file);
  }
  // 300 more turns of 20 kB, and not a megabyte more.
  BOOST_TEST(fs::file_size(file) < size + (1U << 20U));
}

BOOST_AUTO_TEST_CASE(a_full_store_says_so_until_something_is_purged) {
  lmdb_world world;
  auto how = world.options();
  how.manual = true;
  how.room.storage_bytes_max = 1U << 20U;
  auto j = open_lmdb_journal(how).value();
  BOOST_TEST(!j->is_full());
  turn_writes turn = start_turn(p1, 1, "order-1");
  std::get<execution_started>(turn.instances[0].history[1].body).input
    = "\"" + std::string(2U << 20U, 'x') + "\"";
  j->enqueue(turn);
  j->commit();
  j->flush_views(true);
  BOOST_TEST(j->is_full());
  turn.sequence = 2;
  turn.instances[0] = {};
  turn.instances[0].id = "order-1";
  turn.instances[0].removed = true;
  j->enqueue(turn);
  j->commit();
  j->flush_views(true);
  BOOST_TEST(!j->is_full());
}

BOOST_AUTO_TEST_CASE(the_reserve_is_given_up_when_the_disk_fills) {
  temporary_directory directory;
  std::uint64_t free = 1000;
  disk_guard guard(
    directory.path(), {.storage_bytes_max = 0, .reserve_bytes = 100},
    [] { return 0; }, [&] { return free; });
  BOOST_TEST(!guard.measure());
  BOOST_TEST(fs::file_size(directory.path() / "reserve") == 100U);
  free = 99;
  BOOST_TEST(guard.measure());
  BOOST_TEST(fs::file_size(directory.path() / "reserve") == 0U);
  free = 199;
  BOOST_TEST(guard.measure());
  free = 200;
  BOOST_TEST(!guard.measure());
  BOOST_TEST(fs::file_size(directory.path() / "reserve") == 100U);
}

// --- Threads -----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(threads_commit_what_many_callers_queue) {
  lmdb_world world(8, 2);
  auto how = world.options();
  how.views.age = std::chrono::milliseconds(5);
  constexpr std::uint64_t turns = 300;
  {
    auto opened = open_lmdb_journal(how).value();
    journal& j = *opened;
    std::array<reached, 8> told;
    std::vector<std::thread> callers;
    for (std::uint32_t p = 0; p < 8; ++p)
      j.listen(partition_id(p), [&, p](auto place) { told[p].tell(place); });
    for (std::uint32_t p = 0; p < 8; ++p)
      callers.emplace_back([&, p] {
        journal_position last = 0;
        for (std::uint64_t i = 1; i <= turns; ++i) {
          const std::string id = "order-" + std::to_string(i);
          last = j.enqueue(start_turn(partition_id(p), i, id));
          if (i % 50 == 0) {
            told[p].wait_for(last);
            // A durable turn is answered at once, wherever it lies.
            if (!j.read(partition_id(p), id)->has_value()
                || j.history(partition_id(p), id)->size() != 2)
              std::abort();
          }
        }
        told[p].wait_for(last);
      });
    for (std::thread& caller : callers)
      caller.join();
    const auto statistics = j.statistics();
    BOOST_TEST(statistics.turns == 8 * turns);
    BOOST_TEST(statistics.commits < 8 * turns / 4);
    for (std::uint32_t p = 0; p < 8; ++p)
      j.listen(partition_id(p), {});
    // No close: the destructor makes everything complete.
  }
  auto j = world.open();
  std::vector<partition_id> all;
  for (std::uint32_t p = 0; p < 8; ++p)
    all.push_back(partition_id(p));
  BOOST_TEST(j->count(all).value()[0] == 8 * turns);
  j.reset();
  BOOST_TEST(verify_hub(world.hub())->problems.empty());
}

BOOST_AUTO_TEST_CASE(close_makes_everything_queued_durable) {
  lmdb_world world;
  {
    auto j = open_lmdb_journal(world.options()).value();
    for (std::uint64_t i = 1; i <= 100; ++i)
      j->enqueue(start_turn(p1, i, "order-" + std::to_string(i)));
    j->close();
    BOOST_TEST(j->durable(p1) == 100U);
  }
  BOOST_TEST(world.open()->count({p1}).value()[0] == 100U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
