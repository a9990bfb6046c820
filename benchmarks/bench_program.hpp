// SPDX-License-Identifier: Apache-2.0
/// The options and the output that benchmark programs share.
#pragma once

#include "client/load/bench_report.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace perdura::benchmarks {

/// The values of the shared options.
struct program_options {
  double seconds = 1;     ///< Length of each round.
  std::size_t rounds = 3; ///< Measured rounds; figures are their medians.
  std::string json_file;  ///< Empty means that no file is written.

  /// The length of each round.
  std::chrono::milliseconds time() const {
    return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1e3));
  }
};

/// Adds the options --seconds, --rounds and --json to `to`. The values in
/// `options` are their defaults; parsing replaces these values, so `options`
/// must outlive `to`.
void add_program_options(CLI::App& to, program_options& options);

/// Adds the option --activities, a list of numbers separated by commas. The
/// values in `activities` are its default.
void add_activities_option(CLI::App& to, std::vector<std::uint32_t>& activities,
                           const std::string& description);

/// Calls `round` once to warm up, and then once for each round. Appends a
/// result to `into`. The result has the scenario, load and unit of `named`, the
/// figures of each round, and their medians.
void measure_rounds(std::vector<client::bench_result>& into,
                    client::bench_result named, const program_options& options,
                    const std::function<client::bench_figures()>& round);

/// Prints the results and writes them to the JSON file. `folder` is on the disk
/// that was measured; empty if no disk was measured. Returns the exit code of
/// the program: 1 if a request failed or the file cannot be written.
int report_results(const program_options& options,
                   std::vector<client::bench_result> results,
                   const std::filesystem::path& folder = {});

} // namespace perdura::benchmarks
