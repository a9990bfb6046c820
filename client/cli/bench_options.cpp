// SPDX-License-Identifier: Apache-2.0
// The options of `perdura bench`, and the reports that they name.
#include "client/cli/bench_verb.hpp"
#include "client/cli/command_options.hpp"
#include "client/http/bounded_read.hpp"
#include "client/load/bench_run.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace perdura::client {

using persistence::error;
using persistence::result;

namespace {

/// The names that the positional argument accepts.
std::vector<std::string> scenario_names() {
  std::vector<std::string> names{"all"};
  for (const bench_scenario& each : bench_scenarios())
    names.push_back(each.name);
  return names;
}

} // namespace

result<bench_report> read_bench_report(const std::string& path) {
  // A report of all scenarios has less than 1 MiB.
  constexpr std::size_t report_bytes_max = std::size_t{64} * 1024 * 1024;
  const auto text = read_file_bounded(path, report_bytes_max);
  if (!text)
    return text.error();
  auto report = parse_report(*text);
  if (!report)
    return error{report.code(), '"' + path + "\": " + report.error().message};
  return report;
}

void add_bench_options(CLI::App& to, bench_verb_options& options) {
  std::string names;
  for (const bench_scenario& each : bench_scenarios())
    names += "\n  " + each.name + ": " + each.description;
  to.add_option("scenario", options.scenarios,
                "The scenarios to run: all, or one or more of the following. "
                "By default, hello is run."
                  + names)
    ->check(CLI::IsMember(scenario_names()).description(""))
    ->type_name("");
  to.add_option("--url", options.urls,
                "Send the load to these nodes (comma-separated), which must "
                "serve the sample orchestrators. By default, bench starts its "
                "own nodes.")
    // The argument after the URL list is a scenario, not another URL.
    ->allow_extra_args(false)
    ->delimiter(',')
    ->type_name("URL");
  to.add_option("--nodes", options.nodes,
                "Start this number of nodes (1 to 16) if --url is not given.")
    ->capture_default_str()
    ->transform(whole_number(1, 16))
    ->type_name("N");
  to.add_option("--data-dir", options.data_dir,
                "Create the temporary data directories below this directory, "
                "so that the disk of this directory is measured. By default, "
                "the system's temporary directory is used.")
    ->type_name("DIR");
  to.add_option("--in-flight", options.in_flight,
                "Run a closed loop with each of these numbers of requests in "
                "flight (1 to 10000, comma-separated): the next request is "
                "sent when the response to an earlier one has arrived. By "
                "default, each scenario has its own numbers.")
    ->allow_extra_args(false)
    ->delimiter(',')
    ->transform(whole_number(1, 10'000))
    ->type_name("N");
  to.add_option("--rate", options.rates,
                "Run an open loop with each of these numbers of requests per "
                "second (0.1 to 1000000, comma-separated): requests are sent "
                "at this rate, whether or not earlier ones have a response. "
                "The latency of a request is measured from the time at which "
                "it was due.")
    ->allow_extra_args(false)
    ->delimiter(',')
    ->check(decimal_number(0.1, 1e6))
    ->type_name("N");
  to.add_option("--seconds", options.seconds,
                "Measure for this number of seconds in each round (0.1 to "
                "86400).")
    ->capture_default_str()
    ->check(decimal_number(0.1, 86'400, " of seconds"))
    ->type_name("SECONDS");
  to.add_option("--rounds", options.rounds,
                "Run this number of rounds (1 to 1000). Most figures are "
                "medians of the rounds.")
    ->capture_default_str()
    ->transform(whole_number(1, 1000))
    ->type_name("N");
  to.add_option("--warm-up", options.warm_up,
                "Run the load for this number of seconds (0 to 3600) before "
                "the first round.")
    ->capture_default_str()
    ->check(decimal_number(0, 3'600, " of seconds"))
    ->type_name("SECONDS");
  to.add_option("--json", options.json_file,
                "Write all figures to this JSON file.")
    ->type_name("FILE");
  to.add_option("--svg", options.svg_file,
                "Draw latency percentiles against the request rate, and "
                "write the drawing to this SVG file.")
    ->type_name("FILE");
  to.add_option("--compare", options.compare_file,
                "Compare the figures with those of an earlier run. FILE is "
                "the file that the earlier run wrote with --json. The exit "
                "code is 1 if CPU time, instructions, commits or bytes have "
                "increased by more than the accepted tolerance.")
    ->type_name("FILE");
  to.add_option("--from", options.from_file,
                "Run no scenarios. Instead, show, draw or compare the figures "
                "of an earlier run. FILE is the file that the earlier run "
                "wrote with --json.")
    ->type_name("FILE");
}

} // namespace perdura::client
