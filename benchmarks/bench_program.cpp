#include "benchmarks/bench_program.hpp"

#include "client/cli/bench_verb.hpp"

#include <CLI/CLI.hpp>

#include <fstream>
#include <iostream>

namespace perdura::benchmarks {

void add_program_options(CLI::App& to, program_options& options) {
  to.add_option("--seconds", options.seconds, "Of each round")
    ->check(CLI::Range(0.01, 3'600.0))
    ->capture_default_str();
  to.add_option("--rounds", options.rounds, "Figures are medians of so many")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
  to.add_option("--json", options.json_file,
                "Write all figures there; `perdura bench --from --compare` "
                "compares two such files");
}

void measure_rounds(std::vector<client::bench_result>& into,
                    client::bench_result named, const program_options& options,
                    const std::function<client::bench_figures()>& round) {
  round();
  for (std::size_t i = 0; i < options.rounds; ++i)
    named.rounds.push_back(round());
  named.figures = client::middle_of(named.rounds);
  into.push_back(std::move(named));
}

int finish(const program_options& options,
           std::vector<client::bench_result> results,
           const std::filesystem::path& folder) {
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
  for (const client::bench_result& each : report.results)
    if (const double* failures = client::find_figure(each.figures, "failures"))
      if (*failures > 0)
        return 1;
  return 0;
}

} // namespace perdura::benchmarks
