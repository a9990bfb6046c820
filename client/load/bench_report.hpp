// SPDX-License-Identifier: Apache-2.0
/// The results of a benchmark run, shown as a table and stored as JSON. A
/// stored report can be compared with a later one; see bench_comparison.hpp.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perdura::client {

/// One measured value, e.g. {"p99_ms", 2.5}. A name such as p99_ms ends
/// with the unit of the value. Several benchmarks use the names below. "Per
/// unit" means per `bench_result::unit`, e.g. per orchestration or per
/// activity.
///   rate_per_s          units per second
///   p50_ms, p90_ms, p99_ms, max_ms   latency
///   cpu_us, cpu_ns      CPU time of the nodes per unit
///   instructions        instructions of the nodes per unit
///   journal_commits, views_commits   commits per unit
///   turns_per_commit    turns that shared one journal commit
///   probe_commit_us     time of one commit without other load on the disk,
///                       measured before and after each round
///   load_cpu_us         CPU time of the load generator per unit
///   resident_mib        memory of the nodes at the end
///   failures            failed requests of all rounds together
struct bench_figure {
  std::string name;
  double value = 0;

  bool operator==(const bench_figure&) const = default;
};

using bench_figures = std::vector<bench_figure>;

/// Returns null if there is no figure of that name.
const double* find_figure(const bench_figures& figures, std::string_view name);

/// The figures of one scenario under one load.
struct bench_result {
  std::string scenario;  ///< E.g. "hello".
  std::string load;      ///< E.g. "16 in flight", "2000 /s".
  double rate_asked = 0; ///< Requests per second of an open loop; else 0.
  std::string unit;      ///< See bench_figure; e.g. "activity".
  bench_figures figures; ///< Medians of the rounds; see median_of_rounds.
  std::vector<bench_figures> rounds;

  bool operator==(const bench_result&) const = default;
};

/// All results of a run, with the facts that are needed to compare them.
struct bench_report {
  using facts = std::vector<std::pair<std::string, std::string>>;

  std::string taken_at; ///< When the report was created (ISO 8601).
  facts build;
  facts machine;
  facts setup; ///< The settings of the run: nodes, seconds, rounds, …
  std::vector<bench_result> results;

  bool operator==(const bench_report&) const = default;
};

/// Returns the median of each figure over the rounds, with two exceptions:
/// `failures` is the sum, and `max_ms` is the maximum.
bench_figures median_of_rounds(const std::vector<bench_figures>& rounds);

/// The report as indented JSON with a line end.
std::string to_json(const bench_report& report);

/// Reads a report that `to_json` has written.
/// @error errc::invalid_argument  The text is not such a report.
persistence::result<bench_report> parse_report(std::string_view json);

/// A table: first the column titles, then a row for each result.
using bench_table = std::vector<std::vector<std::string>>;
/// Consecutive results with the same figures are rows of one table.
std::vector<bench_table> to_tables(const std::vector<bench_result>& results);

/// The value as text: without decimals from 1,000 on, with one decimal from 100
/// on, with two from 0.1 on, and with four below 0.1.
std::string figure_text(double value);

} // namespace perdura::client
