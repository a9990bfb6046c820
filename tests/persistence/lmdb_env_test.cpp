// SPDX-License-Identifier: Apache-2.0
// Guarantees of LMDB environments, transactions and cursors: opening and
// refusing files, limits, and access from threads and processes.
#include "persistence/stores/lmdb_env.hpp"
#include "persistence/stores/lmdb_file.hpp"

#include "file_bytes.hpp"
#include "in_child.hpp"
#include "storage_kinds.hpp"
#include <boost/test/unit_test.hpp>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace perdura::persistence {

using namespace testing;

namespace {

using read_mode = lmdb_transaction::mode;

constexpr std::uint64_t map_of_tests = 64U << 20U;

/// Maximum number of read transactions that are open at the same time.
constexpr std::size_t reader_slots = 1022;

// Byte offsets of fields in a meta page, and the page size of new files.
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t flags_offset = 10;
constexpr std::size_t magic_offset = 16;
constexpr std::size_t version_offset = 20;
constexpr std::size_t page_size_offset = 40;
constexpr std::size_t last_page_offset = 136;

/// A directory for one environment.
struct env_directory {
  temporary_directory directory;

  std::filesystem::path file() const {
    return directory.path() / "data.mdb";
  }

  lmdb_env::options options(bool create) const {
    return {.directory = directory.path(),
            .map_bytes = map_of_tests,
            .tables = {"first", "second"},
            .create = create};
  }

  /// Creates the environment with one row in each table.
  void create() const {
    const lmdb_env env(options(true));
    lmdb_transaction txn(env, read_mode::write);
    txn.put(0, "a", "of the first");
    txn.put(1, "a", "of the second");
    txn.commit();
  }
};

/// Returns the error code with which `work` ends; ok if there is none.
template <class F>
errc thrown_by(F work) {
  try {
    work();
    return errc::ok;
  } catch (const storage_exception& e) {
    return e.reason().code;
  }
}

/// Replaces a number in both meta pages of a file, or in one of them.
template <class T>
void set_in_meta(std::string& bytes, std::size_t offset, T value,
                 std::vector<std::size_t> pages = {0, 1}) {
  for (const std::size_t page : pages)
    std::memcpy(bytes.data() + page * page_bytes + offset, &value, sizeof(T));
}

errc opening(const lmdb_env::options& settings) {
  return thrown_by([&] { const lmdb_env env(settings); });
}

std::string value_of(const lmdb_env& env, unsigned table_number,
                     std::string_view key) {
  const lmdb_transaction txn(env, read_mode::read);
  return std::string(txn.get(table_number, key).value_or("(absent)"));
}

void put_one(const lmdb_env& env, std::string_view key,
             std::string_view value) {
  lmdb_transaction txn(env, read_mode::write);
  txn.put(0, key, value);
  txn.commit();
}

} // namespace

BOOST_AUTO_TEST_SUITE(lmdb_env_suite)

// --- Opening -----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(created_environment_is_opened_again) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(false));
  BOOST_TEST(value_of(env, 0, "a") == "of the first");
  BOOST_TEST(value_of(env, 1, "a") == "of the second");
  BOOST_TEST(value_of(env, 0, "b") == "(absent)");
}

// `create` on an existing environment keeps its rows.
BOOST_AUTO_TEST_CASE(creating_twice_keeps_the_rows) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(true));
  BOOST_TEST(value_of(env, 0, "a") == "of the first");
}

BOOST_AUTO_TEST_CASE(unnamed_table_has_the_number_0) {
  const env_directory place;
  auto options = place.options(true);
  options.tables = {};
  put_one(lmdb_env(options), "a", "unnamed");
  options.create = false;
  BOOST_TEST(value_of(lmdb_env(options), 0, "a") == "unnamed");
}

BOOST_AUTO_TEST_CASE(files_are_accessible_to_their_owner_only) {
  const env_directory place;
  place.create();
  for (const char* name : {"data.mdb", "lock.mdb"}) {
    struct stat status {};

    BOOST_TEST_REQUIRE(::stat((place.directory.path() / name).c_str(), &status)
                       == 0);
    BOOST_TEST((status.st_mode & 0777U) == 0600U);
  }
}

