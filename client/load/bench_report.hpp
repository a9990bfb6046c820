/// What a measurement has found, as a table for people and as JSON for the
/// next comparison.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perdura::client {

/// E.g. {"p99_ms", 2.5}. The unit stands in the name; "each" is one `unit`
/// of the result.
///   rate_per_s                 so many of them a second
///   p50_ms, p90_ms, p99_ms, max_ms
///   cpu_us, instructions       of the nodes, each
///   journal_commits, views_commits   each
///   turns_per_commit           how many turns shared a journal commit
///   probe_commit_us            one commit alone on this disk, beside the load
///   load_cpu_us                of who asks, each
///   resident_mib               of the nodes, at the end
///   failures                   summed up, not a median
struct bench_figure {
  std::string name;
  double value = 0;

  bool operator==(const bench_figure&) const = default;
};

using bench_figures = std::vector<bench_figure>;

/// Null if there is none of that name.
const double* find_figure(const bench_figures& figures, std::string_view name);

struct bench_result {
  std::string scenario;  ///< E.g. "hello".
  std::string load;      ///< E.g. "16 in flight", "2000 /s".
  double rate_asked = 0; ///< Of an open loop; else 0.
  std::string unit;      ///< What is counted: "orchestration", "activity", …
  bench_figures figures; ///< Medians of the rounds.
  std::vector<bench_figures> rounds;

  bool operator==(const bench_result&) const = default;
};

struct bench_report {
  using facts = std::vector<std::pair<std::string, std::string>>;

  std::string taken_at; ///< ISO 8601.
  facts build;
  facts machine;
  facts setup; ///< How it was asked: nodes, seconds, rounds, …
  std::vector<bench_result> results;

  bool operator==(const bench_report&) const = default;
};

/// Of each figure the median; failures are summed up, and the slowest answer
/// is the slowest of all.
bench_figures middle_of(const std::vector<bench_figures>& rounds);

/// Indented, ends with a new line.
std::string to_json(const bench_report& report);

/// What `to_json` has written.
/// @error errc::invalid_argument  It is something else.
persistence::result<bench_report> parse_report(std::string_view json);

/// A table: first the head, then a row for each result. Results that follow
/// each other and show the same figures share one.
using bench_table = std::vector<std::vector<std::string>>;
std::vector<bench_table> to_tables(const std::vector<bench_result>& results);

/// With as many digits as say something.
std::string figure_text(double value);

} // namespace perdura::client
