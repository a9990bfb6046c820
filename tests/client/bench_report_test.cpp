// SPDX-License-Identifier: Apache-2.0
// Reports of `perdura bench`, their comparison and their plot.
#include "client/load/bench_comparison.hpp"
#include "client/load/bench_plot.hpp"
#include "client/load/bench_report.hpp"
#include "client/load/latencies.hpp"
#include "client/load/machine_facts.hpp"
#include "client/load/node_reading.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace perdura::client;

namespace {

/// A report with one result. The arguments are its CPU time and its numbers of
/// commits; all other figures are fixed.
bench_report report_with(double cpu_us, double commits, double views = 0.01) {
  bench_report report;
  report.taken_at = "2026-01-02T03:04:05Z";
  report.build = {{"version", "0.1.0"}, {"commit", "abc"}};
  report.machine = {{"cpu", "one \"of\" them"}};
  report.setup = {{"nodes", "1"}};
  bench_result& hello = report.results.emplace_back();
  hello.scenario = "hello";
  hello.load = "16 in flight";
  hello.unit = "orchestration";
  hello.rounds = {{{"rate_per_s", 1000},
                   {"p50_ms", 4},
                   {"p99_ms", 9},
                   {"cpu_us", cpu_us},
                   {"journal_commits", commits},
                   {"views_commits", views},
                   {"failures", 0}}};
  hello.figures = median_of_rounds(hello.rounds);
  return report;
}

bool has_sentence(const bench_comparison& comparison, const std::string& text) {
  for (const std::string& each : to_sentences(comparison))
    if (each.find(text) != std::string::npos)
      return true;
  return false;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos;
       at = text.find(part, at + 1))
    ++found;
  return found;
}

} // namespace

BOOST_AUTO_TEST_SUITE(bench_reports)

BOOST_AUTO_TEST_CASE(percentile_is_one_of_the_values) {
  latencies times;
  BOOST_TEST(times.percentile(0.5) == 0);
  for (std::uint32_t i = 100; i > 0; --i)
    times.values_us.push_back(i);
  BOOST_TEST(times.percentile(0.5) == 50);
  BOOST_TEST(times.percentile(0.99) == 99);
  BOOST_TEST(times.percentile(0) == 1);
  BOOST_TEST(times.max() == 100);
}

BOOST_AUTO_TEST_CASE(median_of_no_values_is_0) {
  BOOST_TEST(median({}) == 0);
  BOOST_TEST(median({3, 1, 2}) == 2);
  BOOST_TEST(median({4, 1, 2, 3}) == 2.5);
}

// The failures of all rounds are added up. A figure that is a maximum gets the
// largest value of the rounds. Every other figure is the median of the rounds.
BOOST_AUTO_TEST_CASE(failures_are_added_up_and_maxima_are_kept) {
  const bench_figures middle
    = median_of_rounds({{{"cpu_us", 10}, {"max_ms", 1}, {"failures", 2}},
                        {{"cpu_us", 30}, {"max_ms", 9}, {"failures", 0}},
                        {{"cpu_us", 20}, {"max_ms", 2}, {"failures", 1}}});
  BOOST_TEST(*find_figure(middle, "cpu_us") == 20);
  BOOST_TEST(*find_figure(middle, "max_ms") == 9);
  BOOST_TEST(*find_figure(middle, "failures") == 3);
  BOOST_TEST(find_figure(middle, "nope") == nullptr);
}

BOOST_AUTO_TEST_CASE(report_is_unchanged_after_writing_and_reading) {
  bench_report report = report_with(350.5, 0.25);
  report.results.push_back(report.results.front());
  report.results.back().load = "2000 /s";
  report.results.back().rate_asked = 2000;
  const auto read = parse_report(to_json(report));
  BOOST_REQUIRE(read);
  BOOST_TEST((*read == report));
}

BOOST_AUTO_TEST_CASE(invalid_report_is_refused) {
  for (const char* text : {"", "[]", "{", "{}", R"({"perdura_bench":2})",
                           R"({"perdura_bench":1,"taken_at":5})"})
    BOOST_TEST(!parse_report(text), text);
}

BOOST_AUTO_TEST_CASE(results_with_the_same_figures_share_a_table) {
  bench_report report = report_with(350, 0.25);
  report.results.push_back(report.results.front());
  bench_result& other = report.results.emplace_back();
  other.scenario = "codec";
  other.unit = "turn";
  other.figures = {{"ns", 417}, {"resident_mib", 3}};
  const auto tables = to_tables(report.results);
  BOOST_REQUIRE(tables.size() == 2U);
  BOOST_TEST(tables[0].size() == 3U);
  BOOST_TEST(tables[0][0][4] == "P50 MS");
  BOOST_TEST(tables[0][1][0] == "hello");
  BOOST_TEST(tables[1][1]
               == (std::vector<std::string>{"codec", "", "turn", "417"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(figures_are_rounded_to_significant_digits) {
  BOOST_TEST(figure_text(0) == "0");
  BOOST_TEST(figure_text(12345.678) == "12346");
  BOOST_TEST(figure_text(123.456) == "123.5");
  BOOST_TEST(figure_text(4.5678) == "4.57");
  BOOST_TEST(figure_text(0.01234) == "0.0123");
}

// --- the comparison ---------------------------------------------------------

BOOST_AUTO_TEST_CASE(change_within_the_tolerance_is_not_worse) {
  const auto found = compare(report_with(350, 0.5), report_with(395, 0.52));
  BOOST_TEST(found.figures.size() == 3U);
  BOOST_TEST(found.worse() == 0U);
  BOOST_TEST(has_sentence(found, "3 figures were compared, 0 got worse."));
}

BOOST_AUTO_TEST_CASE(more_cpu_is_worse) {
  const auto found = compare(report_with(350, 0.5), report_with(420, 0.5));
  BOOST_TEST(found.worse() == 1U);
  BOOST_TEST(has_sentence(found,
                          "hello, 16 in flight: CPU went from 350 to 420 "
                          "(+20.0 %, allowed: 15 %)."));
}

BOOST_AUTO_TEST_CASE(more_commits_are_worse) {
  const auto found = compare(report_with(350, 4), report_with(350, 5));
  BOOST_TEST(found.worse() == 1U);
  BOOST_TEST(has_sentence(found, "journal commits went from 4 to 5"));
}

// An increase of up to 0.02 commits does not count as worse, because the number
// of commits depends on the size of the batches.
BOOST_AUTO_TEST_CASE(large_relative_change_of_a_tiny_figure_is_not_worse) {
  BOOST_TEST(
    compare(report_with(350, 4, 0.001), report_with(350, 4, 0.01)).worse()
    == 0U);
  BOOST_TEST(
    compare(report_with(350, 4, 0.001), report_with(350, 4, 0.1)).worse()
    == 1U);
}

// Rates and latencies vary too much between runs on a busy machine.
BOOST_AUTO_TEST_CASE(rates_and_latencies_are_not_compared) {
  bench_report slow = report_with(350, 4);
  for (bench_figure& each : slow.results[0].figures)
    if (each.name == "p99_ms" || each.name == "rate_per_s")
      each.value *= 10;
  BOOST_TEST(compare(report_with(350, 4), slow).worse() == 0U);
}

// A result can be missing because the two runs measured different loads.
BOOST_AUTO_TEST_CASE(missing_result_is_reported_and_is_not_worse) {
  bench_report before = report_with(350, 4);
  bench_report after = before;
  after.results[0].load = "128 in flight";
  const auto found = compare(before, after);
  BOOST_TEST(found.worse() == 0U);
  BOOST_TEST(found.figures.empty());
  BOOST_TEST(
    has_sentence(found, "hello, 16 in flight: not measured this time."));
  BOOST_REQUIRE(found.only_after.size() == 1U);
}

// --- the plot ---------------------------------------------------------------

BOOST_AUTO_TEST_CASE(plot_has_a_panel_for_each_scenario) {
  bench_report report = report_with(350, 4);
  for (const double rate : {2000.0, 1000.0}) {
    bench_result one = report.results.front();
    one.rate_asked = rate;
    report.results.push_back(one);
    one.scenario = "a<b";
    report.results.push_back(one);
  }
  const std::string svg = to_svg(report);
  BOOST_TEST(svg.starts_with("<svg xmlns="));
  BOOST_TEST(svg.ends_with("</svg>\n"));
  BOOST_TEST(count_of(svg, "latency over rate") == 2U);
  BOOST_TEST(svg.find("a&lt;b: latency") != svg.npos);
  // Each of the two panels shows p50 and p99 for two rates. Closed loops are
  // left out.
  BOOST_TEST(count_of(svg, "<circle") == 8U);
  BOOST_TEST(svg.find("p99 9 ms at 1000 /s") < svg.find("p99 9 ms at 2000 /s"));
  BOOST_TEST(svg.find("nan") == svg.npos);
}

BOOST_AUTO_TEST_CASE(closed_loops_alone_are_drawn_at_their_reached_rate) {
  const std::string svg = to_svg(report_with(350, 4));
  BOOST_TEST(svg.find("p50 4 ms at 1000 /s") != svg.npos);
  BOOST_TEST(to_svg({}).ends_with("</svg>\n"));
}

// --- the inputs ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(cost_of_a_load_is_the_difference_of_two_readings) {
  const std::string page = "# HELP process_cpu_seconds_total CPU time.\n"
                           "process_cpu_seconds_total 12.5\n"
                           "x_process_cpu_seconds_total 99\n"
                           "process_resident_memory_bytes 2.5e+07\n"
                           "perdura_journal_commits_total 40\n"
                           "perdura_journal_turns_total 90\n";
  const node_reading now = parse_metrics(page);
  BOOST_TEST(now.cpu_seconds == 12.5);
  BOOST_TEST(now.resident_bytes == 25e6);
  BOOST_TEST(now.views_commits == 0);
  node_reading before;
  before.cpu_seconds = 12;
  before.journal_commits = 30;
  const node_reading spent = now - before;
  BOOST_TEST(spent.cpu_seconds == 0.5);
  BOOST_TEST(spent.journal_commits == 10);
  BOOST_TEST(spent.resident_bytes == 25e6);
}

BOOST_AUTO_TEST_CASE(file_system_is_that_of_the_longest_mount_point) {
  const std::string mounts = "1 0 8:1 / / rw,relatime - ext4 /dev/a rw\n"
                             "2 1 0:5 / /dev/shm rw shared:3 - tmpfs tmpfs rw\n"
                             "3 1 8:2 / /data rw - xfs /dev/b rw\n";
  BOOST_TEST(file_system_of(mounts, "/dev/shm/x") == "tmpfs");
  BOOST_TEST(file_system_of(mounts, "/data") == "xfs");
  BOOST_TEST(file_system_of(mounts, "/database/x") == "ext4");
  BOOST_TEST(file_system_of("", "/x").empty());
}

BOOST_AUTO_TEST_SUITE_END()
