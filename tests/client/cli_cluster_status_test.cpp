// SPDX-License-Identifier: Apache-2.0
// The command `cluster status`, and partial lists while a node is down.
#include "client/cli/signal_watch.hpp"
#include "cluster/node/node.hpp"
#include "tests/client/cluster_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

using nlohmann::json;

namespace {

/// Three nodes, each with one running instance.
struct three_nodes : cluster_fixture {
  three_nodes() {
    for (std::size_t i = 0; i < 3; ++i)
      host(i).client().start_json("Approval", "null", options_for(i)).value();
  }

  client::start_options options_for(std::size_t i) const {
    client::start_options options;
    options.instance_id = id_on(i, "waiting");
    return options;
  }

  /// Stops node `i`; returns when node 0 reports it as down.
  void stop_and_wait(std::size_t i) {
    stop(i);
    static_cast<void>(host(0).node().reports());
  }
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

std::vector<std::string> columns_of(const std::string& line) {
  std::vector<std::string> columns;
  std::istringstream in(line);
  for (std::string column; in >> column;)
    columns.push_back(column);
  return columns;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(cli_cluster_status, three_nodes)

BOOST_AUTO_TEST_CASE(status_has_one_line_for_each_node) {
  const outcome shown = perdura(1, {"cluster", "status"});
  BOOST_TEST(shown.code == 0, shown.err);
  BOOST_TEST(shown.err.empty());
  const auto lines = lines_of(shown.out);
  BOOST_TEST_REQUIRE(lines.size() == 4U, shown.out);
  const std::vector<std::string> head{
    "NODE",   "STATE",   "PARTITIONS", "INSTANCES", "RUNNING", "FAILED",
    "OUTBOX", "STARTED", "VERSION",    "LAST",      "ERROR"};
  BOOST_TEST(columns_of(lines[0]) == head, boost::test_tools::per_element());
  for (std::size_t i = 0; i < 3; ++i) {
    const auto columns = columns_of(lines[i + 1]);
    BOOST_TEST(columns[0] == name_of(i));
    BOOST_TEST(columns[1] == "up");
    BOOST_TEST(columns[2] == "3");
    BOOST_TEST(columns[3] == "1");
    BOOST_TEST(columns[4] == "1");
    BOOST_TEST(columns[5] == "0");
    BOOST_TEST(columns[7].ends_with("Z"), columns[7]);
  }
}

// The column PARTITIONS lists ranges such as "0-2,5".
BOOST_AUTO_TEST_CASE(every_partition_has_exactly_one_owner) {
  const outcome shown = perdura(0, {"cluster", "status", "--partitions"});
  std::vector<int> owned;
  for (const std::string& line : lines_of(shown.out)) {
    if (!line.starts_with("node-"))
      continue;
    std::istringstream list(columns_of(line)[2]);
    for (std::string part; std::getline(list, part, ',');) {
      const int first = std::stoi(part);
      const std::size_t dash = part.find('-');
      const int last
        = dash == part.npos ? first : std::stoi(part.substr(dash + 1));
      for (int each = first; each <= last; ++each)
        owned.push_back(each);
    }
  }
  std::sort(owned.begin(), owned.end());
  const std::vector<int> all{0, 1, 2, 3, 4, 5, 6, 7, 8};
  BOOST_TEST(owned == all, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(json_output_matches_the_http_api) {
  const json answered = request_at_root(0, "GET", "/perdura/cluster").json();
  json shown = json::parse(perdura(0, {"cluster", "status", "-o", "json"}).out);
  BOOST_TEST(shown.at("nodes").size() == 3U);
  BOOST_TEST(shown.at("differingFunctions").empty());
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(shown.at("nodes")[i].at("partitions")
               == answered.at("nodes")[i].at("partitions"));
    BOOST_TEST(shown.at("nodes")[i].at("url") == host(i).url());
  }
  const auto lines
    = lines_of(perdura(0, {"cluster", "status", "-o", "jsonl"}).out);
  BOOST_TEST_REQUIRE(lines.size() == 3U);
  BOOST_TEST(json::parse(lines[2]).at("node") == "node-3");
}

BOOST_AUTO_TEST_CASE(node_that_is_down_is_named_and_is_exit_code_4) {
  stop_and_wait(2);
  for (const char* format : {"table", "json", "jsonl"})
    BOOST_TEST(perdura(0, {"cluster", "status", "-o", format}).code == 4);
  const outcome shown = perdura(0, {"cluster", "status"});
  const auto lines = lines_of(shown.out);
  BOOST_TEST_REQUIRE(lines.size() == 6U, shown.out);
  BOOST_TEST(columns_of(lines[3])[0] == "node-3");
  BOOST_TEST(columns_of(lines[3])[1] == "unreachable");
  // the partitions of node-3 are still shown
  BOOST_TEST(columns_of(lines[3])[2] != "-");
  BOOST_TEST(columns_of(lines[3])[3] == "-");
  BOOST_TEST(
    lines[5].starts_with("node-3 is unreachable: Node \"node-3\" cannot be "
                         "reached"),
    shown.out);
}

// Without --partial the command fails: an incomplete list must not look like a
// complete one.
BOOST_AUTO_TEST_CASE(partial_list_names_the_missing_partitions) {
  perdura(0, {"list", "--partial"});
  BOOST_TEST(perdura(0, {"list", "--partial"}).err.empty());
  BOOST_TEST(perdura(0, {"count", "--partial"}).err.empty());
  stop_and_wait(2);
  for (const char* verb : {"list", "count"}) {
    const outcome refused = perdura(0, {verb});
    BOOST_TEST(refused.code == 4);
    BOOST_TEST(refused.err_contains("\"node-3\""), refused.err);
    const outcome partial = perdura(0, {verb, "--partial"});
    BOOST_TEST(partial.code == 0);
    BOOST_TEST(lines_of(partial.err).size() == 1U, partial.err);
    BOOST_TEST(partial.err_contains("these partitions are missing: "),
               partial.err);
  }
  const outcome listed = perdura(0, {"list", "--partial", "-o", "json"});
  BOOST_TEST(json::parse(listed.out).size() == 2U);
  BOOST_TEST(perdura(0, {"count", "--partial"}).out
             == "Running  2\nTotal    2\n");
  const json counted
    = json::parse(perdura(0, {"count", "--partial", "-o", "json"}).out);
  BOOST_TEST(counted.at("missingPartitions").size() == 3U);
  BOOST_TEST(perdura(0, {"list", "--partial", "--stuck"}).code == 2);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cli_cluster_differences)

BOOST_AUTO_TEST_CASE(functions_missing_on_a_node_are_named) {
  cluster_options options;
  options.nodes = 2;
  options.add_functions = [](std::size_t i, actors::registry& functions) {
    if (i == 0)
      functions.add_activity("Charge", [] { return 1; });
  };
  const cluster_fixture cluster(options);
  const outcome shown = cluster.perdura(1, {"cluster", "status"});
  BOOST_TEST(shown.code == 0);
  BOOST_TEST(shown.out_contains(
               "\nCharge is not registered on every node; it is missing on "
               "node-2.\n"),
             shown.out);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(signal_watch)

BOOST_AUTO_TEST_CASE(wake_ends_the_wait_for_a_signal) {
  client::signal_watch watch;
  BOOST_TEST(!watch.wait_for(std::chrono::milliseconds(0)));
  BOOST_TEST(watch.reason().empty());
  std::thread other([&] { watch.request_stop("It is enough."); });
  watch.wait();
  other.join();
  watch.request_stop("Another one.");
  BOOST_TEST(watch.reason() == "It is enough.");
  BOOST_TEST(watch.stop_requested());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
