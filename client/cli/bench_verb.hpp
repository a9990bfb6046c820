/// `bench`: what orchestrations cost on this machine, or on nodes that run.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/terminal.hpp"
#include "client/load/bench_report.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace perdura::client {

struct bench_verb_options {
  std::vector<std::string> scenarios; ///< Empty: hello.
  std::vector<std::string> urls;      ///< Empty: nodes of its own.
  std::string key_file;
  std::uint32_t nodes = 1;
  std::string data_dir; ///< The disk; empty: that of temporary files.
  std::vector<std::size_t> in_flight;
  std::vector<double> rates;
  double seconds = 3;
  double warm_up = 1;
  std::size_t rounds = 3;
  std::string json_file;
  std::string svg_file;
  std::string from_file;    ///< A result to look at, in place of a run.
  std::string compare_file; ///< The one from before.
};

/// What the verb takes. `--url` is its own: it may be said more than once,
/// and nobody's node is loaded because a variable names it.
void add_bench_options(CLI::App& to, bench_verb_options& options);

/// A report of now and here, without results; `folder`: on the disk that is
/// measured, or empty.
bench_report begin_report(const std::filesystem::path& folder);

/// For people: what was measured on what, then the tables.
void print_report(const bench_report& report, std::ostream& out);

/// Nodes of its own are started before any thread, and are gone at the end.
/// Exit code 1 if the comparison finds that something got worse, or if
/// requests failed.
int bench_verb(const bench_verb_options& options, output_format format,
               terminal& io);

} // namespace perdura::client
