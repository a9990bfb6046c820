// What the door and the node count, as Prometheus reads it, and the audit log.
#include "client/http/door_metrics.hpp"
#include "persistence/process/logging.hpp"
#include "tests/client/door_fixture.hpp"

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

/// "name{labels}" and its value.
using samples = std::map<std::string, double>;

/// Throws what is not in Prometheus' text format.
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

struct metrics_fixture : door_fixture {
  samples page() {
    const http_answer answer = ask_site("GET", "/metrics");
    BOOST_TEST(answer.status == 200);
    BOOST_TEST(answer.header("content-type").starts_with("text/plain;"));
    return parse_page(answer.body);
  }
};

/// The lines of the audit file since the last call. One file for all cases:
/// the logger is the process's.
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

BOOST_FIXTURE_TEST_SUITE(the_metrics_page, metrics_fixture)

BOOST_AUTO_TEST_CASE(it_counts_what_happened) {
  start("HelloSequence", "a");
  ended("a");
  start("Fails", "b");
  ended("b");
  start("Approval", "c");
  ask("POST", "/instances/c/terminate");
  ended("c");
  start("Approval", "d");
  ask("GET", "/instances/nope");
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

BOOST_AUTO_TEST_CASE(its_histograms_add_up) {
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

// Who measures a node from outside reads its cost there.
BOOST_AUTO_TEST_CASE(it_says_what_the_process_takes) {
  const samples before = page();
  BOOST_TEST(before.at("process_cpu_seconds_total") > 0);
  BOOST_TEST(before.at("process_resident_memory_bytes") > 1 << 20);
  BOOST_TEST(page().at("process_cpu_seconds_total")
             > before.at("process_cpu_seconds_total"));
}

BOOST_AUTO_TEST_CASE(it_counts_what_never_became_a_request) {
  http_caller rude(host->http_port());
  rude.send("nonsense\r\n\r\n");
  BOOST_TEST(rude.receive().status == 400);
  BOOST_TEST(
    page().at("perdura_http_requests_total{route=\"unknown\",status=\"400\"}")
    == 1);
}

BOOST_AUTO_TEST_CASE(those_who_wait_are_shown) {
  start("Approval", "a");
  http_caller waiting(host->http_port());
  waiting.send("GET " + std::string(webhook)
               + "/instances/a?waitSeconds=20 HTTP/1.1\r\n"
                 "Host: localhost\r\n\r\n");
  while (page().at("perdura_http_waits") == 0)
    continue;
  ask("POST", "/instances/a/raiseEvent/Approval", "1", as_json);
  BOOST_TEST(waiting.receive().status == 200);
  BOOST_TEST(page().at("perdura_http_waits") == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(the_audit_log, door_fixture)

BOOST_AUTO_TEST_CASE(each_operation_is_one_line) {
  audit_lines log;
  ask("POST", "/orchestrators/Approval/a");
  ask("GET", "/instances/a");
  ask("POST", "/instances/a/raiseEvent/Go", "1", as_json);
  ask("POST", "/instances/a/raiseEvent/Go%0Afake", "1", as_json);
  ask("POST", "/instances/a/terminate?reason=enough&code=secret");
  ended("a");
  ask("DELETE", "/instances?createdTimeFrom=2020-01-01");
  ask("DELETE", "/instances/a");
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

BOOST_AUTO_TEST_CASE(what_was_started_is_named) {
  audit_lines log;
  const auto id = ask("POST", "/orchestrators/Echo").json().at("id");
  ended(id.get<std::string>());
  ask_site("POST", "/orchestrators",
           R"([{"FunctionName":"Echo","InstanceId":"x"},)"
           R"({"FunctionName":"Echo","InstanceId":"y"}])");
  const auto lines = log.next();
  BOOST_REQUIRE(lines.size() == 2U);
  BOOST_TEST(lines[0].find("instance=" + id.dump()) != std::string::npos);
  BOOST_TEST(
    lines[1].starts_with(R"(start_bindings instance="x" instance="y" by=)"));
}

// Some readers of logs take U+2028 for the end of a line.
BOOST_AUTO_TEST_CASE(no_character_begins_another_line) {
  audit_lines log;
  ask("POST", "/instances/a%E2%80%A8b%C2%9Bc/terminate");
  const auto lines = log.next();
  BOOST_REQUIRE(lines.size() == 1U);
  BOOST_TEST(lines[0].find("a\\xe2\\x80\\xa8b\\xc2\\x9bc") != std::string::npos,
             lines[0]);
}

BOOST_AUTO_TEST_CASE(its_file_is_for_its_owner_alone) {
  const audit_lines log;
  BOOST_TEST((std::filesystem::status(log.path()).permissions()
              == std::filesystem::perms(0600)));
  BOOST_TEST(!persistence::open_audit_file("/no/such/folder/audit.log"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
