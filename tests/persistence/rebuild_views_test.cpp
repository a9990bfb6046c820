// SPDX-License-Identifier: Apache-2.0
// Views that are written anew from the rows that can be read.
#include "persistence/journal/rebuild_views.hpp"
#include "persistence/journal/verify.hpp"
#include "persistence/views/rows.hpp"

#include "damage_tools.hpp"
#include <boost/test/unit_test.hpp>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

/// Changes rows of the views of the first lane through the store.
template <class Change>
void change_rows(const lmdb_storage& storage, Change change) {
  lmdb_rows rows(views_directory(storage.hub(), 0), false, small_maps.views);
  const auto writer = rows.write();
  change(*writer);
  writer->commit();
}

std::vector<std::string> keys_of(const lmdb_storage& storage, table t) {
  lmdb_rows rows(views_directory(storage.hub(), 0), false, small_maps.views);
  std::vector<std::string> keys;
  const auto reader = rows.read();
  const auto cursor = reader->walk(t);
  for (bool more = cursor->seek({}); more; more = cursor->next())
    keys.emplace_back(cursor->key());
  return keys;
}

/// The keys and values of a table.
std::vector<std::pair<std::string, std::string>>
rows_of(const lmdb_storage& storage, table t) {
  lmdb_rows rows(views_directory(storage.hub(), 0), false, small_maps.views);
  std::vector<std::pair<std::string, std::string>> found;
  const auto reader = rows.read();
  const auto cursor = reader->walk(t);
  for (bool more = cursor->seek({}); more; more = cursor->next())
    found.emplace_back(cursor->key(), cursor->value());
  return found;
}

void check_is_sound(const lmdb_storage& storage) {
  const auto found = verify_hub(storage.hub(), small_maps);
  BOOST_TEST_REQUIRE(!!found);
  for (const std::string& problem : found->problems)
    BOOST_ERROR(problem);
}

} // namespace

BOOST_AUTO_TEST_SUITE(rebuild_views_suite)

BOOST_AUTO_TEST_CASE(rebuild_of_sound_views_changes_nothing) {
  lmdb_storage storage;
  write_turns(storage);
  std::vector<std::vector<std::pair<std::string, std::string>>> before;
  for (std::size_t i = 0; i < table_count; ++i)
    before.push_back(rows_of(storage, static_cast<table>(i)));
  const auto done = rebuild_views(storage.hub(), small_maps);
  BOOST_TEST_REQUIRE(!!done);
  BOOST_TEST(done->losses.empty());
  BOOST_TEST(done->repaired == 0U);
  for (std::size_t i = 0; i < table_count; ++i)
    BOOST_TEST((rows_of(storage, static_cast<table>(i)) == before[i]),
               name_of(static_cast<table>(i)));
  BOOST_TEST(fs::exists(storage.hub() / "lane-0/views/data.mdb.damaged"));
  BOOST_TEST(!fs::exists(storage.hub() / "lane-0/views/rebuilt"));
  check_is_sound(storage);
  BOOST_TEST(read_all(storage, turns_of(60)) == 0);
  // A second rebuild keeps both old files.
  BOOST_TEST(!!rebuild_views(storage.hub(), small_maps));
  BOOST_TEST(fs::exists(storage.hub() / "lane-0/views/data.mdb.damaged-2"));
}

BOOST_AUTO_TEST_CASE(indexes_and_counts_are_made_anew) {
  for (const table t : {table::due, table::activities, table::turns_due,
                        table::by_created, table::by_status, table::counts}) {
    lmdb_storage storage;
    write_turns(storage, true);
    const auto keys = keys_of(storage, t);
    BOOST_TEST_REQUIRE(!keys.empty());
    change_rows(storage, [&](row_writer& rows) {
      for (std::size_t i = 0; i < keys.size(); i += 2)
        rows.erase(t, keys[i]);
      rows.put(t, keys.front() + "x", "not a row");
    });
    BOOST_TEST(!verify_hub(storage.hub(), small_maps)->problems.empty());
    BOOST_TEST(!!rebuild_views(storage.hub(), small_maps));
    check_is_sound(storage);
    BOOST_TEST(read_all(storage, turns_of(60)) == 0, name_of(t));
  }
}

// Afterwards each read is right or reports an error, and the directory opens.
// A rebuild that lists no loss gives a sound directory.
BOOST_AUTO_TEST_CASE(rebuild_after_a_flipped_bit_hides_no_loss) {
  constexpr std::size_t count = 100;
  lmdb_storage storage;
  write_turns(storage, true);
  const model expected = turns_of(60);
  const auto file = storage.hub() / views_name;
  const std::string bytes = read_file(file);
  const auto outcomes = each_in_child(count, [&](std::size_t i) {
    write_file(file, bytes);
    // The meta pages have tests of their own.
    const std::size_t begin = 2 * std::size_t{4096};
    flip(file, begin + (bytes.size() - begin) / count * i + i % 97,
         static_cast<unsigned>(i % 8));
    const auto done = rebuild_views(storage.hub(), small_maps);
    if (!done)
      return done.code() == errc::storage_damaged ? 3 : 9;
    const int read = read_all(storage, expected);
    if (read > 1 || (done->losses.empty() && read != 0))
      return 8;
    const auto checked = verify_hub(storage.hub(), small_maps);
    if (!checked || (done->losses.empty() && !checked->problems.empty()))
      return 7;
    return done->losses.empty() ? 0 : 1;
  });
  std::size_t restored = 0;
  for (std::size_t i = 0; i < count; ++i) {
    BOOST_TEST(outcomes[i] <= 3, "flip " << i << ": " << outcomes[i]);
    restored += outcomes[i] == 0 ? 1 : 0;
  }
  BOOST_TEST(restored > count / 2);
}

BOOST_AUTO_TEST_CASE(rebuild_refuses_a_directory_in_use) {
  lmdb_storage storage;
  const int code = in_child([&] {
    const auto j = storage.open();
    return in_child([&] {
      return rebuild_views(storage.hub(), small_maps).code()
                 == errc::storage_in_use
               ? 0
               : 1;
    });
  });
  BOOST_TEST(code == 0);
  BOOST_TEST(
    (rebuild_views(storage.hub() / "missing").code() == errc::storage_missing));
}

// The rest of an interrupted rebuild is replaced by the next one, and does not
// keep the directory from being opened.
BOOST_AUTO_TEST_CASE(interrupted_rebuild_changes_nothing) {
  lmdb_storage storage;
  write_turns(storage, true);
  fs::create_directory(storage.hub() / "lane-0/views/rebuilt");
  write_file(storage.hub() / "lane-0/views/rebuilt/data.mdb", "part");
  BOOST_TEST(read_all(storage, turns_of(60)) == 0);
  BOOST_TEST(!!rebuild_views(storage.hub(), small_maps));
  check_is_sound(storage);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
