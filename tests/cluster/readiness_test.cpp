// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/readiness.hpp"
#include "persistence/process/sync_watch.hpp"

#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>

namespace perdura::tests {

using namespace cluster;
using std::chrono::seconds;

namespace {

readiness_facts serving() {
  readiness_facts facts;
  facts.is_serving = true;
  return facts;
}

std::string codes_of(const readiness_facts& facts) {
  std::string all;
  for (const unready_reason& each : reasons_of(facts)) {
    BOOST_TEST(each.message.ends_with('.'), each.message);
    all += each.code + ' ';
  }
  return all;
}

} // namespace

BOOST_AUTO_TEST_SUITE(readiness)

BOOST_AUTO_TEST_CASE(each_fact_is_a_reason) {
  BOOST_TEST(codes_of(serving()) == "");
  BOOST_TEST(codes_of({}) == "recovering ");
  readiness_facts facts = serving();
  facts.is_admitted = false;
  facts.why_not_admitted = "No node has admitted it.";
  BOOST_TEST(codes_of(facts) == "waiting_for_admission ");
  facts.agreeing_partitions = 2;
  facts.storage.full = persistence::full_cause::disk;
  facts.damaged_partitions = {"partition 3: a row is damaged"};
  facts.has_no_thread = true;
  facts.are_activities_blocked = true;
  facts.sync_time = facts.sync_time_max + seconds(1);
  BOOST_TEST(codes_of(facts)
             == "waiting_for_admission adopting disk_full partition_damaged "
                "sync_stalled no_thread "
                "no_activity_thread ");
  facts.is_stopping = true;
  BOOST_TEST(codes_of(facts) == "stopping ");
  facts = serving();
  facts.sync_time = facts.sync_time_max;
  BOOST_TEST(codes_of(facts) == "");
}

// The sentence has the numbers, and the remedies of its cause.
BOOST_AUTO_TEST_CASE(full_storage_is_a_reason_with_numbers) {
  readiness_facts facts = serving();
  facts.storage = {.full = persistence::full_cause::disk,
                   .used = 0,
                   .used_max = 0,
                   .files = 150U << 20U,
                   .files_free = 3U << 20U,
                   .disk_free = 640U << 10U,
                   .disk_size = 176U << 20U,
                   .reserve = 0,
                   .reserve_max = 11U << 20U};
  const std::string disk = reasons_of(facts).at(0).message;
  for (const char* part :
       {"read-only: disk full", "640 KiB of 176 MiB", "3 MiB inside", "150 MiB",
        "11 MiB are kept", "Purge", "free space on the disk",
        "perdura compact"})
    BOOST_TEST((disk.find(part) != disk.npos), part << " in: " << disk);
  facts.storage.full = persistence::full_cause::limit;
  facts.storage.used = std::uint64_t{5} << 30U;
  facts.storage.used_max = std::uint64_t{4} << 30U;
  const std::string limit = reasons_of(facts).at(0).message;
  for (const char* part : {"read-only: storage limit reached", "takes 5 GiB",
                           "storage_bytes_max is 4 GiB", "Purge"})
    BOOST_TEST((limit.find(part) != limit.npos), part << " in: " << limit);
}

BOOST_AUTO_TEST_CASE(sizes_have_the_largest_unit) {
  using persistence::bytes_text;
  BOOST_TEST(bytes_text(0) == "0 B");
  BOOST_TEST(bytes_text(1023) == "1023 B");
  BOOST_TEST(bytes_text(1024) == "1 KiB");
  BOOST_TEST(bytes_text(1536) == "1.5 KiB");
  BOOST_TEST(bytes_text((1U << 20U) - 1) == "1023 KiB");
  BOOST_TEST(bytes_text(1U << 20U) == "1 MiB");
  BOOST_TEST(bytes_text(std::uint64_t{10} << 40U) == "10 TiB");
  BOOST_TEST(bytes_text(UINT64_MAX) == "16777215 TiB");
}

BOOST_AUTO_TEST_CASE(watch_reports_the_oldest_write) {
  using persistence::sync_watch;
  sync_watch watch;
  const sync_watch::time_point start{};
  BOOST_TEST((watch.longest(start) == seconds(0)));
  std::optional<sync_watch::running> first;
  first.emplace(watch, start + seconds(1));
  const sync_watch::running second(watch, start + seconds(3));
  BOOST_TEST((watch.longest(start + seconds(7)) == seconds(6)));
  BOOST_TEST((watch.longest(start) == seconds(0)));
  first.reset();
  BOOST_TEST((watch.longest(start + seconds(7)) == seconds(4)));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
