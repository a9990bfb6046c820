/// Has it become dearer? Compares two reports by what does not depend on how
/// busy the machine was: CPU, instructions and commits for each unit, bytes.
/// Rates and latencies are shown by a report, and judged by nobody.
#pragma once

#include "client/load/bench_report.hpp"

#include <string>
#include <vector>

namespace perdura::client {

struct figure_comparison {
  std::string scenario;
  std::string load;
  std::string figure;
  double before = 0;
  double after = 0;
  double tolerance = 0; ///< 0.15: up to 15 % more is no finding.
  bool is_worse = false;

  /// 0.2: 20 % more.
  double change() const;
};

struct bench_comparison {
  std::vector<figure_comparison> figures;
  /// "hello, 16 in flight": in one of the two alone.
  std::vector<std::string> only_before;
  std::vector<std::string> only_after;

  std::size_t worse() const;
};

/// Results are matched by scenario and load.
bench_comparison compare(const bench_report& before, const bench_report& after);

/// With a head; a row for each figure.
bench_table to_table(const bench_comparison& comparison);

/// What got worse, a sentence each; then how many figures were compared.
std::vector<std::string> to_sentences(const bench_comparison& comparison);

} // namespace perdura::client
