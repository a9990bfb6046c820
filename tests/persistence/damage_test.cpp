// SPDX-License-Identifier: Apache-2.0
// Files of another hub, damaged meta pages, and removed files.
#include "persistence/journal/verify.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/stores/lmdb_file.hpp"

#include "damage_tools.hpp"
#include <boost/test/unit_test.hpp>
#include <lmdb.h>

#include <array>
#include <cstdlib>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

/// A directory of the first release, copied.
class golden_hub {
public:
  explicit golden_hub(const std::string& name) {
    fs::copy(fs::path(std::getenv("PERDURA_SOURCE_DIR")) / "tests/golden"
               / name,
             path(), fs::copy_options::recursive);
  }

  fs::path path() const {
    return directory_.path() / "hub";
  }

  lmdb_journal_options options() const {
    lmdb_journal_options options;
    options.directory = path();
    options.map_bytes = small_maps;
    options.disk_limits.reserve_bytes = 0;
    options.manual = true;
    return options;
  }

private:
  temporary_directory directory_;
};

/// Writes one turn in each partition, so that the journal is not empty.
void write_some(const fs::path& directory, std::uint32_t partitions = 4) {
  lmdb_journal_options options;
  options.directory = directory;
  options.map_bytes = small_maps;
  options.disk_limits.reserve_bytes = 0;
  options.manual = true;
  auto j = open_lmdb_journal(options).value();
  for (std::uint32_t p = 0; p < partitions; ++p) {
    const auto meta = j->load(partition_id(p))->meta;
    j->append(start_turn(partition_id(p), meta.sequence + 1,
                         "order-" + std::to_string(p)));
  }
  j->commit();
  j->flush_views(false);
}

void replace(const fs::path& file, const fs::path& by) {
  fs::copy_file(by, file, fs::copy_options::overwrite_existing);
}

/// Checks that opening and the check refuse a directory into which a file of
/// another one was copied.
void check_is_foreign(const fs::path& directory, const std::string& what) {
  lmdb_journal_options options;
  options.directory = directory;
  options.map_bytes = small_maps;
  options.disk_limits.reserve_bytes = 0;
  const errc code = open_code(options);
  BOOST_TEST((code == errc::storage_foreign),
             what << ": " << static_cast<int>(code));
  const auto checked = verify_hub(directory, small_maps);
  BOOST_TEST_REQUIRE(!!checked, what);
  BOOST_TEST(!checked->problems.empty(), what);
}

/// Makes a compacted copy of an environment, as LMDB's `mdb_copy -c` does.
void copy_compacted(const fs::path& from, const fs::path& to) {
  MDB_env* env = nullptr;
  int code = mdb_env_create(&env);
  if (code == 0)
    code = mdb_env_open(env, from.c_str(), MDB_RDONLY | MDB_NOLOCK, 0600);
  if (code == 0)
    code = mdb_env_copy2(env, to.c_str(), MDB_CP_COMPACT);
  mdb_env_close(env);
  BOOST_TEST_REQUIRE(code == 0);
}

