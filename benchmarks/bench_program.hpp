/// What the programs have in common: how long and how often they measure, and
/// one look, in text and JSON, for what they find.
#pragma once

#include "client/load/bench_report.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace perdura::benchmarks {

struct program_options {
  double seconds = 1;     ///< Of each round.
  std::size_t rounds = 3; ///< Figures are medians of so many.
  std::string json_file;

  std::chrono::milliseconds time() const {
    return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1e3));
  }
};

/// --seconds, --rounds, --json.
void add_program_options(CLI::App& to, program_options& options);

/// Measures so many rounds after one that only warms up, and adds the result.
void measure_rounds(std::vector<client::bench_result>& into,
                    client::bench_result named, const program_options& options,
                    const std::function<client::bench_figures()>& round);

/// Prints and writes what was found, on the disk of `folder` (empty: none is
/// measured). Returns the exit code: 1 if something failed.
int finish(const program_options& options,
           std::vector<client::bench_result> results,
           const std::filesystem::path& folder = {});

} // namespace perdura::benchmarks
