// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/own_commits.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace perdura::actors {

namespace {

using positions = std::vector<journal_position>;

} // namespace

BOOST_AUTO_TEST_SUITE(own_commits_suite)

BOOST_AUTO_TEST_CASE(nothing_is_reported_without_a_commit) {
  own_commits commits;
  positions reported;
  const auto report = [&](journal_position p) { reported.push_back(p); };
  BOOST_TEST(!commits.report_each(report).has_value());
  // A request that made no commit adds nothing, and removes nothing.
  commits.add({});
  BOOST_TEST(!commits.report_each(report).has_value());
  BOOST_TEST(reported.empty());
  commits.add(5);
  commits.add({});
  BOOST_TEST(!commits.report_each(report).has_value());
  BOOST_TEST(reported == positions{5});
}

BOOST_AUTO_TEST_CASE(each_position_is_reported_once_and_the_newest_counts) {
  own_commits commits;
  positions reported;
  const auto report = [&](journal_position p) { reported.push_back(p); };
  commits.add(3);
  commits.add(7);
  BOOST_TEST(!commits.report_each(report).has_value());
  BOOST_TEST(!commits.report_each(report).has_value());
  BOOST_TEST(reported == positions{7});
}

// Each report queues turns that are committed at once.
BOOST_AUTO_TEST_CASE(reports_that_commit_again_are_limited) {
  for (int more = 0; more < 2 * own_commit_rounds_max; ++more) {
    own_commits commits;
    positions reported;
    journal_position next = 0;
    commits.add(++next);
    const auto left = commits.report_each([&](journal_position p) {
      reported.push_back(p);
      if (next <= static_cast<journal_position>(more))
        commits.add(++next);
    });
    const auto rounds
      = static_cast<std::size_t>(std::min(more + 1, own_commit_rounds_max));
    BOOST_TEST(reported.size() == rounds);
    BOOST_TEST(reported.back() == rounds);
    // The position that is left is returned, and not reported a second time.
    BOOST_TEST(left.has_value() == (more >= own_commit_rounds_max));
    if (left)
      BOOST_TEST(*left == rounds + 1);
    BOOST_TEST(!commits.report_each([](journal_position) {}).has_value());
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors
