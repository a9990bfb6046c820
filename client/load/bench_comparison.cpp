// SPDX-License-Identifier: Apache-2.0
#include "client/load/bench_comparison.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace perdura::client {

namespace {

/// A figure that is compared, and the increase that is accepted.
struct compared_figure {
  std::string_view name;
  std::string_view text; ///< The name in a sentence.
  double tolerance;      ///< Accepted increase as a share; 0.15 is 15 %.
  double slack;          ///< Accepted increase in the figure's own unit.
};

// Between runs of the same binary on one machine, CPU time differs by about 10
// %, because it depends on caches and on other processes. Counts hardly differ.
// The figure views_commits also depends on the time that a run takes. An
// increase of journal_commits or views_commits by up to 0.02 is always
// accepted.
constexpr std::array<compared_figure, 6> compared_figures{
  {{"cpu_us", "CPU", 0.15, 1},
   {"cpu_ns", "CPU", 0.15, 1},
   {"instructions", "instructions", 0.05, 0},
   {"journal_commits", "journal commits", 0.05, 0.02},
   {"views_commits", "views commits", 0.05, 0.02},
   {"bytes", "bytes", 0.02, 0}}};

/// Null if figures of this name are not compared.
const compared_figure* find_compared_figure(std::string_view name) {
  for (const compared_figure& each : compared_figures)
    if (each.name == name)
      return &each;
  return nullptr;
}

/// The name of a result in a sentence, e.g. "hello, 16 in flight".
std::string label_of(const bench_result& result) {
  return result.load.empty() ? result.scenario
                             : result.scenario + ", " + result.load;
}

/// The result in the report `in` that has the scenario and the load of `as`;
/// null if there is none.
const bench_result* find_same(const bench_report& in, const bench_result& as) {
  for (const bench_result& each : in.results)
    if (each.scenario == as.scenario && each.load == as.load)
      return &each;
  return nullptr;
}

/// A share as text: 0.15 is "15 %", or "+15.0 %" with a sign.
std::string percent(double share, bool with_sign) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), with_sign ? "%+.1f %%" : "%.0f %%",
                share * 100);
  return text.data();
}

/// Compares the figures of one result. A figure is worse if its increase
/// exceeds both the tolerance and the slack.
void compare_result(const bench_result& before, const bench_result& after,
                    std::vector<figure_comparison>& into) {
  for (const bench_figure& each : after.figures) {
    const compared_figure* compared = find_compared_figure(each.name);
    const double* previous = find_figure(before.figures, each.name);
    if (compared == nullptr || previous == nullptr)
      continue;
    into.push_back({after.scenario, after.load, each.name, *previous,
                    each.value, compared->tolerance,
                    each.value > *previous * (1 + compared->tolerance)
                      && each.value - *previous > compared->slack});
  }
}

} // namespace

double figure_comparison::change() const {
  return before == 0 ? (after == 0 ? 0 : 1) : after / before - 1;
}

std::size_t bench_comparison::worse() const {
  return static_cast<std::size_t>(
    std::count_if(figures.begin(), figures.end(),
                  [](const figure_comparison& each) { return each.is_worse; }));
}

bench_comparison compare(const bench_report& before,
                         const bench_report& after) {
  bench_comparison out;
  for (const bench_result& each : after.results)
    if (const bench_result* previous = find_same(before, each))
      compare_result(*previous, each, out.figures);
    else
      out.only_after.push_back(label_of(each));
  for (const bench_result& each : before.results)
    if (find_same(after, each) == nullptr)
      out.only_before.push_back(label_of(each));
  return out;
}

bench_table to_table(const bench_comparison& comparison) {
  bench_table rows{
    {"SCENARIO", "LOAD", "FIGURE", "BEFORE", "AFTER", "CHANGE", "ALLOWED", ""}};
  for (const figure_comparison& each : comparison.figures)
    rows.push_back(
      {each.scenario, each.load, each.figure, figure_text(each.before),
       figure_text(each.after), percent(each.change(), true),
       percent(each.tolerance, false), each.is_worse ? "WORSE" : ""});
  return rows;
}

std::vector<std::string> to_sentences(const bench_comparison& comparison) {
  std::vector<std::string> out;
  for (const figure_comparison& each : comparison.figures)
    if (each.is_worse)
      out.push_back(
        each.scenario + (each.load.empty() ? "" : ", " + each.load) + ": "
        + std::string(find_compared_figure(each.figure)->text) + " went from "
        + figure_text(each.before) + " to " + figure_text(each.after) + " ("
        + percent(each.change(), true)
        + ", allowed: " + percent(each.tolerance, false) + ").");
  for (const std::string& each : comparison.only_before)
    out.push_back(each + ": not measured this time.");
  out.push_back(std::to_string(comparison.figures.size())
                + " figures were compared, "
                + std::to_string(comparison.worse()) + " got worse.");
  return out;
}

} // namespace perdura::client
