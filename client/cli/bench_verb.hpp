// SPDX-License-Identifier: Apache-2.0
/// `bench`: measures throughput, latency and cost of orchestrations, on nodes
/// that it starts itself or on nodes that already run.
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

/// The options of `bench`. The help texts contain the allowed ranges of the
/// values.
struct bench_verb_options {
  std::vector<std::string> scenarios; ///< Empty means the scenario hello.
  /// The nodes to load. Empty means that `bench` starts its own nodes.
  std::vector<std::string> urls;
  std::string key_file;    ///< Access key for `urls`; see read_key.
  std::uint32_t nodes = 1; ///< Number of own nodes.
  /// The directory below which temporary data directories are created. Empty
  /// means the system's temporary directory.
  std::string data_dir;
  /// Closed loops with these numbers of requests in flight. If this list and
  /// `rates` are both empty, the default numbers of each scenario are used.
  std::vector<std::size_t> in_flight;
  std::vector<double> rates; ///< Open loops, in requests per second.
  double seconds = 3;        ///< Length of each round.
  double warm_up = 1;        ///< Seconds of load before the first round.
  std::size_t rounds = 3;
  std::string json_file;    ///< Empty means that no report is written.
  std::string svg_file;     ///< Empty means that no drawing is written.
  std::string from_file;    ///< A report to show instead of a new run.
  std::string compare_file; ///< The earlier report to compare with.
};

/// Adds the options of the verb. The verb has an option `--url` of its own,
/// which can name several nodes. PERDURA_URL is not used, so that a node is
/// never put under load by mistake.
void add_bench_options(CLI::App& to, bench_verb_options& options);

/// Reads a report that an earlier run has written.
/// @error errc::invalid_argument   The file cannot be read, or has no report.
/// @error errc::payload_too_large  The file has more than 64 MiB.
persistence::result<bench_report> read_bench_report(const std::string& path);

/// A report with the current time, build and machine, without results. `folder`
/// is on the disk that is measured; empty if no disk is measured.
bench_report begin_report(const std::filesystem::path& folder);

/// Prints the build, the machine and the setup, then the tables of results.
void print_report(const bench_report& report, std::ostream& out);

/// Runs the scenarios and prints the report. Call this function before this
/// process has started any thread, because the function forks nodes. It stops
/// these nodes at the end. Returns exit code 1 if a compared figure got worse
/// or if requests failed.
int bench_verb(const bench_verb_options& options, output_format format,
               terminal& io);

} // namespace perdura::client
