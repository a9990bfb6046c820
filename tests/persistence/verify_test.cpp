// SPDX-License-Identifier: Apache-2.0
// The check of a whole directory, and damaged rows in pages of a list.
#include "persistence/journal/verify.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/stores/lmdb_file.hpp"
#include "persistence/views/rows.hpp"

#include "damage_tools.hpp"
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <set>
#include <thread>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

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
        j->append(std::move(turns[i]));
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

BOOST_AUTO_TEST_SUITE(verify)

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
          j->append(start_turn(p, i, "order-" + std::to_string(i),
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
        const std::size_t within = random() % 2 == 0 ? 32 : 4096;
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
  constexpr uid_t unprivileged = 65534;
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
        BOOST_TEST_REQUIRE(::chown(each.c_str(), unprivileged, unprivileged)
                           == 0);
    }
    const auto before = content_of(hub.storage.hub());
    const int code = in_child([&] {
      if (::getuid() == 0 && ::setuid(unprivileged) != 0)
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

// The node commits and flushes while another process checks its directory. The
// number of commits depends on the checks and not on time: a slow check must
// not let the directory grow without end.
BOOST_AUTO_TEST_CASE(check_reads_a_consistent_state_beside_a_running_node) {
  constexpr int checks = 20;
  constexpr std::uint64_t turns_for_each_check = 64;
  lmdb_storage storage;
  write_turns(storage, true);
  auto j = storage.open();
  std::array<int, 2> begun{};
  BOOST_TEST_REQUIRE(::pipe(begun.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    set_log_level(log_level::off);
    ::close(begun[0]);
    for (int i = 0; i < checks; ++i) {
      if (::write(begun[1], "", 1) != 1)
        ::_exit(2);
      const auto checked = verify_hub(storage.hub(), small_maps);
      if (!checked || !checked->is_in_use || !checked->problems.empty())
        ::_exit(1);
    }
    ::_exit(0);
  }
  ::close(begun[1]);
  partition_sequence sequence = j->load(partition_id(1))->meta.sequence;
  std::uint64_t turns = 0;
  int checks_begun = 0;
  for (char byte = 0; ::read(begun[0], &byte, 1) == 1; ++checks_begun)
    for (std::uint64_t i = 1; i <= turns_for_each_check; ++i) {
      j->append(start_turn(partition_id(1), ++sequence,
                           "extra-" + std::to_string(++turns)));
      j->commit();
      if (i % 8 == 0)
        j->flush_views(true);
    }
  ::close(begun[0]);
  int status = 0;
  BOOST_TEST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST(WIFEXITED(status));
  BOOST_TEST(WEXITSTATUS(status) == 0);
  BOOST_TEST(checks_begun == checks);
}

// The two meta pages are read one after the other, and commits lie between.
BOOST_AUTO_TEST_CASE(file_is_opened_while_many_transactions_commit) {
  temporary_directory directory;
  lmdb_rows store(directory.path(), true, small_maps.views);
  std::atomic<bool> ends{false};
  std::thread writer([&] {
    for (std::uint64_t i = 0; !ends; ++i) {
      const auto rows = store.write();
      typed_row_writer(*rows).put(table::meta, applied_key, i);
      rows->commit();
    }
  });
  std::size_t refused = 0;
  for (int i = 0; i < 20'000; ++i)
    refused += lmdb_file::open(directory.path() / "data.mdb") ? 0 : 1;
  ends = true;
  writer.join();
  BOOST_TEST(refused == 0U);
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
       typed_row_writer(rows).put(
         table::by_created, created_key(partition_id(1), at(5), "missing"),
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
