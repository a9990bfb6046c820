// SPDX-License-Identifier: Apache-2.0
// Measures the CPU time of a turn on a warm coroutine, in an orchestrator with
// few and with many activities. The figures show whether the cost of a turn
// grows with the number of activities.
//
//   bench_turn_cost [--activities 100,1000,10000] [--seconds 1] [--rounds 3]

#include "actors/execution/orchestration_run.hpp"
#include "benchmarks/bench_program.hpp"
#include "client/http/process_usage.hpp"
#include <perdura/actors/authoring/registry.hpp>
#include <perdura/actors/authoring/when.hpp>

#include <CLI/CLI.hpp>

#include <chrono>

namespace {

using namespace perdura;
using namespace perdura::actors;
using namespace perdura::persistence;
using client::bench_figures;

// The fixed time of all events: a turn must not depend on the clock.
const timestamp event_time{std::chrono::hours(490'000)};

/// Awaits the activities one after the other.
task<int> in_sequence(orchestration_context& ctx, int activities) {
  int sum = 0;
  for (int i = 0; i < activities; ++i)
    sum += co_await ctx.call_activity<int>("One");
  co_return sum;
}

/// Schedules all activities in the first turn and awaits them together.
task<int> as_fan_out(orchestration_context& ctx, int activities) {
  std::vector<pending<int>> all;
  for (int i = 0; i < activities; ++i)
    all.push_back(ctx.call_activity<int>("One"));
  int sum = 0;
  const std::vector<int> values = co_await when_all(ctx, all);
  for (const int each : values)
    sum += each;
  co_return sum;
}

/// Runs whole orchestrations until the time is over: one turn for each result.
/// The results of a fan-out arrive in reverse order.
bench_figures run_turns(const std::shared_ptr<const registry>& functions,
                        const std::string& name, std::uint32_t activities,
                        std::chrono::milliseconds time) {
  const auto from = std::chrono::steady_clock::now();
  double cpu = 0;
  double turns = 0;
  double failures = 0;
  do {
    orchestration_run run(functions);
    orchestration_work_item first;
    first.instance = "order-17";
    first.cold = true;
    first.history.push_back(
      {event_time,
       execution_started{.name = name, .input = std::to_string(activities)}});
    turn_outcome outcome = run.run_turn(std::move(first));
    const double before = client::process_cpu_seconds();
    for (task_sequence i = 1; i <= activities; ++i) {
      orchestration_work_item next;
      next.instance = "order-17";
      const task_sequence done = name == "FanOut" ? activities + 1 - i : i;
      next.deliveries.push_back({1, {event_time, task_completed{done, "1"}}});
      outcome = run.run_turn(std::move(next));
    }
    cpu += client::process_cpu_seconds() - before;
    turns += activities;
    failures
      += std::holds_alternative<completed_result>(outcome.result) ? 0 : 1;
  } while (std::chrono::steady_clock::now() - from < time);
  return {{"cpu_ns", cpu * 1e9 / turns}, {"failures", failures}};
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Measure the CPU time of a turn on a warm coroutine.");
  benchmarks::program_options options;
  std::vector<std::uint32_t> activities{100, 1'000, 10'000};
  benchmarks::add_program_options(app, options);
  benchmarks::add_activities_option(
    app, activities,
    "Run orchestrators with these numbers of activities (comma-separated).");
  CLI11_PARSE(app, argc, argv);
  auto functions = std::make_shared<registry>();
  functions->add_orchestrator("Sequence", in_sequence)
    .add_orchestrator("FanOut", as_fan_out);
  std::vector<client::bench_result> results;
  for (const char* name : {"Sequence", "FanOut"})
    for (const std::uint32_t count : activities)
      benchmarks::measure_rounds(
        results,
        {.scenario = name,
         .load = std::to_string(count) + " activities",
         .unit = "turn"},
        options,
        [&] { return run_turns(functions, name, count, options.time()); });
  return benchmarks::report_results(options, std::move(results));
}