// Without `create`, everything must exist, and nothing is created.
BOOST_AUTO_TEST_CASE(missing_file_or_table_is_refused) {
  const env_directory empty;
  BOOST_TEST((opening(empty.options(false)) == errc::storage_damaged));
  BOOST_TEST(std::filesystem::is_empty(empty.directory.path()));

  const env_directory place;
  place.create();
  auto options = place.options(false);
  options.tables.push_back("third");
  BOOST_TEST((opening(options) == errc::storage_damaged));
  // A failed opening leaves the environment closed.
  BOOST_TEST((opening(place.options(false)) == errc::ok));

  auto nowhere = place.options(true);
  nowhere.directory /= "missing";
  BOOST_TEST((opening(nowhere) == errc::storage_failed));
}

BOOST_AUTO_TEST_CASE(opening_writes_no_transaction) {
  const env_directory place;
  place.create();
  const std::string before = read_file(place.file());
  {
    const lmdb_env env(place.options(false));
    value_of(env, 0, "a");
  }
  // The file may have been extended by zeros; see the next case.
  const std::string after = read_file(place.file());
  BOOST_TEST((after.substr(0, before.size()) == before));
  BOOST_TEST(after.find_first_not_of('\0', before.size()) == after.npos);
}

// LMDB does not see a second opening in one process, and would release the
// locks of both.
BOOST_AUTO_TEST_CASE(second_opening_in_one_process_is_refused) {
  const env_directory place;
  place.create();
  const std::filesystem::path link = place.directory.path() / "link";
  std::filesystem::create_directory_symlink(place.directory.path(), link);
  {
    const lmdb_env env(place.options(false));
    for (const std::filesystem::path& path :
         {place.directory.path(), link, place.directory.path() / "link/link",
          place.directory.path() / ".",
          std::filesystem::relative(place.directory.path())})
      for (const bool create : {false, true}) {
        auto options = place.options(create);
        options.directory = path;
        BOOST_TEST((opening(options) == errc::storage_in_use));
      }
    // The refused openings have not harmed the first one.
    BOOST_TEST(value_of(env, 0, "a") == "of the first");
  }
  BOOST_TEST((opening(place.options(false)) == errc::ok));
}

// --- Damaged files -----------------------------------------------------------

BOOST_AUTO_TEST_CASE(damaged_meta_page_is_refused) {
  const env_directory place;
  place.create();
  const std::string good = read_file(place.file());
  std::vector<std::string> damaged;
  const auto damage
    = [&](std::size_t offset, auto value, std::vector<std::size_t> pages) {
        damaged.push_back(good);
        set_in_meta(damaged.back(), offset, value, std::move(pages));
      };
  // Either meta page, and both.
  for (const std::vector<std::size_t>& pages :
       std::vector<std::vector<std::size_t>>{{0}, {1}, {0, 1}}) {
    damage(magic_offset, std::uint32_t{0xBEEFC0DF}, pages);
    damage(flags_offset, std::uint16_t{0}, pages);
    damage(page_size_offset, std::uint32_t{0}, pages);
    damage(page_size_offset, std::uint32_t{4097}, pages);
    damage(page_size_offset, std::uint32_t{1U << 31U}, pages);
  }
  // One page of another version is damage; see the next case.
  damage(version_offset, std::uint32_t{2}, {0});
  damage(version_offset, std::uint32_t{2}, {1});
  damage(last_page_offset, std::uint64_t{0}, {0, 1});
  damage(last_page_offset, ~std::uint64_t{0}, {0, 1});
  damage(last_page_offset, std::uint64_t{1} << 33U, {0, 1});
  // The file is too short for the pages that it should have.
  damage(last_page_offset, std::uint64_t{100'000}, {0, 1});
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{151}, page_bytes,
        page_bytes + 151})
    damaged.push_back(good.substr(0, size));
  for (const std::string& bytes : damaged) {
    write_file(place.file(), bytes);
    BOOST_TEST((opening(place.options(false)) == errc::storage_damaged));
    // A refused file is not changed.
    BOOST_TEST((read_file(place.file()) == bytes));
  }
  write_file(place.file(), good);
  BOOST_TEST(value_of(lmdb_env(place.options(false)), 0, "a")
             == "of the first");
}

// Both meta pages name the same other version: the file is not damaged.
BOOST_AUTO_TEST_CASE(file_of_another_version_of_lmdb_has_its_own_error) {
  for (const std::uint32_t version : {0U, 2U, 3U, 999U, 0x7FFFFFFFU}) {
    const env_directory place;
    place.create();
    std::string bytes = read_file(place.file());
    set_in_meta(bytes, version_offset, version);
    write_file(place.file(), bytes);
    BOOST_TEST((lmdb_file::open(place.file()).code() == errc::storage_format));
    for (const bool create : {false, true})
      BOOST_TEST((opening(place.options(create)) == errc::storage_format));
    BOOST_TEST((read_file(place.file()) == bytes));
  }
}

