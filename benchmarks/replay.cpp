// SPDX-License-Identifier: Apache-2.0
// Measures the CPU time of a replay: an orchestrator that runs activities in
// sequence is rebuilt from its history. In that history all activities except
// the last have completed; the result of the last activity is then delivered.
//
//   bench_replay [--activities 10,1000,10000] [--seconds 1] [--rounds 3]

#include "actors/execution/orchestration_run.hpp"
#include "benchmarks/bench_program.hpp"
#include "client/examples/samples.hpp"
#include "client/http/process_usage.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <CLI/CLI.hpp>

#include <chrono>

namespace {

using namespace perdura;
using namespace perdura::actors;
using namespace perdura::persistence;
using client::bench_figures;
using std::chrono::steady_clock;

// The fixed time of all events: a replay must not depend on the clock.
const timestamp then{std::chrono::hours(490'000)};

/// The history of the sample Sequence with this number of activities, without
/// the result of the last activity. Each activity except the first adds four
/// events.
std::vector<history_event> history_of(std::uint32_t activities) {
  std::vector<history_event> all;
  const auto add = [&](history_body body) {
    all.push_back({then, std::move(body)});
  };
  add(execution_started{.name = "Sequence",
                        .input = std::to_string(activities),
                        .execution = "0123456789abcdef0123456789abcdef"});
  for (task_sequence i = 1; i <= activities; ++i) {
    add(orchestrator_started{});
    if (i > 1)
      add(task_completed{i - 1, "\"Hello Tokyo!\""});
    add(
      task_scheduled{.sequence = i, .name = "SayHello", .input = "\"Tokyo\""});
    add(orchestrator_completed{});
  }
  return all;
}

/// A work item without a cached coroutine (`cold`), so that the run replays the
/// whole history first.
orchestration_work_item item_of(const std::vector<history_event>& history,
                                std::uint32_t activities) {
  orchestration_work_item item;
  item.instance = "order-17";
  item.execution = "0123456789abcdef0123456789abcdef";
  // The turn that handles the result of the last activity.
  item.number = activities + 1;
  item.now = then;
  item.elapsed = persistence::elapsed_time(then.time_since_epoch());
  item.cold = true;
  item.history = history;
  item.deliveries.push_back(
    {1, {then, task_completed{activities, "\"Hello Tokyo!\""}}});
  return item;
}

/// Replays the history until the time is over. The history is copied outside
/// the measured section.
bench_figures replay(const std::shared_ptr<const registry>& functions,
                     const std::vector<history_event>& history,
                     std::uint32_t activities, std::chrono::milliseconds time) {
  const auto from = steady_clock::now();
  double cpu = 0;
  double count = 0;
  double failures = 0;
  do {
    // One measurement covers about 10,000 events, because the CPU time of the
    // process has a resolution of only one microsecond.
    std::vector<orchestration_work_item> items(1 + 10'000 / history.size(),
                                               item_of(history, activities));
    // Each run creates a coroutine, replays the history and runs the last turn.
    const double before = client::process_cpu_seconds();
    for (orchestration_work_item& each : items) {
      const turn_outcome out
        = orchestration_run(functions).run_turn(std::move(each));
      // The delivered result completes the instance.
      failures += std::holds_alternative<completed_result>(out.result) ? 0 : 1;
    }
    cpu += client::process_cpu_seconds() - before;
    count += static_cast<double>(items.size() * history.size());
  } while (steady_clock::now() - from < time);
  return {{"cpu_ns", cpu * 1e9 / count},
          {"events", static_cast<double>(history.size())},
          {"failures", failures}};
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Measure the CPU time of replaying an orchestrator's history.");
  benchmarks::program_options options;
  std::vector<std::uint32_t> activities{10, 1'000, 10'000};
  benchmarks::add_program_options(app, options);
  benchmarks::add_activities_option(
    app, activities,
    "Replay histories with these numbers of activities (comma-separated).");
  CLI11_PARSE(app, argc, argv);
  // The histories belong to the sample orchestrator Sequence.
  auto functions = std::make_shared<registry>();
  examples::add_samples(*functions);
  std::vector<client::bench_result> results;
  for (const std::uint32_t count : activities) {
    const std::vector<history_event> history = history_of(count);
    benchmarks::measure_rounds(
      results,
      {.scenario = "replay",
       .load = std::to_string(count) + " activities",
       .unit = "event"},
      options,
      [&] { return replay(functions, history, count, options.time()); });
  }
  return benchmarks::report_results(options, std::move(results));
}
