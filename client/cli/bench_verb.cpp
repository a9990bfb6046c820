// SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench_verb.hpp"

#include "client/cli/progress_line.hpp"
#include "client/cli/signal_watch.hpp"
#include "client/cli/table.hpp"
#include "client/cli/temporary_folder.hpp"
#include "client/load/bench_comparison.hpp"
#include "client/load/bench_plot.hpp"
#include "client/load/bench_run.hpp"
#include "client/load/child_node.hpp"
#include "client/load/commit_probe.hpp"
#include "client/load/machine_facts.hpp"

#include <cmath>
#include <fstream>
#include <memory>
#include <optional>
#include <ostream>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

// Stands for all scenarios on the command line; see bench_options.cpp.
constexpr const char* all_scenarios = "all";

/// The nodes under load, and the objects that measure them. Members are
/// destroyed in reverse order: the folder is removed last, after the nodes and
/// the probe that use it have ended.
struct loaded_nodes {
  temporary_folder folder;
  std::unique_ptr<child_cluster> own; ///< Null if --url is given.
  std::unique_ptr<signal_watch> signals;
  std::unique_ptr<commit_probe> probe; ///< Null if no disk is measured.
  bench_target target;
};

/// The endpoints of --url. The load generator supports only http URLs without a
/// path.
/// @error errc::invalid_argument  A URL or the key is not valid.
result<std::vector<load_endpoint>>
endpoints_of(const bench_verb_options& options) {
  auto key = read_key(options.key_file);
  if (!key)
    return key.error();
  std::vector<load_endpoint> endpoints;
  for (const std::string& text : options.urls) {
    auto url = parse_url(text);
    if (!url)
      return url.error();
    if (url->is_tls || !url->path.empty())
      return error{errc::invalid_argument,
                   "bench needs URLs without TLS and without a path: "
                   "http://HOST:PORT, not "
                     + text + '.'};
    endpoints.push_back({url->host, url->port, *key});
  }
  return endpoints;
}

/// Starts the nodes, or reads the URLs of running ones. The order matters:
/// nodes are forked before this process has a second thread, and signal_watch
/// blocks the signals before the probe starts its threads.
result<void> open_nodes(const bench_verb_options& options, loaded_nodes& all) {
  // The probe measures a disk of this machine. The probe is useful if the nodes
  // run on this machine, or if --data-dir names a directory on the disk that
  // the nodes use.
  const bool has_disk = options.urls.empty() || !options.data_dir.empty();
  if (has_disk)
    if (auto made = all.folder.make("perdura-bench", options.data_dir); !made)
      return made;
  if (options.urls.empty()) {
    auto started = child_cluster::start(options.nodes, all.folder.path());
    if (!started)
      return started.error();
    all.own = std::move(*started);
    all.target.endpoints = all.own->endpoints();
  } else {
    auto endpoints = endpoints_of(options);
    if (!endpoints)
      return endpoints.error();
    all.target.endpoints = std::move(*endpoints);
  }
  all.signals = std::make_unique<signal_watch>();
  if (!has_disk)
    return {};
  auto probe = commit_probe::open(all.folder.path() / "probe");
  if (!probe)
    return probe.error();
  all.probe = std::move(*probe);
  all.target.probe = all.probe.get();
  return {};
}

/// The scenarios and loads that the options select.
/// @error errc::invalid_argument  Nothing would be measured: the options select
///                                only the event scenario, which has no open
///                                loop, and give only rates.
result<bench_plan> plan_of(const bench_verb_options& options) {
  bench_plan plan;
  const std::vector<std::string> named = options.scenarios.empty()
                                           ? std::vector<std::string>{"hello"}
                                           : options.scenarios;
  for (const std::string& each : named)
    if (each == all_scenarios)
      plan.scenarios = bench_scenarios();
    else
      plan.scenarios.push_back(*find_scenario(each));
  const auto milliseconds_of = [](double seconds) {
    return std::chrono::milliseconds(std::llround(seconds * 1000));
  };
  plan.in_flight = options.in_flight;
  plan.rates = options.rates;
  plan.time = milliseconds_of(options.seconds);
  plan.warm_up = milliseconds_of(options.warm_up);
  plan.rounds = options.rounds;
  if (plan.seconds() == 0)
    return error{errc::invalid_argument,
                 "The event scenario has no open loop: omit --rate, or give "
                 "--in-flight, too."};
  return plan;
}

