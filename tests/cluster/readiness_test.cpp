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
  BOOST_TEST(codes_of(facts) == "waiting_for_admission ");
  facts.is_disk_full = true;
  facts.has_no_thread = true;
  facts.sync_time = sync_time_max + seconds(1);
  BOOST_TEST(codes_of(facts)
             == "waiting_for_admission disk_full sync_stalled no_thread ");
  facts.is_stopping = true;
  BOOST_TEST(codes_of(facts) == "stopping ");
  facts = serving();
  facts.sync_time = sync_time_max;
  BOOST_TEST(codes_of(facts) == "");
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
