#include "client/cli/bench_verb.hpp"

#include "client/cli/progress_line.hpp"
#include "client/cli/signal_watch.hpp"
#include "client/cli/temporary_folder.hpp"
#include "client/load/bench_comparison.hpp"
#include "client/load/bench_plot.hpp"
#include "client/load/bench_run.hpp"
#include "client/load/child_node.hpp"
#include "client/load/commit_probe.hpp"
#include "client/load/machine_facts.hpp"
#include "persistence/records/clock.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <CLI/CLI.hpp>

#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

constexpr const char* all_scenarios = "all";

std::vector<std::string> scenario_names() {
  std::vector<std::string> names{all_scenarios};
  for (const bench_scenario& each : bench_scenarios())
    names.push_back(each.name);
  return names;
}

/// Where the load goes, and what is to be taken down at the end: first what
/// is written to, last the folder.
struct loaded_nodes {
  temporary_folder folder;
  std::unique_ptr<child_cluster> own;
  std::unique_ptr<signal_watch> signals;
  std::unique_ptr<commit_probe> probe;
  bench_target target;
};

result<std::vector<load_door>> doors_at(const bench_verb_options& options) {
  auto key = read_key(options.key_file);
  if (!key)
    return key.error();
  std::vector<load_door> doors;
  for (const std::string& text : options.urls) {
    auto url = parse_url(text);
    if (!url)
      return url.error();
    if (url->is_tls || !url->path.empty())
      return error{errc::invalid_argument,
                   "bench loads doors without TLS, at their roots: "
                   "http://HOST:PORT, not "
                     + text + '.'};
    doors.push_back({url->host, url->port, *key});
  }
  return doors;
}

/// What has to be before the first thread comes first: the nodes' processes,
/// then the signals.
result<void> open_nodes(const bench_verb_options& options, loaded_nodes& all) {
  const bool has_disk = options.urls.empty() || !options.data_dir.empty();
  if (has_disk)
    if (auto made = all.folder.make("perdura-bench", options.data_dir); !made)
      return made;
  if (options.urls.empty()) {
    auto started = child_cluster::start(options.nodes, all.folder.path());
    if (!started)
      return started.error();
    all.own = std::move(*started);
    all.target.doors = all.own->doors();
  } else {
    auto doors = doors_at(options);
    if (!doors)
      return doors.error();
    all.target.doors = std::move(*doors);
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
                 "The event scenario has no open loop: leave --rate out, or "
                 "name --in-flight, too."};
  return plan;
}

bench_report head_of(const bench_verb_options& options,
                     const std::filesystem::path& folder) {
  bench_report report = begin_report(folder);
  report.setup
    = {{"nodes", options.urls.empty()
                   ? std::to_string(options.nodes)
                   : std::to_string(options.urls.size()) + " that ran already"},
       {"seconds", figure_text(options.seconds)},
       {"rounds", std::to_string(options.rounds)},
       {"warm_up", figure_text(options.warm_up)}};
  return report;
}

result<bench_report> measure(const bench_verb_options& options, terminal& io) {
  auto plan = plan_of(options);
  if (!plan)
    return plan.error();
  loaded_nodes nodes;
  if (auto opened = open_nodes(options, nodes); !opened)
    return opened.error();
  bench_report report = head_of(options, nodes.folder.path());
  progress_line line(io, "seconds",
                     static_cast<std::size_t>(std::ceil(plan->seconds())));
  const bench_watch watch{[&](const std::string& what, double seconds) {
    line.reached(static_cast<std::size_t>(seconds), what);
    return !nodes.signals->stop_requested();
  }};
  auto ran = run_bench(*plan, nodes.target, watch, [&](bench_result found) {
    report.results.push_back(std::move(found));
  });
  if (!ran)
    return ran.error();
  return report;
}

result<bench_report> read_report(const std::string& path) {
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file)
    return error{errc::invalid_argument, "Cannot read \"" + path + "\"."};
  auto report = parse_report(text);
  if (!report)
    return error{report.code(), '"' + path + "\": " + report.error().message};
  return report;
}

result<void> write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  if (file << text << std::flush)
    return {};
  return error{errc::storage_failed, "Cannot write \"" + path + "\"."};
}

/// @return  exit_instance_failed if something got worse.
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

bool any_failed(const bench_report& report) {
  for (const bench_result& each : report.results)
    if (const double* failures = find_figure(each.figures, "failures"))
      if (*failures > 0)
        return true;
  return false;
}

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
  return {.taken_at = to_iso_seconds(persistence::system_clock().now()),
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

void add_bench_options(CLI::App& to, bench_verb_options& options) {
  std::string names;
  for (const bench_scenario& each : bench_scenarios())
    names += "\n  " + each.name + ": " + each.what;
  to.add_option("scenario", options.scenarios,
                "hello unless told; all, or some of:" + names)
    ->check(CLI::IsMember(scenario_names()).description(""))
    ->type_name("");
  to.add_option("--url", options.urls,
                "Load these nodes, which serve the samples; else it starts "
                "its own")
    ->allow_extra_args(false) // What follows is a scenario.
    ->delimiter(',');
  to.add_option("--nodes", options.nodes, "How many of its own")
    ->capture_default_str()
    ->check(CLI::Range(1, 16));
  to.add_option("--data-dir", options.data_dir,
                "Where its own keep their data while it runs, and one commit "
                "alone is tried: the disk that is measured");
  to.add_option("--in-flight", options.in_flight,
                "So many requests at once; else as each scenario has it")
    ->allow_extra_args(false)
    ->delimiter(',')
    ->check(CLI::Range(1, 10'000));
  to.add_option("--rate", options.rates,
                "So many requests a second, whatever comes back; latencies "
                "count from when each was due")
    ->allow_extra_args(false)
    ->delimiter(',')
    ->check(CLI::Range(0.1, 1e6));
  to.add_option("--seconds", options.seconds, "Of each round")
    ->capture_default_str()
    ->check(CLI::Range(0.1, 86'400.0));
  to.add_option("--rounds", options.rounds, "Figures are medians of so many")
    ->capture_default_str()
    ->check(CLI::Range(1, 1000));
  to.add_option("--warm-up", options.warm_up, "Seconds before the first round")
    ->capture_default_str()
    ->check(CLI::Range(0.0, 3'600.0));
  to.add_option("--json", options.json_file, "Write all figures there");
  to.add_option("--svg", options.svg_file,
                "Draw latency percentiles over the rate there");
  to.add_option("--compare", options.compare_file,
                "A file of --json: exit code 1 if CPU or commits got worse");
  to.add_option("--from", options.from_file,
                "Run nothing: show, draw or compare this file of --json");
}

int bench_verb(const bench_verb_options& options, output_format format,
               terminal& io) {
  std::optional<bench_report> before;
  if (!options.compare_file.empty()) {
    auto read = read_report(options.compare_file);
    if (!read)
      return fail(io, read.error());
    before = std::move(*read);
  }
  auto report = options.from_file.empty() ? measure(options, io)
                                          : read_report(options.from_file);
  if (!report) {
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