/// Each bit that LMDB or this program reads is flipped alone: the first 152
/// bytes of each page. The rest of a page is only sampled.
void flip_meta_pages(const char* name) {
  constexpr std::size_t page_size = 4096;
  constexpr std::size_t meta_size = 152;
  std::vector<std::pair<std::size_t, unsigned>> places;
  for (std::size_t page = 0; page < 2; ++page)
    for (std::size_t byte = 0; byte < page_size; ++byte)
      for (unsigned bit = 0; bit < 8; ++bit)
        if (byte < meta_size
            || (byte % 8 == bit && byte % 4 == 0 && byte % 32 < 8))
          places.emplace_back(page * page_size + byte, bit);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  // The build without a sanitizer flips all of them; with one, an opening takes
  // ten times as long.
  for (std::size_t i = 0; 5 * i < places.size(); ++i)
    places[i] = places[5 * i];
  places.resize((places.size() + 4) / 5);
#endif
  // With both numbers of commits, each of the two pages is the newest once.
  for (const std::size_t turns : {60, 70}) {
    lmdb_storage storage;
    write_turns(storage, turns == 70, turns);
    const model expected = turns_of(turns);
    const std::array files{std::pair{storage.hub() / journal_name,
                                     read_file(storage.hub() / journal_name)},
                           std::pair{storage.hub() / views_name,
                                     read_file(storage.hub() / views_name)}};
    const auto outcomes = each_in_child(places.size(), [&](std::size_t i) {
      for (const auto& [path, bytes] : files)
        write_file(path, bytes);
      flip(storage.hub() / name, places[i].first, places[i].second);
      return read_all(storage, expected);
    });
    std::size_t refused = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
      refused += outcomes[i] == 1 ? 1 : 0;
      BOOST_TEST(outcomes[i] <= 1, name << " byte " << places[i].first
                                        << " bit " << places[i].second << ": "
                                        << outcomes[i]);
    }
    BOOST_TEST(refused > places.size() / 8);
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(damage)

// --- Files of another hub (finding S4) ---------------------------------------

// Each donor has written turns, so its files are complete and sound.
BOOST_AUTO_TEST_CASE(files_of_another_directory_are_refused) {
  hub_identity first = small_hub(4, 2);
  first.directory_id = random_hex32();
  first.node = "node-1";
  hub_identity other_node = first;
  other_node.node = "node-2";
  other_node.directory_id = random_hex32();
  hub_identity made_anew = first;
  made_anew.directory_id = random_hex32();
  hub_identity other_lanes = first;
  other_lanes.lane_count = 1;
  hub_identity other_partitions = first;
  other_partitions.partition_count = 8;
  const std::vector<std::pair<std::string, hub_identity>> donors{
    {"another hub", small_hub(4, 2)},
    {"another node", other_node},
    {"a directory made anew", made_anew},
    {"another lane count", other_lanes},
    {"another partition count", other_partitions}};
  for (const auto& [what, donor] : donors)
    for (const char* name : {journal_name, views_name})
      for (const bool has_turns : {false, true}) {
        temporary_directory directory;
        const fs::path place = directory.path() / "hub";
        const fs::path from = directory.path() / "donor";
        create_hub(place, first, small_maps).value();
        create_hub(from, donor, small_maps).value();
        // The victim has no turns in half of the cases: then nothing but the
        // header shows that the journal is foreign.
        if (has_turns)
          write_some(place);
        write_some(from, donor.partition_count);
        replace(place / name, from / name);
        check_is_foreign(place, what + ", " + name);
      }
}

BOOST_AUTO_TEST_CASE(files_of_another_lane_are_refused) {
  for (const char* name : {"journal/data.mdb", "views/data.mdb"})
    for (const bool has_turns : {false, true}) {
      lmdb_storage storage(4, 2);
      if (has_turns)
        write_some(storage.hub());
      replace(storage.hub() / "lane-0" / name, storage.hub() / "lane-1" / name);
      check_is_foreign(storage.hub(), name);
    }
}

// Directories of the first release have no header in the journal. It is added
// when the directory is opened; before, the sequences of the partitions must
// fit.
BOOST_AUTO_TEST_CASE(journals_of_the_first_release_are_checked_too) {
  for (const char* name :
       {"one_node", "one_node_in_flush", "three_nodes/node-1",
        "three_nodes/node-2", "three_nodes/node-3"}) {
    const golden_hub hub(name);
    BOOST_TEST((open_code(hub.options()) == errc::ok), name);
    const auto checked = verify_hub(hub.path(), small_maps);
    BOOST_TEST_REQUIRE(!!checked, name);
    for (const std::string& problem : checked->problems)
      BOOST_ERROR(name << ": " << problem);
    for (const char* donor : {"one_node", "one_node_in_flush",
                              "three_nodes/node-1", "three_nodes/node-2"}) {
      if (std::string(donor) == name)
        continue;
      const golden_hub victim(name);
      const golden_hub other(donor);
      replace(victim.path() / journal_name, other.path() / journal_name);
      BOOST_TEST((open_code(victim.options()) != errc::ok),
                 donor << " in " << name);
    }
    const golden_hub donor("one_node");
    write_some(donor.path(), 1);
    write_some(hub.path(), 1);
    BOOST_TEST((open_code(hub.options()) == errc::ok), name);
    // From now on the header decides.
    if (std::string(name) != "one_node") {
      replace(hub.path() / journal_name, donor.path() / journal_name);
      check_is_foreign(hub.path(), name);
    }
  }
}

// A journal of the first release does not belong to a directory that was
// created with a header.
BOOST_AUTO_TEST_CASE(journal_without_a_header_is_refused_in_a_new_directory) {
  const golden_hub donor("one_node");
  lmdb_storage storage;
  replace(storage.hub() / journal_name, donor.path() / journal_name);
  check_is_foreign(storage.hub(), "a journal without a header");
}

// --- Meta pages (finding S5) -------------------------------------------------

BOOST_AUTO_TEST_CASE(flipped_bits_in_meta_pages_of_a_journal_lose_nothing) {
  flip_meta_pages(journal_name);
}

BOOST_AUTO_TEST_CASE(flipped_bits_in_meta_pages_of_views_lose_nothing) {
  flip_meta_pages(views_name);
}

// LMDB's own ways to make a file: both meta pages of a new one have the number
// 0, and a compacted copy has the numbers 0 and 1.
BOOST_AUTO_TEST_CASE(new_and_copied_environments_are_accepted) {
  lmdb_storage storage;
  const auto file = lmdb_file::open(storage.hub() / journal_name);
  BOOST_TEST_REQUIRE(!!file);
  BOOST_TEST((*file)->newest().txnid == 1U);
  BOOST_TEST((open_code(storage.options()) == errc::ok));
  temporary_directory directory;
  lmdb_log(directory.path(), true, 1U << 20U);
  BOOST_TEST(
    lmdb_file::open(directory.path() / "data.mdb").value()->newest().txnid
    == 0U);
  BOOST_TEST(!lmdb_log(directory.path(), false, 1U << 20U).last());
  // A compacted copy is written in one transaction after an empty state.
  write_turns(storage, true);
  for (const char* name : {"lane-0/journal", "lane-0/views"}) {
    const fs::path copy = directory.path() / "copy";
    fs::create_directories(copy);
    copy_compacted(storage.hub() / name, copy);
    replace(storage.hub() / name / "data.mdb", copy / "data.mdb");
    fs::remove_all(copy);
  }
  BOOST_TEST(read_all(storage, turns_of(60)) == 0);
  BOOST_TEST(verify_hub(storage.hub(), small_maps)->problems.empty());
}

// --- Removed files and locks (finding S10) -----------------------------------

BOOST_AUTO_TEST_CASE(
  removed_or_replaced_lock_file_does_not_admit_a_second_node) {
  const std::vector<std::pair<const char*, void (*)(const fs::path&)>> ways{
    {"kept", [](const fs::path&) {}},
    {"removed", [](const fs::path& hub) { fs::remove(hub / "lock"); }},
    {"replaced",
     [](const fs::path& hub) {
       fs::remove(hub / "lock");
       write_file(hub / "lock", "1\n");
     }},
    {"renamed",
     [](const fs::path& hub) { fs::rename(hub / "lock", hub / "lock.old"); }},
    {"emptied", [](const fs::path& hub) { write_file(hub / "lock", ""); }},
    {"a file of another hub", [](const fs::path& hub) {
       const lmdb_storage other;
       write_file(other.hub() / "lock", "");
       fs::rename(other.hub() / "lock", hub / "lock");
     }}};
  for (const auto& [what, change] : ways) {
    lmdb_storage storage;
    auto j = storage.open();
    change(storage.hub());
    const int code = in_child([&] {
      return open_code(storage.options()) == errc::storage_in_use ? 0 : 1;
    });
    BOOST_TEST(code == 0, what);
    j.reset();
    BOOST_TEST((open_code(storage.options()) == errc::ok), what);
  }
}

// The child process commits a turn, loses a file, and commits another turn. It
// must end with the exit code for storage, before it reports the second turn.
BOOST_AUTO_TEST_CASE(
  process_ends_before_it_acknowledges_turns_in_removed_files) {
  constexpr int storage_exit_code = 74;
  for (const char* name : {journal_name, views_name, "hub", "lane-0/journal",
                           "lane-0/views", "lane-0", ""}) {
    lmdb_storage storage;
    const int code = in_child([&] {
      auto options = storage.options();
      options.manual = true;
      options.watch_interval = {};
      auto j = open_lmdb_journal(options).value();
      bool is_reported = false;
      j->listen(partition_id(1), [&](journal_position position) {
        is_reported = position == 2;
      });
      j->append(start_turn(partition_id(1), 1, "order-1"));
      j->commit();
      fs::remove_all(storage.hub() / name);
      j->append(start_turn(partition_id(1), 2, "order-2"));
      j->commit();
      return is_reported ? 2 : 1;
    });
    BOOST_TEST(code == storage_exit_code, "removed: " << name << ": " << code);
  }
}

// The watch looks at the other files rarely, but the journal's file always.
BOOST_AUTO_TEST_CASE(removed_journal_file_is_noticed_at_the_next_commit) {
  lmdb_storage storage;
  const int code = in_child([&] {
    auto options = storage.options();
    options.manual = true;
    options.watch_interval = std::chrono::hours(1);
    auto j = open_lmdb_journal(options).value();
    fs::remove(storage.hub() / views_name);
    j->append(start_turn(partition_id(1), 1, "order-1"));
    j->commit();
    fs::remove(storage.hub() / journal_name);
    j->append(start_turn(partition_id(1), 2, "order-2"));
    j->commit();
    return 1;
  });
  BOOST_TEST(code == 74);
}

BOOST_AUTO_TEST_CASE(moved_directory_is_not_a_removed_one) {
  lmdb_storage storage;
  const fs::path elsewhere = storage.hub().parent_path() / "elsewhere";
  {
    auto options = storage.options();
    options.manual = true;
    options.watch_interval = {};
    auto j = open_lmdb_journal(options).value();
    j->append(start_turn(partition_id(1), 1, "order-1"));
    j->commit();
    fs::rename(storage.hub(), elsewhere);
    j->append(start_turn(partition_id(1), 2, "order-2"));
    j->commit();
    BOOST_TEST(j->durable(partition_id(1)) == 2U);
  }
  fs::rename(elsewhere, storage.hub());
  BOOST_TEST(storage.open()->durable(partition_id(1)) == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
