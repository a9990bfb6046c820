// SPDX-License-Identifier: Apache-2.0
// `perdura bench` against a running node, and the load generator.
#include "client/load/bench_report.hpp"
#include "client/load/event_load.hpp"
#include "client/load/http_load.hpp"
#include "tests/client/cli_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace perdura::client;
using namespace perdura::tests;
using nlohmann::json;

namespace {

struct bench_fixture : cli_fixture {
  /// Runs a measurement that is too short for meaningful figures.
  outcome bench(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "bench");
    arguments.insert(arguments.end(),
                     {"--seconds", "0.1", "--rounds", "1", "--warm-up", "0"});
    return perdura(std::move(arguments));
  }

  std::string file(const char* name) const {
    return directory.path() / name;
  }

  static std::string text_of(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

http_load::check_response is_200() {
  return
    [](std::size_t, int status, std::string_view) { return status == 200; };
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(cli_bench, bench_fixture)

BOOST_AUTO_TEST_CASE(each_scenario_runs_and_reports_its_figures) {
  const outcome ran
    = bench({"hello", "hello-5", "empty", "fan-out", "sub", "event", "timer",
             "sequence-10", "status", "--in-flight", "2", "-o", "json"});
  BOOST_TEST(ran.code == 0, ran.err);
  const json report = json::parse(ran.out);
  BOOST_TEST(report["results"].size() == 9U);
  for (const json& each : report["results"]) {
    const json& figures = each["figures"];
    BOOST_TEST(figures["failures"] == 0, each);
    BOOST_TEST(figures["rate_per_s"] > 0, each);
    BOOST_TEST(figures["cpu_us"] > 0, each);
    BOOST_TEST(figures["p50_ms"] <= figures["p99_ms"], each);
    if (each["scenario"] != "status")
      BOOST_TEST(figures["journal_commits"] > 0, each);
  }
  for (const char* fact : {"version", "commit", "compiler", "build_type"})
    BOOST_TEST(report["build"].contains(fact), fact);
  for (const char* fact : {"cpu", "cores", "kernel"})
    BOOST_TEST(report["machine"].contains(fact), fact);
}

BOOST_AUTO_TEST_CASE(default_output_is_a_table) {
  const outcome ran = bench({"--in-flight", "1,2"});
  BOOST_TEST(ran.code == 0);
  for (const char* text :
       {"SCENARIO", "RATE/S", "CPU US", "COMMITS", "VIEWS", "TURNS/COMMIT",
        "hello     1 in flight", "hello     2 in flight", "compiler: "})
    BOOST_TEST(ran.out_contains(text), text);
}

// With --data-dir the command also measures a single commit in that directory.
// Its files are removed afterwards.
BOOST_AUTO_TEST_CASE(single_commit_is_measured_beside_the_load) {
  const outcome ran = bench({"empty", "--data-dir", directory.path().string()});
  BOOST_TEST(ran.out_contains("PROBE COMMIT US"));
  BOOST_TEST(ran.out_contains("file_system: "));
  for (const auto& each : std::filesystem::directory_iterator(directory.path()))
    BOOST_TEST(each.path().filename() == "hub");
}

BOOST_AUTO_TEST_CASE(open_loop_keeps_the_configured_rate) {
  const outcome ran = bench({"empty", "--rate", "100", "--json",
                             file("result.json"), "--svg", file("plot.svg")});
  BOOST_TEST(ran.code == 0);
  const auto report = parse_report(text_of(file("result.json")));
  BOOST_REQUIRE(report);
  BOOST_REQUIRE(report->results.size() == 1U);
  BOOST_TEST(report->results[0].load == "100 /s");
  BOOST_TEST(*find_figure(report->results[0].figures, "rate_per_s") < 150);
  BOOST_TEST(text_of(file("plot.svg")).find("p99") != std::string::npos);
}

// The stored report has half the CPU time of the new run, so the new run counts
// as a regression.
BOOST_AUTO_TEST_CASE(regression_is_exit_code_1) {
  BOOST_TEST(bench({"empty", "--json", file("now.json")}).code == 0);
  const auto now = parse_report(text_of(file("now.json")));
  BOOST_REQUIRE(now);
  bench_report cheaper = *now;
  for (bench_figure& each : cheaper.results[0].figures)
    if (each.name == "cpu_us")
      each.value /= 2;
  std::ofstream(file("before.json")) << to_json(cheaper);
  const outcome worse = run_perdura(
    {"bench", "--from", file("now.json"), "--compare", file("before.json")});
  BOOST_TEST(worse.code == 1);
  BOOST_TEST(worse.out_contains("WORSE"));
  BOOST_TEST(worse.out_contains("empty, 128 in flight: CPU went from "));
  const outcome same = run_perdura(
    {"bench", "--from", file("now.json"), "--compare", file("now.json")});
  BOOST_TEST(same.code == 0);
  BOOST_TEST(same.out_contains("3 figures were compared, 0 got worse."));
}

BOOST_AUTO_TEST_CASE(invalid_arguments_are_refused) {
  BOOST_TEST(run_perdura({"bench", "nope"}).code == 2);
  BOOST_TEST(bench({"event", "--rate", "5"}).code == 2);
  BOOST_TEST(run_perdura({"bench", "--url", "https://127.0.0.1:1"}).code == 2);
  BOOST_TEST(run_perdura({"bench", "--url", "http://127.0.0.1:1"}).code == 4);
  BOOST_TEST(run_perdura({"bench", "--from", file("nope.json")}).code == 2);
  std::ofstream(file("odd.json")) << "{}";
  const outcome odd = run_perdura({"bench", "--from", file("odd.json")});
  BOOST_TEST(odd.code == 2);
  BOOST_TEST(odd.err_contains("is not a report"));
}

// The option --url is accepted before and after the scenario.
BOOST_AUTO_TEST_CASE(options_may_precede_the_scenario) {
  const outcome ran
    = run_perdura({"--url", host->url(), "bench", "--in-flight", "1,2", "empty",
                   "--url", host->url(), "timer", "--seconds", "0.1",
                   "--rounds", "1", "--warm-up", "0", "-o", "json"});
  BOOST_TEST(ran.code == 0, ran.err);
  const json report = json::parse(ran.out);
  BOOST_TEST(report["setup"]["nodes"] == "1 already running");
  BOOST_TEST(report["results"].size() == 4U);
  const outcome before
    = run_perdura({"--url", host->url(), "bench", "empty", "--seconds", "0.1",
                   "--rounds", "1", "--warm-up", "0"});
  BOOST_TEST(before.out_contains("nodes: 1 already running"));
}

// --- the load itself --------------------------------------------------------

BOOST_AUTO_TEST_CASE(connection_sends_requests_until_there_are_no_more) {
  http_load load(host->http_port(), 3);
  const std::string text = request_text("GET", "/healthz");
  int left = 10;
  const load_outcome out = load.run(
    std::chrono::minutes(1),
    [&](std::size_t) {
      return left-- > 0 ? std::string_view(text) : std::string_view();
    },
    is_200());
  BOOST_TEST(out.responses == 10U);
  BOOST_TEST(out.failures == 0U);
  BOOST_TEST(out.times.values_us.size() == 10U);
}

BOOST_AUTO_TEST_CASE(answer_may_arrive_in_many_parts) {
  http_load load(host->http_port(), 2);
  const std::string payload = '"' + std::string(500'000, 'x') + '"';
  const std::string text
    = request_text("POST", "/orchestrators/Echo/wait?timeout=30", payload);
  load.send_all([&](std::size_t) { return std::string_view(text); });
  const load_outcome out
    = load.collect([&](std::size_t, int status, std::string_view body) {
        return status == 200 && body == payload;
      });
  BOOST_TEST(out.responses == 2U);
  BOOST_TEST(out.failures == 0U);
}

BOOST_AUTO_TEST_CASE(unexpected_answer_is_a_failure) {
  http_load load(host->http_port(), 1);
  const std::string text = request_text("GET", "/nope");
  load.send_all([&](std::size_t) { return std::string_view(text); });
  const load_outcome out = load.collect(is_200());
  BOOST_TEST(out.responses == 1U);
  BOOST_TEST(out.failures == 1U);
}

// Fifty requests of 50 ms each are due within 500 ms. There are only two
// connections, so most requests are sent late. A busy machine makes them even
// later.
BOOST_AUTO_TEST_CASE(latency_is_measured_from_the_due_time) {
  http_load load(host->http_port(), 2);
  const std::string text
    = request_text("POST", "/orchestrators/Sleep/wait?timeout=60", "50");
  const load_outcome out = load.run_open_loop(
    100, std::chrono::milliseconds(500),
    [&](std::size_t) { return std::string_view(text); }, is_200());
  BOOST_TEST(out.responses + out.failures == 50U);
  // Requests that are not sent within a second, twice the duration of the loop,
  // count as failures. Two connections send at most 40 requests in this time.
  BOOST_TEST(out.failures >= 10U);
  latencies times = out.times;
  BOOST_TEST(times.max() > 100'000); // Twice the time of one request.
}

// The orchestration waits for an event that is never raised. Without the tick
// function the request would last until its time-out, and would then have a
// response.
BOOST_AUTO_TEST_CASE(tick_can_stop_a_load) {
  http_load load(host->http_port(), 1);
  const std::string text
    = request_text("POST", "/orchestrators/Approval/wait?timeout=60");
  load.on_tick([] { return false; });
  load.send_all([&](std::size_t) { return std::string_view(text); });
  const load_outcome out = load.collect(is_200());
  BOOST_TEST(out.failures == 1U);
  BOOST_TEST(out.responses == 0U);
}

BOOST_AUTO_TEST_CASE(waits_are_answered_when_the_event_is_raised) {
  event_load load({{.port = host->http_port()}}, 3, "mine-");
  const load_outcome out = load.run(std::chrono::milliseconds(50));
  BOOST_TEST(out.failures == 0U);
  BOOST_TEST(out.responses >= 3U);
  BOOST_TEST(ended("mine-1")["runtimeStatus"] == "Completed");
}

BOOST_AUTO_TEST_SUITE_END()