/// A report with the settings of the run, without results.
bench_report report_without_results(const bench_verb_options& options,
                                    const std::filesystem::path& folder) {
  bench_report report = begin_report(folder);
  report.setup
    = {{"nodes", options.urls.empty()
                   ? std::to_string(options.nodes)
                   : std::to_string(options.urls.size()) + " already running"},
       {"seconds", figure_text(options.seconds)},
       {"rounds", std::to_string(options.rounds)},
       {"warm_up", figure_text(options.warm_up)}};
  return report;
}

/// Runs the scenarios. Ctrl-C ends the run with errc::cancelled.
result<bench_report> measure(const bench_verb_options& options, terminal& io) {
  auto plan = plan_of(options);
  if (!plan)
    return plan.error();
  loaded_nodes nodes;
  if (auto opened = open_nodes(options, nodes); !opened)
    return opened.error();
  bench_report report = report_without_results(options, nodes.folder.path());
  progress_line line(io, "seconds",
                     static_cast<std::size_t>(std::ceil(plan->seconds())));
  const bench_observer observer{[&](const std::string& what, double seconds) {
    line.update(static_cast<std::size_t>(seconds), what);
    return !nodes.signals->stop_requested();
  }};
  auto ran = run_bench(*plan, nodes.target, observer, [&](bench_result found) {
    report.results.push_back(std::move(found));
  });
  if (!ran)
    return ran.error();
  return report;
}

/// Creates or replaces a file.
/// @error errc::storage_failed  The file cannot be written.
result<void> write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  if (file << text << std::flush)
    return {};
  return error{errc::storage_failed, "Cannot write \"" + path + "\"."};
}

/// Prints the comparison of two reports. Returns exit_instance_failed if a
/// figure got worse, else exit_ok.
int print_comparison(const bench_report& before, const bench_report& after,
                     terminal& io) {
  const bench_comparison found = compare(before, after);
  io.out << "\nCompared with " << before.taken_at << ", commit ";
  for (const auto& [name, value] : before.build)
    if (name == "commit")
      io.out << value;
  io.out << "\n\n";
  print_table(io.out, to_table(found));
  io.out << '\n';
  for (const std::string& each : to_sentences(found))
    io.out << each << '\n';
  return found.worse() == 0 ? exit_ok : exit_instance_failed;
}

/// True if some request of the run failed.
bool any_failed(const bench_report& report) {
  for (const bench_result& each : report.results)
    if (const double* failures = find_figure(each.figures, "failures"))
      if (*failures > 0)
        return true;
  return false;
}

/// Writes the files of --json and --svg.
result<void> write_files(const bench_verb_options& options,
                         const bench_report& report) {
  if (!options.json_file.empty())
    if (auto written = write_text(options.json_file, to_json(report)); !written)
      return written;
  if (!options.svg_file.empty())
    return write_text(options.svg_file, to_svg(report));
  return {};
}

} // namespace

bench_report begin_report(const std::filesystem::path& folder) {
  return {.taken_at = time_of_measurement(),
          .build = build_facts(),
          .machine = machine_facts(folder)};
}

void print_report(const bench_report& report, std::ostream& out) {
  const auto print_facts
    = [&](const char* what, const bench_report::facts& facts) {
        std::vector<std::pair<std::string, std::string>> pairs;
        for (const auto& [name, value] : facts) {
          const bool is_first = pairs.empty();
          pairs.emplace_back(is_first ? what : "", name + ": " + value);
        }
        print_pairs(out, pairs);
      };
  print_facts("Build  ", report.build);
  print_facts("Machine", report.machine);
  print_facts("Setup  ", report.setup);
  for (const bench_table& each : to_tables(report.results)) {
    out << '\n';
    print_table(out, each);
  }
}

int bench_verb(const bench_verb_options& options, output_format format,
               terminal& io) {
  // The earlier report is read first, so that a mistake in its name is reported
  // before the measurement, which takes seconds or minutes.
  std::optional<bench_report> before;
  if (!options.compare_file.empty()) {
    auto read = read_bench_report(options.compare_file);
    if (!read)
      return fail(io, read.error());
    before = std::move(*read);
  }
  auto report = options.from_file.empty()
                  ? measure(options, io)
                  : read_bench_report(options.from_file);
  if (!report) {
    // Ctrl-C ends the measurement with errc::cancelled.
    fail(io, report.error());
    return report.code() == errc::cancelled ? exit_interrupted
                                            : exit_code_of(report.code());
  }
  if (format == output_format::table)
    print_report(*report, io.out);
  else
    io.out << to_json(*report);
  if (auto written = write_files(options, *report); !written)
    return fail(io, written.error());
  int code = any_failed(*report) ? exit_instance_failed : exit_ok;
  if (before)
    code = std::max(code, print_comparison(*before, *report, io));
  return code;
}

} // namespace perdura::client
