// SPDX-License-Identifier: Apache-2.0
// The page /metrics in the format of Prometheus, and the audit log.
#include "client/http/http_metrics.hpp"
#include "persistence/process/logging.hpp"
#include "tests/client/http_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

namespace {

/// Maps "name{labels}" to the value.
using samples = std::map<std::string, double>;

/// Parses the text format of Prometheus.
/// @throws std::runtime_error  A line is invalid, or a sample is there twice.
samples parse_page(const std::string& text) {
  static const std::regex sample(
    R"re(([a-z_]+(\{([a-z_]+="[^"\\]*",?)+\})?) ([-+]?(Inf|[0-9.e+-]+)))re");
  static const std::regex comment(
    R"(# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|histogram)))");
  samples found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch parts;
    if (std::regex_match(line, comment))
      continue;
    if (!std::regex_match(line, parts, sample))
      throw std::runtime_error("not a sample: " + line);
    if (!found.emplace(parts[1], std::stod(parts[4])).second)
      throw std::runtime_error("twice: " + line);
  }
  return found;
}

/// A node, and the parsed page /metrics.
struct metrics_fixture : http_fixture {
  samples page() {
    const http_answer answer = request_at_root("GET", "/metrics");
    BOOST_TEST(answer.status == 200);
    BOOST_TEST(answer.header("content-type").starts_with("text/plain;"));
    return parse_page(answer.body);
  }
};

/// Reads the audit file. All cases share one file, as the process has one
/// logger.
class audit_lines {
public:
  audit_lines() {
    static const temp_directory directory;
    path_ = directory.path() / "audit.log";
    static const bool opened
      = persistence::open_audit_file(path_).operator bool();
    BOOST_REQUIRE(opened);
    next();
  }

  /// The lines that were written since the last call.
  std::vector<std::string> next() {
    std::ifstream file(path_);
    std::vector<std::string> fresh;
    std::size_t number = 0;
    for (std::string line; std::getline(file, line); ++number)
      if (number >= seen_)
        fresh.push_back(line.substr(line.find(" audit ") + 7));
    seen_ = number;
    return fresh;
  }

