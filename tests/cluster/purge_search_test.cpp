// SPDX-License-Identifier: Apache-2.0
// The search for expired instances has a bounded number of purges in flight,
// however many instances have expired.
#include "cluster/node/purge_search.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace perdura::tests {

using namespace persistence;

namespace {

constexpr timestamp now{std::chrono::hours(1'000)};

/// Finished instances in memory, with the queries of a node.
struct expired_instances {
  void add(const std::string& name, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      rows["i" + std::to_string(100'000 + rows.size())] = name;
  }

  result<instance_page> page(const instance_query& query) {
    ++pages;
    largest_page = std::max(largest_page, query.top);
    if (fails_at == pages)
      return error{errc::storage_damaged, "a row is damaged"};
    instance_page page;
    for (auto it = rows.upper_bound(query.token); it != rows.end(); ++it) {
      if (page.rows.size() == query.top) {
        page.token = page.rows.back().id;
        break;
      }
      if (!query.name.empty() && it->second != query.name)
        continue;
      instance_row& row = page.rows.emplace_back();
      row.id = it->first;
      row.record.name = it->second;
      row.record.ended_at = ended_at;
    }
    return page;
  }

  void submit(const instance_id& id, bool force) {
    submitted.push_back(id);
    forced += force ? 1 : 0;
    most = std::max(most, submitted.size() - answered);
    if (answers_at_once)
      answer(id);
  }

  void answer(const instance_id& id) {
    ++answered;
    rows.erase(id);
    search.receive_answer();
  }

  /// Answers the purges in the order of their submission.
  void answer_all() {
    while (answered < submitted.size())
      answer(submitted[answered]);
  }

  void begin() {
    search.begin(now);
  }

  std::map<instance_id, std::string> rows;
  std::vector<instance_id> submitted;
  std::size_t answered = 0;
  std::size_t forced = 0; ///< Submitted purges with `force`.
  timestamp ended_at = now - std::chrono::hours(2);
  std::size_t most = 0; ///< Largest number of purges in flight.
  std::size_t pages = 0;
  std::size_t largest_page = 0;
  std::size_t fails_at = 0; ///< The page that cannot be read; 0 means none.
  bool answers_at_once = false;
  cluster::retention_rules rules{.hub = std::chrono::hours(1), .by_name = {}};
  cluster::purge_search search{
    rules, [this](const instance_query& query) { return page(query); },
    [this](const instance_id& id, bool force) { submit(id, force); }};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(purge_search_suite, expired_instances)

BOOST_AUTO_TEST_CASE(purges_after_a_long_stop_are_submitted_in_windows) {
  add("Order", 10'000);
  begin();
  BOOST_TEST(submitted.size() == cluster::purges_in_flight_max);
  BOOST_TEST(search.is_running());
  answer_all();
  BOOST_TEST(submitted.size() == 10'000U);
  BOOST_TEST(most == cluster::purges_in_flight_max);
  BOOST_TEST(!search.is_running());
  BOOST_TEST(rows.empty());
}

// Only one page is in memory.
BOOST_AUTO_TEST_CASE(instances_that_wait_for_their_purge_are_bounded) {
  add("Order", 10'000);
  begin();
  BOOST_TEST(pages == 1U);
  BOOST_TEST(largest_page == cluster::purges_in_flight_max);
}

BOOST_AUTO_TEST_CASE(each_answer_submits_one_more_purge) {
  add("Order", 1'000);
  begin();
  for (std::size_t i = 1; i <= 300; ++i) {
    answer(submitted[answered]);
    BOOST_REQUIRE(submitted.size() == cluster::purges_in_flight_max + i);
  }
}

BOOST_AUTO_TEST_CASE(rules_of_several_names_share_one_window) {
  add("A", 1'000);
  add("B", 1'000);
  add("C", 1'000);
  rules.by_name = {{"A", std::chrono::hours(2)}, {"B", duration(0)}};
  begin();
  answer_all();
  BOOST_TEST(most == cluster::purges_in_flight_max);
  BOOST_TEST(submitted.size() == 2'000U); // B is kept for ever
  BOOST_TEST(rows.size() == 1'000U);
}

// Pages without a row to purge do not end the search.
BOOST_AUTO_TEST_CASE(instances_of_other_rules_are_skipped) {
  add("Kept", 1'000);
  add("Order", 10);
  rules.by_name = {{"Kept", duration(0)}};
  begin();
  BOOST_TEST(submitted.size() == 10U);
}

BOOST_AUTO_TEST_CASE(damaged_page_ends_the_search_of_its_rule_only) {
  add("A", 1'000);
  add("B", 1'000);
  rules.hub = duration(0);
  rules.by_name = {{"A", std::chrono::hours(1)}, {"B", std::chrono::hours(1)}};
  fails_at = 2;
  begin();
  answer_all();
  BOOST_TEST(submitted.size() == cluster::purges_in_flight_max + 1'000);
  BOOST_TEST(!search.is_running());
  begin(); // finds the rest
  answer_all();
  BOOST_TEST(rows.empty());
}

// A gateway that is closed answers on the thread of the caller.
BOOST_AUTO_TEST_CASE(answers_may_come_before_the_submission_returns) {
  add("Order", 1'000);
  answers_at_once = true;
  begin();
  BOOST_TEST(submitted.size() == 1'000U);
  BOOST_TEST(most == 1U);
  BOOST_TEST(!search.is_running());
}

BOOST_AUTO_TEST_CASE(search_without_expired_instances_ends_at_once) {
  begin();
  BOOST_TEST(!search.is_running());
  BOOST_TEST(search.submitted() == 0U);
}

// An activity that never ends does not keep its instance for ever.
BOOST_AUTO_TEST_CASE(instances_are_purged_by_force_a_day_after_their_end) {
  add("Order", 3);
  begin();
  answer_all();
  BOOST_TEST(forced == 0U);
  add("Order", 3);
  ended_at = now - cluster::orphan_task_max;
  begin();
  answer_all();
  BOOST_TEST(submitted.size() == 6U);
  BOOST_TEST(forced == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
