// SPDX-License-Identifier: Apache-2.0
// The decision whether a disk is full, and the reserve file.
#include "persistence/stores/disk_guard.hpp"

#include "journal_harness.hpp"
#include "small_disk.hpp"
#include <boost/test/unit_test.hpp>

#include <filesystem>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

/// The facts of a disk on which the stores have nothing yet.
space_facts facts_of(std::uint64_t available, std::uint64_t held) {
  space_facts facts;
  facts.disk = {available, 1'000 * mib};
  facts.held = held;
  facts.reserve_max = 64 * mib;
  return facts;
}

} // namespace

BOOST_AUTO_TEST_SUITE(disk_guard_suite)

BOOST_AUTO_TEST_CASE(reserve_is_at_most_a_sixteenth_of_the_disk) {
  BOOST_TEST(reserve_size(64 * mib, 100'000 * mib) == 64 * mib);
  BOOST_TEST(reserve_size(64 * mib, 176 * mib) == 11 * mib);
  BOOST_TEST(reserve_size(64 * mib, 16 * mib) == 8 * mib);
  BOOST_TEST(reserve_size(mib, 176 * mib) == mib);
  BOOST_TEST(reserve_size(0, 176 * mib) == 0U);
}

BOOST_AUTO_TEST_CASE(two_limits_keep_the_decision_from_alternating) {
  // Not full: less than the reserve makes it full, and releases an eighth.
  space_facts facts = facts_of(64 * mib, 64 * mib);
  BOOST_TEST(!decide_space(facts).is_full);
  BOOST_TEST(decide_space(facts).hold == 64 * mib);
  facts.disk.available -= 1;
  BOOST_TEST(decide_space(facts).is_full);
  BOOST_TEST(decide_space(facts).hold == 56 * mib);
  // Full: what writes have left of the reserve stays; the eighth that was
  // released makes no difference.
  facts = facts_of(72 * mib - 1, 56 * mib);
  facts.was_full = true;
  BOOST_TEST(decide_space(facts).is_full);
  BOOST_TEST(decide_space(facts).hold == 56 * mib);
  facts.held = 10 * mib;
  BOOST_TEST(decide_space(facts).hold == 10 * mib);
  // Full: twice the reserve must be there.
  facts = facts_of(128 * mib - 1, 0);
  facts.was_full = true;
  BOOST_TEST(decide_space(facts).is_full);
  facts.disk.available += 1;
  BOOST_TEST(!decide_space(facts).is_full);
  BOOST_TEST(decide_space(facts).hold == 64 * mib);
  // No reserve: never full.
  facts = facts_of(0, 0);
  facts.reserve_max = 0;
  BOOST_TEST(!decide_space(facts).is_full);
}

// Each byte of a record takes two bytes in the journal and two in the views.
BOOST_AUTO_TEST_CASE(headroom_is_what_nothing_else_needs) {
  BOOST_TEST(decide_space(facts_of(64 * mib, 64 * mib)).headroom == 0U);
  BOOST_TEST(decide_space(facts_of(100 * mib, 64 * mib)).headroom == 9 * mib);
  BOOST_TEST(decide_space(facts_of(200 * mib, 0)).headroom == 18 * mib);
  BOOST_TEST(decide_space(facts_of(10 * mib, 0)).headroom == 0U);
  space_facts facts = facts_of(200 * mib, 64 * mib);
  facts.pending = 10 * mib;
  BOOST_TEST(decide_space(facts).headroom == 29 * mib);
  facts.reserve_max = 0;
  BOOST_TEST(decide_space(facts).headroom == static_cast<std::uint64_t>(-1));
}

// Regression: with free pages in the files and none on the disk, every second
// start was refused until the next measurement.
BOOST_AUTO_TEST_CASE(headroom_includes_free_pages) {
  space_facts facts = facts_of(0, 0);
  facts.stores = {{0, 0, 500 * mib, false}, {0, 0, 500 * mib, true}};
  BOOST_TEST(!decide_space(facts).is_full);
  BOOST_TEST(decide_space(facts).headroom == 234 * mib);
  facts.stores[1].free = 132 * mib; // the views bound it
  BOOST_TEST(decide_space(facts).headroom == 50 * mib);
  facts.disk.available = 20 * mib;
  facts.held = facts.reserve_max;
  BOOST_TEST(decide_space(facts).headroom == 60 * mib);
  facts.stores[1].free = 500 * mib;
  facts.stores[0].free = 32 * mib; // the journal bounds it
  BOOST_TEST(decide_space(facts).headroom == 10 * mib);
  // Two lanes share the records.
  facts = facts_of(0, 0);
  facts.stores = {{0, 0, 116 * mib, false},
                  {0, 0, 500 * mib, true},
                  {0, 0, 116 * mib, false},
                  {0, 0, 500 * mib, true}};
  BOOST_TEST(decide_space(facts).headroom == 100 * mib);
}

BOOST_AUTO_TEST_CASE(free_pages_of_each_store_count_for_that_store) {
  const file_space journal{0, 0, 500 * mib, false};
  const file_space views{0, 0, 500 * mib, true};
  space_facts facts = facts_of(0, 0);
  facts.was_full = true;
  facts.stores = {journal, views};
  BOOST_TEST(!decide_space(facts).is_full);
  BOOST_TEST(decide_space(facts).hold == 0U); // there is no space for one
  // Free pages of the journal are of no use for the views.
  facts.stores[1].free = 10 * mib;
  BOOST_TEST(decide_space(facts).is_full);
  facts.disk.available = 54 * mib;
  BOOST_TEST(!decide_space(facts).is_full);
  // A part of the reserve is taken again; a quarter of it stays free.
  facts.stores[1].free = 500 * mib;
  BOOST_TEST(decide_space(facts).hold == (54 - 16) * mib);
}

BOOST_AUTO_TEST_CASE(turns_that_are_not_flushed_count) {
  space_facts facts = facts_of(100 * mib, 64 * mib);
  facts.stores = {{0, 0, 0, false}, {0, 0, 0, true}};
  BOOST_TEST(!decide_space(facts).is_full);
  facts.pending = 18 * mib;
  BOOST_TEST(!decide_space(facts).is_full);
  facts.pending += 1;
  BOOST_TEST(decide_space(facts).is_full);
}

BOOST_AUTO_TEST_CASE(reserve_that_is_too_large_is_reduced) {
  BOOST_TEST(decide_space(facts_of(500 * mib, 100 * mib)).hold == 64 * mib);
}

// The guard keeps 100 bytes as a reserve file. When less than 100 bytes are
// free, it releases 12 of them; it allocates them again when 200 bytes are
// free, those of the reserve included.
BOOST_AUTO_TEST_CASE(reserve_file_is_released_when_the_disk_is_full) {
  const temporary_directory directory;
  const fs::path reserve = directory.path() / "reserve";
  std::uint64_t free = 1000;
  const auto disk = [&] { return disk_space{free, 100'000}; };
  const disk_guard::limits limits{.storage_bytes_max = 0, .reserve_bytes = 100};
  {
    disk_guard guard(directory.path(), limits, disk);
    BOOST_TEST((guard.measure({}, 0).full == full_cause::none));
    BOOST_TEST(fs::file_size(reserve) == 100U);
    free = 99;
    const storage_space full = guard.measure({}, 0);
    BOOST_TEST((full.full == full_cause::disk));
    BOOST_TEST(full.disk_free == 111U);
    BOOST_TEST(full.reserve == 88U);
    BOOST_TEST(fs::file_size(reserve) == 88U);
    free = 111;
    BOOST_TEST((guard.measure({}, 0).full == full_cause::disk));
  }
  // Also after a restart.
  disk_guard guard(directory.path(), limits, disk);
  BOOST_TEST((guard.measure({}, 0).full == full_cause::disk));
  free = 112;
  BOOST_TEST((guard.measure({}, 0).full == full_cause::none));
  BOOST_TEST(fs::file_size(reserve) == 100U);
  BOOST_TEST(guard.release_for_write(1));
  BOOST_TEST(!guard.release_for_write(1));
  BOOST_TEST(fs::file_size(reserve) == 0U);
  free = 150;
  BOOST_TEST((guard.measure({}, 0).full == full_cause::disk));
}

// The reserve belongs to the writes that need it: nothing else gets it, however
// late the write comes.
BOOST_AUTO_TEST_CASE(released_space_goes_to_the_write_that_needs_it) {
  const temporary_directory directory;
  constexpr std::uint64_t reserve = mib;
  std::uint64_t free = 0;
  disk_guard guard(directory.path(), {0, reserve}, [&] {
    return disk_space{free, 100 * mib};
  });
  free = 10 * mib;
  BOOST_TEST(guard.measure({}, 0).reserve == reserve);
  free = 0;
  for (int i = 0; i < 10; ++i)
    BOOST_TEST(guard.measure({}, 0).reserve == reserve / 8 * 7);
  const auto held = [&] {
    return std::uint64_t{fs::file_size(directory.path() / "reserve")};
  };
  // A write gets a little more than it asks for.
  for (const std::uint64_t bytes : {1U, 4'096U, 100'000U}) {
    const std::uint64_t before = held();
    BOOST_TEST(guard.release_for_write(bytes));
    BOOST_TEST(before - held() >= bytes);
    BOOST_TEST(before - held() <= bytes + (mib >> 4U));
  }
  BOOST_TEST(guard.release_for_write(100 * mib)); // the rest
  BOOST_TEST(held() == 0U);
  BOOST_TEST(!guard.release_for_write(1));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
