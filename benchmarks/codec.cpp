// SPDX-License-Identifier: Apache-2.0
// Measures the CPU time of encoding a journal turn and of decoding it.
//
//   bench_codec [--seconds 1] [--rounds 3] [--json FILE]

#include "persistence/records/codec.hpp"

#include "benchmarks/bench_program.hpp"
#include "client/http/process_usage.hpp"
#include "client/load/typical_turn.hpp"

#include <CLI/CLI.hpp>

#include <chrono>

namespace {

using namespace perdura;
using namespace perdura::persistence;
using client::bench_figures;
using std::chrono::steady_clock;

/// Calls `once` until the time is over; `once` returns false if it failed. The
/// cost is the CPU time of this process, so that other processes on the machine
/// do not affect it. `bytes` is the size of the encoded turn, for the report.
bench_figures cost_of(std::size_t bytes, std::chrono::milliseconds time,
                      const std::function<bool()>& once) {
  constexpr std::size_t calls_per_clock_read = 1'000;
  const auto from = steady_clock::now();
  const double cpu_before = client::process_cpu_seconds();
  std::size_t count = 0;
  std::size_t failures = 0;
  // The clock is read only once for 1,000 calls, so that reading it hardly
  // affects the result.
  do {
    for (std::size_t i = 0; i < calls_per_clock_read; ++i)
      failures += once() ? 0 : 1;
    count += calls_per_clock_read;
  } while (steady_clock::now() - from < time);
  const double cpu = client::process_cpu_seconds() - cpu_before;
  return {{"cpu_ns", cpu * 1e9 / static_cast<double>(count)},
          {"bytes", static_cast<double>(bytes)},
          {"failures", static_cast<double>(failures)}};
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Measure the CPU time of encoding and decoding a journal turn.");
  benchmarks::program_options options;
  benchmarks::add_program_options(app, options);
  CLI11_PARSE(app, argc, argv);
  // Turns at different stages of an orchestration differ in their number of
  // records.
  constexpr const char* stages[] = {"start", "activity", "end"};
  std::vector<client::bench_result> results;
  for (const std::size_t stage : {0, 1, 2}) {
    // The first, second and last of the four turns of a hello sequence.
    const turn_writes turn = client::typical_turn(
      "order-", partition_id{17}, stage == 2 ? 4 : stage + 1,
      timestamp{std::chrono::hours(490'000)});
    const std::string bytes = encode(turn);
    // The buffer keeps its memory between the calls, so that its allocation is
    // not measured.
    std::string buffer;
    benchmarks::measure_rounds(
      results, {.scenario = "encode", .load = stages[stage], .unit = "turn"},
      options, [&] {
        return cost_of(bytes.size(), options.time(), [&] {
          buffer.clear();
          encode_to(buffer, turn);
          return buffer.size() == bytes.size();
        });
      });
    benchmarks::measure_rounds(
      results, {.scenario = "decode", .load = stages[stage], .unit = "turn"},
      options, [&] {
        return cost_of(bytes.size(), options.time(), [&] {
          return static_cast<bool>(decode<turn_writes>(bytes));
        });
      });
  }
  return benchmarks::report_results(options, std::move(results));
}
