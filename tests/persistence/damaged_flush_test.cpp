// SPDX-License-Identifier: Apache-2.0
// A flush beside damaged keys. LMDB's search compares keys: beside a damaged
// one it writes a new row to a wrong place, where a later search misses this
// row or another one. The flush therefore corrects the keys first.
#include "damage_tools.hpp"
#include <boost/test/unit_test.hpp>

#include <set>

namespace perdura::persistence {

using namespace testing;

namespace {

constexpr std::uint32_t flushed_instances = 24;
constexpr partition_id flushed_partition{0};

/// Instances with even numbers are stored first, those with odd numbers after
/// the damage, so that each new row has old ones beside it.
std::string flushed_id(std::uint32_t i) {
  return "order-" + std::to_string(100 + i);
}

timestamp flushed_time(std::uint32_t i) {
  return at(1'000'000 + i * 1'000);
}

void write_numbers(journal& j, std::uint32_t first) {
  auto sequence = j.load(flushed_partition)->meta.sequence;
  for (std::uint32_t i = first; i < flushed_instances; i += 2)
    j.append(start_turn(flushed_partition, ++sequence, flushed_id(i),
                        1'000'000 + i * 1'000));
}

/// The keys of the instances that are stored before the damage.
std::vector<std::string> keys_of(table t) {
  std::vector<std::string> keys;
  for (std::uint32_t i = 0; i < flushed_instances; i += 2)
    keys.push_back(
      t == table::by_created
        ? created_key(flushed_partition, flushed_time(i), flushed_id(i))
      : t == table::by_status
        ? status_key(flushed_partition, runtime_status::running,
                     flushed_time(i), flushed_id(i))
        : instance_key(flushed_partition, flushed_id(i), row_kind::record));
  return keys;
}

enum flush_outcome : int { sound, absent, hidden, repeated, refused };

/// Reads all instances, and the list.
int look_at(const journal& j) {
  for (std::uint32_t i = 0; i < flushed_instances; ++i) {
    const auto read = j.read(flushed_partition, flushed_id(i));
    if (read && !*read)
      return absent;
  }
  std::set<std::string> ids;
  std::size_t errors = 0;
  instance_query query;
  query.top = 5;
  do {
    const auto page = j.query({flushed_partition}, query);
    if (!page)
      return refused;
    for (const instance_row& row : page->rows)
      if (!row.error.empty())
        ++errors;
      else if (!ids.insert(row.id).second)
        return repeated;
    query.token = page->token;
  } while (!query.token.empty());
  return ids.size() + errors < flushed_instances ? hidden : sound;
}

/// Flips bits of the keys of a table, and writes further instances each time.
void check_flush_beside_keys_of(table t) {
  lmdb_storage storage(1);
  {
    auto j = storage.open();
    write_numbers(*j, 0);
    j->commit();
    j->flush_views(false);
  }
  const std::string before = read_file(storage.hub() / views_name);
  const std::string journal_before = read_file(storage.hub() / journal_name);
  std::vector<std::size_t> places;
  for (const std::string& key : keys_of(t))
    for (std::size_t found = before.find(key); found != before.npos;
         found = before.find(key, found + 1))
      for (std::size_t byte = 1; byte < key.size(); ++byte)
        places.push_back(found + byte);
  BOOST_TEST(places.size() >= flushed_instances * 6U);
  constexpr std::size_t step = 13; // a part of the bits
  const std::size_t count = places.size() * 8 / step;
  const auto outcomes = each_in_child(count, [&](std::size_t i) -> int {
    std::string bytes = before;
    char& byte = bytes[places[i * step / 8]];
    byte = static_cast<char>(byte ^ (1 << (i * step % 8)));
    write_file(storage.hub() / views_name, bytes);
    write_file(storage.hub() / journal_name, journal_before);
    auto options = storage.options();
    options.manual = true;
    {
      const auto opened = open_lmdb_journal(options);
      if (!opened)
        return sound;
      write_numbers(**opened, 1);
      (*opened)->commit();
      (*opened)->flush_views(false);
      if (const int found = look_at(**opened); found != sound)
        return found;
    }
    const auto again = open_lmdb_journal(options);
    return again ? look_at(**again) : refused;
  });
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    BOOST_TEST(outcomes[i] == sound, "byte " << places[i * step / 8] << " bit "
                                             << i * step % 8 << ": "
                                             << outcomes[i]);
}

} // namespace

BOOST_AUTO_TEST_SUITE(damaged_flush)

BOOST_AUTO_TEST_CASE(flush_beside_damaged_keys_of_by_created_loses_no_row) {
  check_flush_beside_keys_of(table::by_created);
}

BOOST_AUTO_TEST_CASE(flush_beside_damaged_keys_of_by_status_loses_no_row) {
  check_flush_beside_keys_of(table::by_status);
}

BOOST_AUTO_TEST_CASE(flush_beside_damaged_keys_of_instances_loses_no_row) {
  check_flush_beside_keys_of(table::instances);
}

BOOST_AUTO_TEST_SUITE_END()

// --- Pages
// ---------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(cut_page_suite)

namespace {

instance_row row_at(int time, const std::string& id,
                    const std::string& place = {}) {
  instance_row row;
  row.id = id;
  row.record.created_at = at(time);
  row.place = place;
  return row;
}

std::vector<std::string> ids_of(const std::vector<instance_row>& rows) {
  std::vector<std::string> ids;
  for (const instance_row& row : rows)
    ids.push_back(row.id);
  return ids;
}

using id_list = std::vector<std::string>;

} // namespace

// A damaged row stays with the row that it belongs to, whatever its own ID is.
BOOST_AUTO_TEST_CASE(damaged_rows_do_not_count_and_are_not_lost) {
  std::vector<instance_row> rows{row_at(1, "a"),        row_at(2, "b"),
                                 row_at(2, "zzz", "b"), row_at(3, "c"),
                                 row_at(3, "0", "c"),   row_at(4, "d")};
  for (const std::size_t top : {1, 2, 3, 4, 5}) {
    auto page = rows;
    std::optional<page_position> complete;
    cut_page(page, top, complete);
    const id_list all{"a", "b", "zzz", "c", "0", "d"};
    const std::size_t ends[] = {1, 3, 5, 6, 6};
    BOOST_TEST(ids_of(page)
                 == id_list(all.begin(), all.begin() + ends[top - 1]),
               boost::test_tools::per_element());
    BOOST_TEST(complete.has_value() == (top < 4));
    if (complete)
      BOOST_TEST(complete->id == (id_list{"a", "b", "c"})[top - 1]);
  }
}

BOOST_AUTO_TEST_CASE(rows_behind_the_known_part_are_left_out) {
  std::vector<instance_row> rows{row_at(1, "a"), row_at(2, "b"),
                                 row_at(2, "zzz", "b"), row_at(3, "c"),
                                 row_at(3, "0", "c")};
  std::optional<page_position> complete = page_position{at(2), "b"};
  cut_page(rows, 10, complete);
  BOOST_TEST(ids_of(rows) == (id_list{"a", "b", "zzz"}),
             boost::test_tools::per_element());
  BOOST_TEST(complete->id == "b");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
