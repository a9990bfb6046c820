// SPDX-License-Identifier: Apache-2.0
// Files of another hub, damaged meta pages, removed files, and the check of a
// whole directory.
#include "persistence/journal/verify.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/stores/lmdb_file.hpp"
#include "persistence/views/rows.hpp"

#include "damage_tools.hpp"
#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <lmdb.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

constexpr const char* journal_name = "lane-0/journal/data.mdb";
constexpr const char* views_name = "lane-0/views/data.mdb";

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
    j->enqueue(start_turn(partition_id(p), meta.sequence + 1,
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

/// Flips one bit of a file.
void flip(const fs::path& file, std::size_t byte, unsigned bit) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  char value = 0;
  if (::pread(fd, &value, 1, static_cast<off_t>(byte)) == 1) {
    value = static_cast<char>(value ^ (1 << bit));
    if (::pwrite(fd, &value, 1, static_cast<off_t>(byte)) != 1)
      std::abort();
  }
  ::close(fd);
}

/// The pages of a data file by kind: "meta", "root" (of a tree in use),
/// "branch", "leaf" and "value" (in use or free), "list" (of free pages).
std::map<std::string, std::vector<std::uint64_t>>
pages_by_kind(const fs::path& path) {
  const auto file = lmdb_file::open(path).value();
  const lmdb_meta& meta = file->newest();
  std::set<std::uint64_t> roots{meta.main.root};
  for (std::size_t i = 0; i < table_count; ++i)
    if (const auto root
        = file->find(meta.main, name_of(static_cast<table>(i))).value())
      roots.insert(parse_lmdb_tree(*root).root);
  std::map<std::string, std::vector<std::uint64_t>> pages;
  for (std::uint64_t i = 0; i <= meta.last_page; ++i) {
    std::string head;
    if (!file->read(i, 0, 16, head))
      continue;
    std::uint64_t number = 0;
    std::uint16_t flags = 0;
    std::memcpy(&number, head.data(), sizeof number);
    std::memcpy(&flags, head.data() + 10, sizeof flags);
    pages[i == meta.free_pages.root ? "list"
          : roots.contains(i)       ? "root"
          : number != i             ? "value"
          : flags == 1              ? "branch"
          : flags == 2              ? "leaf"
          : flags == 4              ? "value"
          : flags == 8              ? "meta"
                                    : "free"]
      .push_back(i);
  }
  return pages;
}

/// A hub with all kinds of pages, closed, and its content.
class rich_hub {
public:
  rich_hub() {
    constexpr std::size_t count = 500;
    std::vector<turn_writes> turns;
    expected = turns_of(count, &turns);
    // A value with pages of its own, in the journal and in the views.
    turn_writes large = start_turn(
      partition_id(1), expected.metas[1].sequence + 1, "large", 900'000'000);
    std::get<execution_started>(large.instances[0].history[1].body).input
      = '"' + std::string(20'000, 'x') + '"';
    expected.add_turn(large);
    turns.push_back(std::move(large));
    {
      auto j = storage.open();
      for (std::size_t i = 0; i < turns.size(); ++i) {
        j->enqueue(std::move(turns[i]));
        j->commit(); // One record each, so that there are branch pages.
        if (i == count / 2 || i == count)
          j->flush_views(false);
      }
    }
    for (const char* name : {journal_name, views_name})
      files_.emplace_back(storage.hub() / name,
                          read_file(storage.hub() / name));
  }

  void restore() const {
    for (const auto& [path, bytes] : files_)
      write_file(path, bytes);
  }

  /// Checks the directory. Returns 0 if it is sound and all reads are right, 1
  /// if the check found damage, 2 if it found none and a read was wrong.
  int check() {
    const auto checked = verify_hub(storage.hub(), small_maps);
    if (!checked || !checked->problems.empty())
      return 1;
    return read_all(storage, expected) == 0 ? 0 : 2;
  }

  lmdb_storage storage;
  model expected;

private:
  std::vector<std::pair<fs::path, std::string>> files_;
};

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
// by the first commit; before, the sequences of the partitions must fit.
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

// Each bit that LMDB or this program reads is flipped alone: the first 152
// bytes of each page. Of the rest, one bit of each byte is flipped.
BOOST_AUTO_TEST_CASE(flipped_bits_in_meta_pages_lose_nothing_silently) {
  constexpr std::size_t page_size = 4096;
  constexpr std::size_t meta_size = 152;
  std::vector<std::pair<std::size_t, unsigned>> places;
  for (std::size_t page = 0; page < 2; ++page)
    for (std::size_t byte = 0; byte < page_size; ++byte)
      for (unsigned bit = 0; bit < 8; ++bit)
        if (byte < meta_size
            || (byte % 8 == bit && byte % 4 == 0 && byte % 32 < 8))
          places.emplace_back(page * page_size + byte, bit);
  for (const char* name : {journal_name, views_name})
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
      j->enqueue(start_turn(partition_id(1), 1, "order-1"));
      j->commit();
      fs::remove_all(storage.hub() / name);
      j->enqueue(start_turn(partition_id(1), 2, "order-2"));
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
    j->enqueue(start_turn(partition_id(1), 1, "order-1"));
    j->commit();
    fs::remove(storage.hub() / journal_name);
    j->enqueue(start_turn(partition_id(1), 2, "order-2"));
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
    j->enqueue(start_turn(partition_id(1), 1, "order-1"));
    j->commit();
    fs::rename(storage.hub(), elsewhere);
    j->enqueue(start_turn(partition_id(1), 2, "order-2"));
    j->commit();
    BOOST_TEST(j->durable(partition_id(1)) == 2U);
  }
  fs::rename(elsewhere, storage.hub());
  BOOST_TEST(storage.open()->durable(partition_id(1)) == 2U);
}

// --- Damaged rows in a page (finding S6) -------------------------------------

// One of five instances is damaged. A page names it, and all others are right.
BOOST_AUTO_TEST_CASE(damaged_instance_is_an_item_with_an_error_of_its_page) {
  constexpr partition_id p{1};
  const timestamp created = at(1003);
  const std::string id = "order-3";
  const auto text = [](const char* s) { return std::string(s); };
  const auto erase = [](table t, std::string key) {
    return [t, key](row_writer& rows) { rows.erase(t, key); };
  };
  const auto spoil = [](table t, std::string key) {
    return [t, key](row_writer& rows) {
      std::string row(*rows.get(t, key));
      row.back() = static_cast<char>(row.back() ^ 1);
      rows.put(t, key, row);
    };
  };
  const std::string record = instance_key(p, id, row_kind::record);
  const std::string history = instance_key(p, id, row_kind::history, 0);
  const std::string of_created = created_key(p, created, id);
  const std::string of_status
    = status_key(p, runtime_status::running, created, id);

  struct change {
    const char* what;
    std::function<void(row_writer&)> apply;
  };

  const std::vector<change> changes{
    {"the record is damaged", spoil(table::instances, record)},
    {"the record is missing", erase(table::instances, record)},
    {"the history is damaged", spoil(table::instances, history)},
    {"the history is missing", erase(table::instances, history)},
    {"the row of by_created is damaged", spoil(table::by_created, of_created)},
    {"the row of by_status is missing", erase(table::by_status, of_status)},
    {"the row of by_created has another name",
     [&](row_writer& rows) {
       typed_row_writer(rows).put(table::by_created, of_created, text("bill"));
     }},
    {"the custom status is damaged", [&](row_writer& rows) {
       rows.put(table::instances, instance_key(p, id, row_kind::custom_status),
                "damaged row");
     }}};
  for (const change& one : changes)
    BOOST_TEST_CONTEXT(one.what) {
      lmdb_storage storage;
      {
        auto j = storage.open();
        for (std::uint64_t i = 1; i <= 5; ++i)
          j->enqueue(start_turn(p, i, "order-" + std::to_string(i),
                                static_cast<std::int64_t>(1000 + i)));
        j->commit();
        j->flush_views(true);
      }
      {
        lmdb_rows store(views_directory(storage.hub(), 0), false,
                        small_maps.views);
        const auto rows = store.write();
        one.apply(*rows);
        rows->commit();
      }
      BOOST_TEST(!verify_hub(storage.hub(), small_maps)->problems.empty());
      const auto j = storage.open();
      for (const std::size_t top : {1, 2, 3, 100})
        for (const char* prefix : {"", "order-"}) {
          // By ID, only the record and the history of an instance are read.
          const bool is_index = std::string_view(one.what).find("row of by_")
                                != std::string_view::npos;
          std::vector<std::string> sound;
          std::vector<std::string> damaged;
          instance_query query;
          query.top = top;
          query.id_prefix = prefix;
          std::size_t pages = 0;
          do {
            const auto page = j->query({p}, query);
            BOOST_TEST_REQUIRE(!!page);
            for (const instance_row& row : page->rows)
              (row.error.empty() ? sound : damaged).push_back(row.id);
            query.token = page->token;
          } while (!query.token.empty() && ++pages < 20);
          BOOST_TEST(pages < 20U);
          std::sort(sound.begin(), sound.end());
          const bool is_found = !is_index || *prefix == '\0';
          BOOST_TEST(damaged.size() == (is_found ? 1U : 0U));
          BOOST_TEST((damaged.empty() || damaged.front() == id));
          BOOST_TEST(sound.size() == (is_found ? 4U : 5U));
          BOOST_TEST((!is_found
                      || sound
                           == std::vector<std::string>{"order-1", "order-2",
                                                       "order-4", "order-5"}));
        }
    }
}

// --- The check of a directory (finding S6) -----------------------------------

// Damage that the check does not find must not matter.
BOOST_AUTO_TEST_CASE(check_finds_every_flipped_bit_that_matters) {
  rich_hub hub;
  BOOST_TEST(hub.check() == 0);
  hub.restore();
  std::mt19937_64 random(11);
  for (const char* name : {journal_name, views_name}) {
    const fs::path file = hub.storage.hub() / name;
    const auto kinds = pages_by_kind(file);
    BOOST_TEST(kinds.size() >= 5U, name);

    struct place {
      std::string kind;
      std::size_t byte;
      unsigned bit;
    };

    std::vector<place> places;
    while (places.size() < 200)
      for (const auto& [kind, pages] : kinds) {
        // Half of the flips hit the head of the page and its list of rows.
        const std::size_t within = random() % 2 == 0 ? 64 : 4096;
        places.push_back(
          {kind, pages[random() % pages.size()] * 4096 + random() % within,
           static_cast<unsigned>(random() % 8)});
      }
    const auto outcomes = each_in_child(places.size(), [&](std::size_t i) {
      hub.restore();
      flip(file, places[i].byte, places[i].bit);
      return hub.check();
    });
    hub.restore();
    std::map<std::string, int> found;
    for (std::size_t i = 0; i < places.size(); ++i) {
      found[places[i].kind] += outcomes[i] == 1 ? 1 : 0;
      BOOST_TEST(outcomes[i] <= 1, name << ", " << places[i].kind << " page "
                                        << places[i].byte / 4096 << ", byte "
                                        << places[i].byte % 4096 << ", bit "
                                        << places[i].bit << ": "
                                        << outcomes[i]);
    }
    for (const char* kind : {"root", "leaf", "list"})
      BOOST_TEST(found[kind] > 1, name << ": " << kind);
  }
}

BOOST_AUTO_TEST_CASE(check_finds_every_truncated_file) {
  rich_hub hub;
  std::mt19937_64 random(13);
  for (const char* name : {journal_name, views_name}) {
    const fs::path file = hub.storage.hub() / name;
    const std::size_t size = fs::file_size(file);
    const auto outcomes = each_in_child(30, [&](std::size_t i) {
      hub.restore();
      fs::resize_file(file, i % 3 == 0 ? random() % size
                                       : size - 1 - random() % 300'000 % size);
      return hub.check();
    });
    hub.restore();
    for (const int outcome : outcomes)
      BOOST_TEST(outcome <= 1, name << ": " << outcome);
    BOOST_TEST(std::count(outcomes.begin(), outcomes.end(), 1) > 10, name);
  }
}

// A copy without LMDB's lock files, and without the right to write. If the test
// runs as root, the child process gives its rights up.
BOOST_AUTO_TEST_CASE(check_works_on_a_read_only_copy_and_writes_nothing) {
  rich_hub hub;
  for (const char* name :
       {"lane-0/journal/lock.mdb", "lane-0/views/lock.mdb", "lock"})
    fs::remove(hub.storage.hub() / name);
  constexpr uid_t nobody = 65534;
  for (const bool is_sound : {true, false}) {
    if (!is_sound)
      flip(hub.storage.hub() / views_name,
           pages_by_kind(hub.storage.hub() / views_name)["root"].at(0) * 4096
             + 12,
           3);
    std::vector<fs::path> all{hub.storage.hub().parent_path(),
                              hub.storage.hub()};
    for (const auto& each : fs::recursive_directory_iterator(hub.storage.hub()))
      all.push_back(each.path());
    for (const fs::path& each : all) {
      ::chmod(each.c_str(), fs::is_directory(each) ? 0500 : 0400);
      if (::getuid() == 0)
        BOOST_TEST_REQUIRE(::chown(each.c_str(), nobody, nobody) == 0);
    }
    const auto before = content_of(hub.storage.hub());
    const int code = in_child([&] {
      if (::getuid() == 0 && ::setuid(nobody) != 0)
        return 3;
      const auto checked = verify_hub(hub.storage.hub(), small_maps);
      return !checked ? 2 : checked->problems.empty() ? 0 : 1;
    });
    BOOST_TEST(code == (is_sound ? 0 : 1));
    BOOST_TEST((content_of(hub.storage.hub()) == before));
    for (const fs::path& each : all)
      ::chmod(each.c_str(), fs::is_directory(each) ? 0700 : 0600);
  }
}

// The node commits and flushes while another process checks its directory.
BOOST_AUTO_TEST_CASE(check_reads_a_consistent_state_beside_a_running_node) {
  lmdb_storage storage;
  write_turns(storage, true);
  auto j = storage.open();
  const pid_t child = ::fork();
  if (child == 0) {
    set_log_level(log_level::off);
    for (int i = 0; i < 20; ++i) {
      const auto checked = verify_hub(storage.hub(), small_maps);
      if (!checked || !checked->is_in_use || !checked->problems.empty())
        ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  partition_sequence sequence = j->load(partition_id(1))->meta.sequence;
  for (std::uint64_t i = 1; ::waitpid(child, &status, WNOHANG) == 0; ++i) {
    j->enqueue(
      start_turn(partition_id(1), ++sequence, "extra-" + std::to_string(i)));
    j->commit();
    if (i % 8 == 0)
      j->flush_views(true);
  }
  BOOST_TEST(WIFEXITED(status));
  BOOST_TEST(WEXITSTATUS(status) == 0);
}

// Rows that are damaged, missing or in the wrong place.
BOOST_AUTO_TEST_CASE(check_finds_rows_that_do_not_fit_together) {
  const std::vector<std::pair<const char*, void (*)(row_writer&)>> changes{
    {"a partition without its row",
     [](row_writer& rows) {
       rows.erase(table::partitions, partition_key(partition_id(2)));
     }},
    {"a row of a partition that the hub does not have",
     [](row_writer& rows) {
       const std::string key = partition_key(partition_id(9));
       typed_row_writer(rows).put(table::partitions, key, partition_meta{});
     }},
    {"a wrong count",
     [](row_writer& rows) {
       typed_row_writer(rows).put(
         table::counts, count_key(partition_id(1), runtime_status::running),
         std::uint64_t{1000});
     }},
    {"an index row without an instance",
     [](row_writer& rows) {
       typed_row_writer(rows).put(table::by_created,
                                  created_key(partition_id(1), at(5), "nobody"),
                                  std::string("ship"));
     }},
    {"an applied position beyond the journal",
     [](row_writer& rows) {
       typed_row_writer(rows).put(table::meta, applied_key,
                                  journal_position{100'000});
     }},
    {"another lane",
     [](row_writer& rows) {
       typed_row_writer(rows).put(table::meta, lane_key, std::uint64_t{3});
     }},
    {"an earlier sequence of a partition", [](row_writer& rows) {
       typed_row_writer(rows).put(table::partitions,
                                  partition_key(partition_id(1)),
                                  partition_meta{random_hex32(), 1, 1, at(0)});
     }}};
  for (const auto& [what, change] : changes) {
    lmdb_storage storage;
    write_turns(storage, true);
    BOOST_TEST(verify_hub(storage.hub(), small_maps)->problems.empty());
    {
      lmdb_rows store(views_directory(storage.hub(), 0), false,
                      small_maps.views);
      const auto rows = store.write();
      change(*rows);
      rows->commit();
    }
    const auto checked = verify_hub(storage.hub(), small_maps);
    BOOST_TEST_REQUIRE(!!checked, what);
    BOOST_TEST(!checked->problems.empty(), what);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
