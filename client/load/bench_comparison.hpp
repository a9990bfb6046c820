// SPDX-License-Identifier: Apache-2.0
/// Compares two benchmark reports to find regressions. The compared figures are
/// CPU time, instructions, commits and bytes per unit, which depend little on
/// other programs that ran during the measurement. Rates and latencies depend
/// on those programs, so they are not compared.
#pragma once

#include "client/load/bench_report.hpp"

#include <string>
#include <vector>

namespace perdura::client {

/// One figure of one result in both reports.
struct figure_comparison {
  std::string scenario;
  std::string load;
  std::string figure;
  double before = 0;
  double after = 0;
  double tolerance = 0; ///< 0.15 means that 15 % more is still accepted.
  bool is_worse = false;

  /// The relative change: 0.2 means 20 % more. If `before` is 0, the change is
  /// 0 if `after` is also 0, and 1 otherwise.
  double change() const;
};

/// The result of a comparison.
struct bench_comparison {
  std::vector<figure_comparison> figures;
  /// Results that only one of the reports has, e.g. "hello, 16 in flight".
  std::vector<std::string> only_before;
  std::vector<std::string> only_after;

  /// The number of figures that got worse.
  std::size_t worse() const;
};

/// Compares the results that have the same scenario and the same load.
bench_comparison compare(const bench_report& before, const bench_report& after);

/// A table with column titles and a row for each figure.
bench_table to_table(const bench_comparison& comparison);

/// One sentence for each figure that got worse and for each result that is
/// missing in `after`; the last sentence counts the compared figures.
std::vector<std::string> to_sentences(const bench_comparison& comparison);

} // namespace perdura::client
