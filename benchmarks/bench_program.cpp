// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/bench_program.hpp"

#include "client/cli/bench_verb.hpp"

#include <CLI/CLI.hpp>

#include <fstream>
#include <iostream>

namespace perdura::benchmarks {

void add_program_options(CLI::App& to, program_options& options) {
  to.add_option("--seconds", options.seconds,
                "Measure for this number of seconds in each round (0.01 to "
                "3600).")
    // The empty description keeps CLI11 from adding the range to the help a
    // second time.
    ->check(CLI::Range(0.01, 3'600.0).description(""))
    ->capture_default_str()
    ->type_name("SECONDS");
  to.add_option("--rounds", options.rounds,
                "Run this number of rounds (1 to 1000). Figures are medians "
                "over the rounds.")
    ->check(CLI::Range(1, 1000).description(""))
    ->capture_default_str()
    ->type_name("N");
  to.add_option("--json", options.json_file,
                "Write all figures to this JSON file. `perdura bench --from "
                "NEW --compare OLD` compares two such files.")
    ->type_name("FILE");
}

void add_activities_option(CLI::App& to, std::vector<std::uint32_t>& activities,
                           const std::string& description) {
  to.add_option("--activities", activities, description)
    ->delimiter(',')
    ->capture_default_str()
    ->type_name("N");
}

void measure_rounds(std::vector<client::bench_result>& into,
                    client::bench_result named, const program_options& options,
                    const std::function<client::bench_figures()>& round) {
  round(); // the warm-up; its figures are discarded
  for (std::size_t i = 0; i < options.rounds; ++i)
    named.rounds.push_back(round());
  named.figures = client::median_of_rounds(named.rounds);
  into.push_back(std::move(named));
}

int report_results(const program_options& options,
                   std::vector<client::bench_result> results,
                   const std::filesystem::path& folder) {
  // The report also describes the build and the machine, because figures of
  // different machines cannot be compared.
  client::bench_report report = client::begin_report(folder);
  report.setup = {{"seconds", client::figure_text(options.seconds)},
                  {"rounds", std::to_string(options.rounds)}};
  report.results = std::move(results);
  client::print_report(report, std::cout);
  if (!options.json_file.empty()
      && !(std::ofstream(options.json_file)
           << client::to_json(report) << std::flush)) {
    std::cerr << "Cannot write " << options.json_file << '\n';
    return 1;
  }
  // A measurement with failed requests is not valid. A result without the
  // figure `failures` counts as one without failures.
  for (const client::bench_result& each : report.results)
    if (const double* failures = client::find_figure(each.figures, "failures"))
      if (*failures > 0)
        return 1;
  return 0;
}

} // namespace perdura::benchmarks
