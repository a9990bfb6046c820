// SPDX-License-Identifier: Apache-2.0
#include "client/load/bench_report.hpp"

#include "client/load/latencies.hpp"
#include "persistence/records/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>

namespace perdura::client {

using nlohmann::ordered_json;
using persistence::errc;
using persistence::error;

namespace {

// The format number of the JSON file. It is raised when older versions of
// Perdura must not read the file.
constexpr int report_format = 1;

/// Figures that are in the JSON file, but not in the table.
constexpr std::array<std::string_view, 2> not_in_table{"load_cpu_us",
                                                       "resident_mib"};

/// Titles of columns whose title is not simply the name of the figure in
/// capitals.
constexpr std::pair<std::string_view, std::string_view> column_titles[] = {
  {"rate_per_s", "RATE/S"},
  {"cpu_us", "CPU US"},
  {"journal_commits", "COMMITS"},
  {"views_commits", "VIEWS"},
  {"turns_per_commit", "TURNS/COMMIT"},
  {"failures", "FAILED"},
};

/// The title of "p50_ms" is "P50 MS".
std::string column_title(std::string_view name) {
  for (const auto& [figure, title] : column_titles)
    if (figure == name)
      return std::string(title);
  std::string title(name);
  for (char& c : title)
    c = c == '_' ? ' ' : persistence::to_upper(c);
  return title;
}

/// True if the figure has a column in the table.
bool is_shown(const bench_figure& figure) {
  return std::find(not_in_table.begin(), not_in_table.end(), figure.name)
         == not_in_table.end();
}

/// The column titles of a table that begins with this result.
std::vector<std::string> title_row(const bench_result& result) {
  std::vector<std::string> row{"SCENARIO", "LOAD", "UNIT"};
  for (const bench_figure& each : result.figures)
    if (is_shown(each))
      row.push_back(column_title(each.name));
  return row;
}

ordered_json json_of(const bench_figures& figures) {
  ordered_json all = ordered_json::object();
  for (const bench_figure& each : figures)
    // Values have six decimals, because views_commits is often below 0.001.
    all[each.name] = std::round(each.value * 1e6) / 1e6;
  return all;
}

ordered_json json_of(const bench_report::facts& facts) {
  ordered_json all = ordered_json::object();
  for (const auto& [name, value] : facts)
    all[name] = value;
  return all;
}

/// @throws ordered_json::exception  A figure is not a number.
bench_figures figures_in(const ordered_json& from) {
  bench_figures all;
  for (const auto& [name, value] : from.items())
    all.push_back({name, value.get<double>()});
  return all;
}

/// @throws ordered_json::exception  A fact is not a string.
bench_report::facts facts_in(const ordered_json& from) {
  bench_report::facts all;
  for (const auto& [name, value] : from.items())
    all.emplace_back(name, value.get<std::string>());
  return all;
}

/// @throws ordered_json::exception  A member is missing or has another type.
bench_result result_in(const ordered_json& from) {
  bench_result found;
  found.scenario = from.at("scenario");
  found.load = from.at("load");
  found.rate_asked = from.value("rate_asked", 0.0);
  found.unit = from.at("unit");
  found.figures = figures_in(from.at("figures"));
  for (const ordered_json& each : from.at("rounds"))
    found.rounds.push_back(figures_in(each));
  return found;
}

} // namespace

const double* find_figure(const bench_figures& figures, std::string_view name) {
  for (const bench_figure& each : figures)
    if (each.name == name)
      return &each.value;
  return nullptr;
}

bench_figures median_of_rounds(const std::vector<bench_figures>& rounds) {
  bench_figures middle;
  if (rounds.empty())
    return middle;
  for (const bench_figure& each : rounds.front()) {
    std::vector<double> values;
    double sum = 0;
    for (const bench_figures& round : rounds)
      // A round can lack a figure; the median is then taken over the other
      // rounds.
      if (const double* value = find_figure(round, each.name)) {
        values.push_back(*value);
        sum += *value;
      }
    double value = median(values);
    if (each.name == "failures")
      value = sum;
    else if (each.name == "max_ms")
      value = *std::max_element(values.begin(), values.end());
    middle.push_back({each.name, value});
  }
  return middle;
}

std::string to_json(const bench_report& report) {
  ordered_json out;
  out["perdura_bench"] = report_format;
  out["taken_at"] = report.taken_at;
  out["build"] = json_of(report.build);
  out["machine"] = json_of(report.machine);
  out["setup"] = json_of(report.setup);
  out["results"] = ordered_json::array();
  for (const bench_result& each : report.results) {
    ordered_json result;
    result["scenario"] = each.scenario;
    result["load"] = each.load;
    if (each.rate_asked > 0)
      result["rate_asked"] = each.rate_asked;
    result["unit"] = each.unit;
    result["figures"] = json_of(each.figures);
    result["rounds"] = ordered_json::array();
    for (const bench_figures& round : each.rounds)
      result["rounds"].push_back(json_of(round));
    out["results"].push_back(std::move(result));
  }
  return out.dump(2) + '\n';
}

persistence::result<bench_report> parse_report(std::string_view json) {
  const error foreign{errc::invalid_argument,
                      "The file is not a report of `perdura bench --json`."};
  const ordered_json from = ordered_json::parse(json, nullptr, false);
  if (!from.is_object() || from.value("perdura_bench", 0) != report_format)
    return foreign;
  try {
    bench_report report;
    report.taken_at = from.at("taken_at");
    report.build = facts_in(from.at("build"));
    report.machine = facts_in(from.at("machine"));
    report.setup = facts_in(from.at("setup"));
    for (const ordered_json& each : from.at("results"))
      report.results.push_back(result_in(each));
    return report;
  } catch (const ordered_json::exception&) {
    return foreign;
  }
}

std::string figure_text(double value) {
  const double size = std::abs(value);
  const bool is_whole = size < 1e15 && std::round(value) == value;
  const int decimals = is_whole || size >= 1000 ? 0
                       : size >= 100            ? 1
                       : size >= 0.1            ? 2
                                                : 4;
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

std::vector<bench_table> to_tables(const std::vector<bench_result>& results) {
  std::vector<bench_table> tables;
  for (const bench_result& each : results) {
    const std::vector<std::string> head = title_row(each);
    if (tables.empty() || tables.back().front() != head)
      tables.push_back({head});
    std::vector<std::string> row{each.scenario, each.load, each.unit};
    for (const bench_figure& figure : each.figures)
      if (is_shown(figure))
        row.push_back(figure_text(figure.value));
    tables.back().push_back(std::move(row));
  }
  return tables;
}

} // namespace perdura::client