// LMDB alternates between the meta pages. Both must be plausible, because only
// then is it certain that the newer one is not lost.
BOOST_AUTO_TEST_CASE(both_meta_pages_must_be_plausible) {
  const env_directory place;
  place.create();
  put_one(lmdb_env(place.options(false)), "b", "newer");
  std::string bytes = read_file(place.file());
  for (const std::size_t page : {std::size_t{0}, std::size_t{1}}) {
    std::string changed = bytes;
    set_in_meta(changed, last_page_offset, ~std::uint64_t{0}, {page});
    write_file(place.file(), changed);
    BOOST_TEST((opening(place.options(false)) == errc::storage_damaged));
  }
  write_file(place.file(), bytes);
  BOOST_TEST(value_of(lmdb_env(place.options(false)), 0, "b") == "newer");
}

// A changed key of a branch page sends the search for some rows to the wrong
// page, although the keys of every page are in order: the rows would be absent.
BOOST_AUTO_TEST_CASE(branch_page_that_misleads_the_search_is_refused) {
  const env_directory place;
  {
    const lmdb_env env(place.options(true));
    lmdb_transaction txn(env, read_mode::write);
    for (int i = 10'000; i < 13'000; ++i)
      txn.put(0, std::to_string(i), std::string(60, 'x'));
    txn.commit();
  }
  const std::string good = read_file(place.file());
  const std::uint64_t pages = good.size() / page_bytes;
  std::size_t damaged = 0;
  for (std::uint64_t number = 2; number < pages; ++number) {
    const std::string_view page(good.data() + number * page_bytes, page_bytes);
    std::vector<lmdb_node> nodes;
    std::string defect;
    if (!parse_lmdb_page(page, number, lmdb_page_kind::branch, nodes, defect))
      continue;
    // The first key of a branch page is not used.
    for (std::size_t i = 1; i < nodes.size(); ++i)
      for (const int rows : {-30, -3, -2, 2, 3, 30}) {
        const std::string key
          = std::to_string(std::stoi(std::string(nodes[i].key)) + rows);
        std::string bytes = good;
        bytes.replace(
          static_cast<std::size_t>(nodes[i].key.data() - good.data()),
          key.size(), key);
        write_file(place.file(), bytes);
        BOOST_TEST((opening(place.options(false)) == errc::storage_damaged),
                   "page " << number << ", key " << i << " is " << key);
        ++damaged;
      }
  }
  BOOST_TEST(damaged > 100U);
  write_file(place.file(), good);
  BOOST_TEST((opening(place.options(false)) == errc::ok));
}

// LMDB does not write pages at the end that it has freed in the same
// transaction, so a file is extended before it is mapped. Only pages that the
// list of free pages names may be missing.
BOOST_AUTO_TEST_CASE(file_is_extended_by_64_pages) {
  const env_directory place;
  place.create();
  {
    const lmdb_env env(place.options(false));
    lmdb_transaction txn(env, read_mode::write);
    for (int i = 1'000; i < 1'300; ++i)
      txn.put(0, std::to_string(i), std::string(300, 'x'));
    for (int i = 1'000; i < 1'300; ++i)
      txn.erase(0, std::to_string(i));
    txn.commit();
  }
  const auto meta = lmdb_file::open(place.file());
  BOOST_TEST_REQUIRE(static_cast<bool>(meta));
  const std::uint64_t pages = (*meta)->newest().last_page + 1;
  std::filesystem::resize_file(place.file(), pages * page_bytes);
  BOOST_TEST((opening(place.options(false)) == errc::ok));
  BOOST_TEST(std::filesystem::file_size(place.file())
             == (pages + 64) * page_bytes);
  BOOST_TEST(value_of(lmdb_env(place.options(false)), 0, "a")
             == "of the first");
  // A page that is neither used nor free is damage, also within this length.
  std::string bytes = read_file(place.file());
  for (const std::uint64_t more : {1U, 64U, 65U, 200U}) {
    std::string forged = bytes;
    set_in_meta(forged, last_page_offset, pages - 1 + more);
    write_file(place.file(), forged);
    BOOST_TEST((opening(place.options(false)) == errc::storage_damaged));
  }
}

// --- Limits ------------------------------------------------------------------