  const std::filesystem::path& path() const {
    return path_;
  }

private:
  std::filesystem::path path_;
  std::size_t seen_ = 0;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(metrics_page, metrics_fixture)

// Four activities run: three of HelloSequence and one of Fails.
BOOST_AUTO_TEST_CASE(counters_match_the_operations) {
  start("HelloSequence", "a");
  ended("a");
  start("Fails", "b");
  ended("b");
  start("Approval", "c");
  request("POST", "/instances/c/terminate");
  ended("c");
  start("Approval", "d");
  request("GET", "/instances/nope");
  const samples now = page();
  BOOST_TEST(now.at("perdura_orchestrations_started_total") == 4);
  BOOST_TEST(now.at("perdura_orchestrations_ended_total{status=\"Completed\"}")
             == 1);
  BOOST_TEST(now.at("perdura_orchestrations_ended_total{status=\"Failed\"}")
             == 1);
  BOOST_TEST(now.at("perdura_orchestrations_ended_total{status=\"Terminated\"}")
             == 1);
  BOOST_TEST(now.at("perdura_instances{status=\"Running\"}") == 1);
  BOOST_TEST(now.at("perdura_instances{status=\"Completed\"}") == 1);
  BOOST_TEST(now.at("perdura_activities_total") == 4);
  BOOST_TEST(
    now.at("perdura_http_requests_total{route=\"start\",status=\"202\"}") == 4);
  BOOST_TEST(
    now.at("perdura_http_requests_total{route=\"get_instance\",status=\"404\"}")
    == 1);
  BOOST_TEST(now.at("perdura_http_request_seconds_count{route=\"start\"}")
             == 4);
  BOOST_TEST(now.at("perdura_http_connections") >= 1);
}

// HelloSequence needs four commits: one for the start and one for each result.
BOOST_AUTO_TEST_CASE(histograms_match_their_counters) {
  start("HelloSequence", "a");
  ended("a");
  const samples now = page();
  const double commits = now.at("perdura_journal_commits_total");
  BOOST_TEST(commits >= 4);
  BOOST_TEST(now.at("perdura_journal_commit_seconds_count") == commits);
  BOOST_TEST(now.at("perdura_journal_commit_seconds_bucket{le=\"+Inf\"}")
             == commits);
  BOOST_TEST(now.at("perdura_journal_commit_seconds_sum") > 0);
  BOOST_TEST(now.at("perdura_journal_commit_turns_sum")
             == now.at("perdura_journal_turns_total"));
}

// Benchmarks read the cost of a node from these metrics.
BOOST_AUTO_TEST_CASE(page_shows_cpu_time_and_memory_of_the_process) {
  const samples before = page();
  BOOST_TEST(before.at("process_cpu_seconds_total") > 0);
  BOOST_TEST(before.at("process_resident_memory_bytes") > 1 << 20);
  BOOST_TEST(page().at("process_cpu_seconds_total")
             > before.at("process_cpu_seconds_total"));
}

// The destinations with the oldest messages, summed over the partitions of the
// node.
BOOST_AUTO_TEST_CASE(outbox_is_shown_by_destination) {
  actors::outbox_figures sum;
  for (std::uint32_t source = 0; source < 3; ++source) {
    actors::outbox_figures one;
    one.messages = 400;
    one.memory_messages = 7;
    one.turns_waiting = 1;
    for (std::uint32_t to = 0; to < 200; ++to)
      one.destinations.push_back(
        {to, 2, std::chrono::seconds(to < 100 ? source : to)});
    sum += one;
  }
  cluster::node_statistics node;
  node.outbox = sum;
  const samples now
    = parse_page(client::metrics_page(client::http_metrics(), {}, node, {}));
  BOOST_TEST(now.at("perdura_outbox_messages") == 1'200);
  BOOST_TEST(now.at("perdura_outbox_memory_messages") == 21);
  BOOST_TEST(now.at("perdura_outbox_turns_waiting") == 3);
  BOOST_TEST(now.at("perdura_outbox_destination_messages{partition=\"150\"}")
             == 6);
  BOOST_TEST(
    now.at("perdura_outbox_destination_oldest_seconds{partition=\"150\"}")
    == 150);
  BOOST_TEST(
    !now.contains("perdura_outbox_destination_messages{partition=\"99\"}"));
}

BOOST_AUTO_TEST_CASE(malformed_requests_are_counted) {
  http_caller malformed(host->http_port());
  malformed.send("nonsense\r\n\r\n");
  BOOST_TEST(malformed.receive().status == 400);
  BOOST_TEST(
    page().at("perdura_http_requests_total{route=\"unknown\",status=\"400\"}")
    == 1);
}

BOOST_AUTO_TEST_CASE(pending_waits_are_shown) {
  start("Approval", "a");
  http_caller waiting(host->http_port());
  waiting.send("GET " + std::string(webhook)
               + "/instances/a?waitSeconds=20 HTTP/1.1\r\n"
                 "Host: localhost\r\n\r\n");
  while (page().at("perdura_http_waits") == 0)
    continue;
  request("POST", "/instances/a/raiseEvent/Approval", "1", json_body_header);
  BOOST_TEST(waiting.receive().status == 200);
  BOOST_TEST(page().at("perdura_http_waits") == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(audit_log, http_fixture)

// Reading an instance is not logged. A line break in a name is escaped.
BOOST_AUTO_TEST_CASE(each_operation_is_one_line) {
  audit_lines log;
  request("POST", "/orchestrators/Approval/a");
  request("GET", "/instances/a");
  request("POST", "/instances/a/raiseEvent/Go", "1", json_body_header);
  request("POST", "/instances/a/raiseEvent/Go%0Afake", "1", json_body_header);
  request("POST", "/instances/a/terminate?reason=enough&code=secret");
  ended("a");
  request("DELETE", "/instances?createdTimeFrom=2020-01-01");
  request("DELETE", "/instances/a");
  const std::vector<std::string> expected{
    R"(start function="Approval" instance="a" by="anybody" from="127.0.0.1" status=202)",
    R"(raise_event instance="a" event="Go" by="anybody" from="127.0.0.1" status=202)",
    R"(raise_event instance="a" event="Go\nfake" by="anybody" from="127.0.0.1" status=400)",
    R"(terminate instance="a" by="anybody" from="127.0.0.1" status=202)",
    R"(purge_many deleted="1" by="anybody" from="127.0.0.1" status=200)",
    R"(purge instance="a" by="anybody" from="127.0.0.1" status=404)",
  };
  const auto lines = log.next();
  BOOST_TEST(lines == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(started_instances_are_named) {
  audit_lines log;
  const auto id = request("POST", "/orchestrators/Echo").json().at("id");
  ended(id.get<std::string>());
  request_at_root("POST", "/orchestrators",
                  R"([{"FunctionName":"Echo","InstanceId":"x"},)"
                  R"({"FunctionName":"Echo","InstanceId":"y"}])");
  const auto lines = log.next();
  BOOST_REQUIRE(lines.size() == 2U);
  BOOST_TEST(lines[0].find("instance=" + id.dump()) != std::string::npos);
  BOOST_TEST(
    lines[1].starts_with(R"(start_bindings instance="x" instance="y" by=)"));
}

// Some log readers treat U+2028 as the end of a line.
BOOST_AUTO_TEST_CASE(characters_that_break_lines_are_escaped) {
  audit_lines log;
  request("POST", "/instances/a%E2%80%A8b%C2%9Bc/terminate");
  const auto lines = log.next();
  BOOST_REQUIRE(lines.size() == 1U);
  BOOST_TEST(lines[0].find("a\\xe2\\x80\\xa8b\\xc2\\x9bc") != std::string::npos,
             lines[0]);
}

// The file must be private because it contains instance IDs and function names.
BOOST_AUTO_TEST_CASE(audit_file_is_readable_by_its_owner_only) {
  const audit_lines log;
  BOOST_TEST((std::filesystem::status(log.path()).permissions()
              == std::filesystem::perms(0600)));
  BOOST_TEST(!persistence::open_audit_file("/no/such/folder/audit.log"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
