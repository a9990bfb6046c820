// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/scatter_gather_query.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <string>
#include <vector>

namespace perdura::cluster {
namespace {

using persistence::errc;
using persistence::error;
using persistence::instance_page;
using persistence::instance_query;
using persistence::instance_row;
using persistence::result;

// Long enough that a test which waits for it fails by its own time-out.
constexpr persistence::duration long_time = std::chrono::minutes(10);

/// Three nodes, of which "node-3" owns no partition. The test decides what each
/// answers.
struct queried_nodes {
  queried_nodes() {
    dependencies.self = "node-1";
    dependencies.view = std::make_shared<cluster_view>(
      placement{{"node-1", "node-2", "node-3"}, {0, 1, 0, 1}});
    dependencies.run_local_query = [this](const node_query&) {
      asked.push_back("node-1");
      return answers.at("node-1");
    };
    dependencies.query_peer = [this](const node_id& node, const node_query&,
                                     const node_query_callback& answer) {
      asked.push_back(node);
      if (const auto found = answers.find(node); found != answers.end())
        answer(found->second);
      else
        unanswered.push_back(answer);
    };
  }

  scatter_gather_query query() const {
    return scatter_gather_query(dependencies);
  }

  scatter_gather_dependencies dependencies;
  std::map<node_id, result<node_query_answer>> answers;
  std::vector<node_id> asked;
  std::vector<node_query_callback> unanswered;
};

result<node_query_answer> counted(std::uint64_t running,
                                  std::uint64_t completed) {
  return node_query_answer(counts_answer{{running, completed}});
}

result<node_query_answer> page_of(const std::string& id) {
  instance_page page;
  instance_row row;
  row.id = id;
  page.rows.push_back(row);
  return node_query_answer(page);
}

result<node_query_answer> failure(errc code, const std::string& why) {
  return error{code, why};
}

} // namespace

BOOST_AUTO_TEST_SUITE(scatter_gather_query_test)

BOOST_AUTO_TEST_CASE(each_node_that_owns_partitions_is_asked_once) {
  queried_nodes nodes;
  nodes.answers = {{"node-1", counted(1, 2)}, {"node-2", counted(3, 4)}};
  const auto all = nodes.query().query_all(count_query{}, long_time);
  BOOST_REQUIRE_EQUAL(all.size(), 2U);
  BOOST_TEST(all[0].node == "node-1");
  BOOST_TEST(all[1].node == "node-2");
  // The other nodes are asked first, so that they run the query meanwhile.
  BOOST_TEST(nodes.asked == (std::vector<node_id>{"node-2", "node-1"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_node_that_does_not_answer_in_time_is_named) {
  queried_nodes nodes;
  nodes.answers = {{"node-1", counted(1, 2)}};
  const auto all
    = nodes.query().query_all(count_query{}, persistence::duration(0));
  BOOST_REQUIRE_EQUAL(all.size(), 2U);
  BOOST_TEST(static_cast<bool>(all[0].answer));
  BOOST_TEST((all[1].answer.code() == errc::unavailable));
  BOOST_TEST(all[1].answer.error().message
             == "Node \"node-2\" did not answer in time.");
  // An answer after the time-out is ignored.
  nodes.unanswered.at(0)(counted(9, 9));
}

BOOST_AUTO_TEST_CASE(counts_of_all_nodes_are_added) {
  queried_nodes nodes;
  nodes.answers = {{"node-1", counted(1, 2)}, {"node-2", counted(3, 4)}};
  const auto sum = nodes.query().count(false, long_time);
  BOOST_REQUIRE(sum);
  BOOST_TEST(sum->counts[0] == 4U);
  BOOST_TEST(sum->counts[1] == 6U);
  BOOST_TEST(sum->missing.empty());
}

BOOST_AUTO_TEST_CASE(a_partial_count_lists_partitions_of_an_unreachable_node) {
  queried_nodes nodes;
  nodes.answers = {{"node-1", counted(1, 2)},
                   {"node-2", failure(errc::unavailable, "lost")}};
  const auto sum = nodes.query().count(true, long_time);
  BOOST_REQUIRE(sum);
  BOOST_TEST(sum->counts[0] == 1U);
  BOOST_TEST(sum->missing == (std::vector<std::uint32_t>{1, 3}),
             boost::test_tools::per_element());
  BOOST_TEST(
    (nodes.query().count(false, long_time).code() == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(an_error_of_a_reachable_node_fails_a_partial_count) {
  queried_nodes nodes;
  nodes.answers = {{"node-1", counted(1, 2)},
                   {"node-2", failure(errc::storage_damaged, "bad page")}};
  const auto sum = nodes.query().count(true, long_time);
  BOOST_REQUIRE(!sum);
  BOOST_TEST((sum.code() == errc::storage_damaged));
  BOOST_TEST(sum.error().message == "bad page");
}

BOOST_AUTO_TEST_CASE(an_error_of_this_node_fails_a_partial_count) {
  queried_nodes nodes;
  nodes.answers = {{"node-1", failure(errc::shutting_down, "stopping")},
                   {"node-2", counted(3, 4)}};
  BOOST_TEST(
    (nodes.query().count(true, long_time).code() == errc::shutting_down));
}

BOOST_AUTO_TEST_CASE(a_partial_count_without_any_answer_is_unavailable) {
  // "node-3" owns no partition, so it is not asked and cannot answer either.
  queried_nodes nodes;
  nodes.dependencies.self.clear();
  nodes.answers = {{"node-1", failure(errc::unavailable, "lost")},
                   {"node-2", failure(errc::unavailable, "lost")}};
  BOOST_TEST(
    (nodes.query().count(true, long_time).code() == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(a_partial_page_lists_partitions_of_an_unreachable_node) {
  queried_nodes nodes;
  nodes.answers = {{"node-1", page_of("order-1")},
                   {"node-2", failure(errc::shutting_down, "stopping")}};
  instance_query query;
  BOOST_TEST(
    (nodes.query().query(query, long_time).code() == errc::unavailable));
  query.partial = true;
  const auto page = nodes.query().query(query, long_time);
  BOOST_REQUIRE(page);
  BOOST_REQUIRE_EQUAL(page->rows.size(), 1U);
  BOOST_TEST(page->rows[0].id == "order-1");
  BOOST_TEST(page->missing == (std::vector<std::uint32_t>{1, 3}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_answer_of_another_type_is_an_internal_error) {
  queried_nodes nodes;
  nodes.answers = {{"node-1", page_of("order-1")}, {"node-2", counted(1, 2)}};
  BOOST_TEST((nodes.query().query({}, long_time).code() == errc::internal));
  BOOST_TEST((nodes.query().count(true, long_time).code() == errc::internal));
}

BOOST_AUTO_TEST_CASE(without_a_placement_no_node_is_asked) {
  queried_nodes nodes;
  nodes.dependencies.view = std::make_shared<cluster_view>();
  BOOST_TEST((nodes.query().query({}, long_time).code() == errc::unavailable));
  BOOST_TEST(
    (nodes.query().count(true, long_time).code() == errc::unavailable));
  BOOST_TEST(nodes.query().reports().empty());
  BOOST_TEST(nodes.asked.empty());
}

BOOST_AUTO_TEST_CASE(reports_and_stuck_name_a_node_that_did_not_answer) {
  queried_nodes nodes;
  node_report own;
  own.node = "node-1";
  own.stuck = {{"order-1", "held"}};
  nodes.answers = {{"node-1", node_query_answer(own)},
                   {"node-2", failure(errc::unavailable, "lost")}};
  const auto stuck = nodes.query().stuck();
  BOOST_REQUIRE_EQUAL(stuck.size(), 2U);
  BOOST_TEST(stuck[0].first == "order-1");
  BOOST_TEST(stuck[1].first.empty());
  BOOST_TEST(stuck[1].second == "lost");
  const auto reports = nodes.query().reports();
  BOOST_REQUIRE_EQUAL(reports.size(), 2U);
  BOOST_TEST(reports[0].report.has_value());
  BOOST_TEST(reports[0].partitions == (std::vector<std::uint32_t>{0, 2}),
             boost::test_tools::per_element());
  BOOST_TEST(!reports[1].report.has_value());
  BOOST_TEST(reports[1].why == "lost");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::cluster