// The file is sparse: a large map costs no space. A transaction that does not
// fit is refused, and the environment stays usable.
BOOST_AUTO_TEST_CASE(map_size_limits_the_file) {
  const env_directory place;
  const std::string value(100'000, 'x');
  std::size_t stored = 0;
  auto options = place.options(true);
  options.map_bytes = 2U << 20U;
  {
    const lmdb_env env(options);
    BOOST_TEST(std::filesystem::file_size(place.file()) < options.map_bytes);
    errc code = errc::ok;
    while (code == errc::ok) {
      code = thrown_by([&] { put_one(env, std::to_string(stored), value); });
      stored += code == errc::ok ? 1U : 0U;
      BOOST_TEST_REQUIRE(stored < 100U);
    }
    BOOST_TEST((code == errc::storage_failed));
    BOOST_TEST(stored > 10U);
    BOOST_TEST(value_of(env, 0, "0") == value);
    BOOST_TEST(value_of(env, 0, std::to_string(stored)) == "(absent)");
    BOOST_TEST(std::filesystem::file_size(place.file()) <= options.map_bytes);
  }
  // A larger map has space for more.
  options.map_bytes = map_of_tests;
  options.create = false;
  const lmdb_env env(options);
  put_one(env, "more", value);
  BOOST_TEST(value_of(env, 0, "more") == value);
}

BOOST_AUTO_TEST_CASE(number_of_readers_is_limited) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(false));
  const auto begin
    = [&] { return std::make_unique<lmdb_transaction>(env, read_mode::read); };
  std::vector<std::unique_ptr<lmdb_transaction>> readers;
  for (std::size_t i = 0; i < reader_slots; ++i)
    readers.push_back(begin());
  BOOST_TEST((thrown_by([&] { begin(); }) == errc::storage_failed));
  // Writing needs no slot, and a slot is free again when its reader ends.
  put_one(env, "b", "beside readers");
  readers.pop_back();
  readers.push_back(begin());
  BOOST_TEST(readers.back()->get(0, "b").value() == "beside readers");
  BOOST_TEST(!readers.front()->get(0, "b").has_value());
}

/// A child process holds the environment open, so that its lock file is in use.
/// A second one occupies all reader slots and is killed. An opening then frees
/// the slots of the killed process.
BOOST_AUTO_TEST_CASE(reader_slots_of_a_killed_process_are_freed) {
  const env_directory place;
  place.create();
  std::array<int, 2> opened{};
  std::array<int, 2> ending{};
  BOOST_TEST_REQUIRE(::pipe(opened.data()) == 0);
  BOOST_TEST_REQUIRE(::pipe(ending.data()) == 0);
  char byte = 0;
  const pid_t holder = start_child([&] {
    ::close(ending[1]);
    const lmdb_env env(place.options(false));
    const lmdb_transaction txn(env, read_mode::read);
    // Waits until the test closes its end of the pipe.
    return ::write(opened[1], "x", 1) == 1 && ::read(ending[0], &byte, 1) == 0
             ? 0
             : 1;
  });
  BOOST_TEST_REQUIRE(::read(opened[0], &byte, 1) == 1);
  const int killed = in_child([&] {
    const lmdb_env env(place.options(false));
    std::vector<std::unique_ptr<lmdb_transaction>> readers;
    for (std::size_t i = 0; i < reader_slots - 1; ++i)
      readers.push_back(
        std::make_unique<lmdb_transaction>(env, read_mode::read));
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  BOOST_TEST(killed == 128 + SIGKILL);
  {
    const lmdb_env env(place.options(false));
    std::vector<std::unique_ptr<lmdb_transaction>> readers;
    for (std::size_t i = 0; i < reader_slots - 1; ++i)
      readers.push_back(
        std::make_unique<lmdb_transaction>(env, read_mode::read));
    // The slot of the process that still runs is not freed.
    BOOST_TEST((thrown_by([&] { lmdb_transaction(env, read_mode::read); })
                == errc::storage_failed));
  }
  ::close(ending[1]);
  BOOST_TEST(result_of_child(holder) == 0);
  for (const int each : {opened[0], opened[1], ending[0]})
    ::close(each);
}

// --- Transactions ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(transaction_without_commit_changes_nothing) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(false));
  {
    lmdb_transaction txn(env, read_mode::write);
    txn.put(0, "a", "changed");
    txn.put(0, "b", "new");
    txn.erase(1, "a");
    BOOST_TEST(txn.get(0, "a").value() == "changed");
  }
  BOOST_TEST(value_of(env, 0, "a") == "of the first");
  BOOST_TEST(value_of(env, 0, "b") == "(absent)");
  BOOST_TEST(value_of(env, 1, "a") == "of the second");
}

BOOST_AUTO_TEST_CASE(read_transaction_refuses_writes) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(false));
  lmdb_transaction txn(env, read_mode::read);
  BOOST_TEST(
    (thrown_by([&] { txn.put(0, "a", "changed"); }) == errc::storage_failed));
  BOOST_TEST(
    (thrown_by([&] { txn.append(0, "b", "new"); }) == errc::storage_failed));
  BOOST_TEST((thrown_by([&] { txn.erase(0, "a"); }) == errc::storage_failed));
  BOOST_TEST(txn.get(0, "a").value() == "of the first");
}

BOOST_AUTO_TEST_CASE(read_transaction_sees_the_state_at_its_begin) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(false));
  const lmdb_transaction before(env, read_mode::read);
  put_one(env, "a", "changed");
  BOOST_TEST(before.get(0, "a").value() == "of the first");
  BOOST_TEST(value_of(env, 0, "a") == "changed");
}

// Begun on one thread, used on a second one, ended on a third one. A thread may
// have several read transactions.
BOOST_AUTO_TEST_CASE(read_transaction_moves_between_threads) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(false));
  std::unique_ptr<lmdb_transaction> txn;
  const auto run = [](auto work) { std::thread(work).join(); };
  run([&] { txn = std::make_unique<lmdb_transaction>(env, read_mode::read); });
  run([&] {
    const lmdb_transaction own(env, read_mode::read);
    BOOST_TEST(txn->get(0, "a").value() == "of the first");
  });
  run([&] { txn.reset(); });
  const lmdb_transaction one(env, read_mode::read);
  const lmdb_transaction other(env, read_mode::read);
  BOOST_TEST(one.get(0, "a").value() == other.get(0, "a").value());
}

// Keys must be appended in ascending order.
BOOST_AUTO_TEST_CASE(append_refuses_a_key_that_is_not_the_greatest) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(false));
  lmdb_transaction txn(env, read_mode::write);
  txn.append(0, "c", "1");
  txn.append(0, "d", "2");
  for (const char* key : {"d", "cc", "b", "a"})
    BOOST_TEST(
      (thrown_by([&] { txn.append(0, key, "x"); }) == errc::storage_failed));
}

// --- Cursors -----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(cursor_finds_the_rows_around_a_key) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(false));
  for (const char* key : {"bb", "d", "f"})
    put_one(env, key, key);
  const lmdb_transaction txn(env, read_mode::read);
  lmdb_cursor cursor(txn, 0);
  const auto at
    = [&](bool found) { return found ? std::string(cursor.key()) : "-"; };
  BOOST_TEST(at(cursor.first()) == "a");
  BOOST_TEST(at(cursor.next()) == "bb");
  BOOST_TEST(at(cursor.last()) == "f");
  BOOST_TEST(at(cursor.next()) == "-");

  struct expected_rows {
    const char* key;
    const char* at_or_after;
    const char* before;
  };

  for (const expected_rows& each : {expected_rows{"", "a", "-"},
                                    {"a", "a", "-"},
                                    {"b", "bb", "a"},
                                    {"bb", "bb", "a"},
                                    {"c", "d", "bb"},
                                    {"f", "f", "d"},
                                    {"g", "-", "f"}}) {
    BOOST_TEST(at(cursor.seek(each.key)) == each.at_or_after);
    BOOST_TEST(at(cursor.seek_before(each.key)) == each.before);
  }
  BOOST_TEST(cursor.seek("d"));
  BOOST_TEST(cursor.value() == "d");
}

BOOST_AUTO_TEST_CASE(cursor_over_an_empty_table_finds_nothing) {
  const env_directory place;
  const lmdb_env env(place.options(true));
  const lmdb_transaction txn(env, read_mode::read);
  lmdb_cursor cursor(txn, 1);
  BOOST_TEST(!cursor.first());
  BOOST_TEST(!cursor.last());
  BOOST_TEST(!cursor.next());
  BOOST_TEST(!cursor.seek("a"));
  BOOST_TEST(!cursor.seek_before("a"));
}

BOOST_AUTO_TEST_CASE(erased_rows_do_not_count_as_used) {
  const env_directory place;
  place.create();
  const lmdb_env env(place.options(false));
  const std::uint64_t before = env.bytes_used();
  put_one(env, "large", std::string(1U << 20U, 'x'));
  BOOST_TEST(env.bytes_used() >= before + (1U << 20U));
  lmdb_transaction txn(env, read_mode::write);
  txn.erase(0, "large");
  txn.erase(0, "absent");
  txn.commit();
  BOOST_TEST(env.bytes_used() == before);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
