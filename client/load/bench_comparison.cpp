#include "client/load/bench_comparison.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace perdura::client {

namespace {

struct steady_figure {
  std::string_view name;
  std::string_view words; ///< In a sentence.
  double tolerance;
  /// What is less than this more is none, whatever the share.
  double slack;
};

// Medians of the same binary on one machine differ by some 10 % in CPU, which
// depends on caches and neighbours, and hardly in what is counted. How many
// commits the views take depends on time, too: hundredths of one are no news.
constexpr std::array<steady_figure, 6> steady_figures{
  {{"cpu_us", "CPU", 0.15, 1},
   {"cpu_ns", "CPU", 0.15, 1},
   {"instructions", "instructions", 0.05, 0},
   {"journal_commits", "journal commits", 0.05, 0.02},
   {"views_commits", "views commits", 0.05, 0.02},
   {"bytes", "bytes", 0.02, 0}}};

const steady_figure* find_steady(std::string_view name) {
  for (const steady_figure& each : steady_figures)
    if (each.name == name)
      return &each;
  return nullptr;
}

std::string label_of(const bench_result& result) {
  return result.load.empty() ? result.scenario
                             : result.scenario + ", " + result.load;
}

const bench_result* find_same(const bench_report& in, const bench_result& as) {
  for (const bench_result& each : in.results)
    if (each.scenario == as.scenario && each.load == as.load)
      return &each;
  return nullptr;
}

std::string percent(double share, bool with_sign) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), with_sign ? "%+.1f %%" : "%.0f %%",
                share * 100);
  return text.data();
}

void compare_result(const bench_result& before, const bench_result& after,
                    std::vector<figure_comparison>& into) {
  for (const bench_figure& each : after.figures) {
    const steady_figure* steady = find_steady(each.name);
    const double* was = find_figure(before.figures, each.name);
    if (steady == nullptr || was == nullptr)
      continue;
    into.push_back({after.scenario, after.load, each.name, *was, each.value,
                    steady->tolerance,
                    each.value > *was * (1 + steady->tolerance)
                      && each.value - *was > steady->slack});
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
    if (const bench_result* was = find_same(before, each))
      compare_result(*was, each, out.figures);
    else
      out.only_after.push_back(label_of(each));
  for (const bench_result& each : before.results)
    if (find_same(after, each) == nullptr)
      out.only_before.push_back(label_of(each));
  return out;
}

bench_table to_table(const bench_comparison& comparison) {
  bench_table rows{{"SCENARIO", "LOAD", "FIGURE", "BEFORE", "AFTER", "CHANGE",
                    "TOLERATED", ""}};
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
      out.push_back(each.scenario + (each.load.empty() ? "" : ", " + each.load)
                    + ": " + std::string(find_steady(each.figure)->words)
                    + " went from " + figure_text(each.before) + " to "
                    + figure_text(each.after) + " ("
                    + percent(each.change(), true) + ", tolerated are "
                    + percent(each.tolerance, false) + ").");
  for (const std::string& each : comparison.only_before)
    out.push_back(each + ": was not measured this time.");
  out.push_back(std::to_string(comparison.figures.size())
                + " steady figures were compared, "
                + std::to_string(comparison.worse()) + " got worse.");
  return out;
}

} // namespace perdura::client
