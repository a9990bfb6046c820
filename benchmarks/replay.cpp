// What it takes to bring an orchestrator back from its history: activities
// one after the other, of which all but the last have answered.
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
using client::bench_figures;
using std::chrono::steady_clock;

const timestamp then{std::chrono::hours(490'000)};

/// Of the sample Sequence, as the turns have written it; the answer of the
/// last activity is still to come.
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

orchestration_work_item item_of(const std::vector<history_event>& history,
                                std::uint32_t activities) {
  orchestration_work_item item;
  item.instance = "order-17";
  item.execution = "0123456789abcdef0123456789abcdef";
  item.number = activities + 1;
  item.now = then;
  item.cold = true;
  item.history = history;
  item.deliveries.push_back(
    {1, {then, task_completed{activities, "\"Hello Tokyo!\""}}});
  return item;
}

/// Copies of the history are made outside of what is measured.
bench_figures replay(const std::shared_ptr<const registry>& functions,
                     const std::vector<history_event>& history,
                     std::uint32_t activities, std::chrono::milliseconds time) {
  const auto from = steady_clock::now();
  double cpu = 0;
  double count = 0;
  double failures = 0;
  do {
    // As many at once as make some 10,000 events: rusage has microseconds.
    std::vector<orchestration_work_item> items(1 + 10'000 / history.size(),
                                               item_of(history, activities));
    const double before = client::process_cpu_seconds();
    for (orchestration_work_item& each : items) {
      const turn_outcome out
        = orchestration_run(functions).run_turn(std::move(each));
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
  CLI::App app("Replays of histories");
  benchmarks::program_options options;
  std::vector<std::uint32_t> activities{10, 1'000, 10'000};
  benchmarks::add_program_options(app, options);
  app.add_option("--activities", activities, "In the history")
    ->delimiter(',')
    ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
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
  return benchmarks::finish(options, std::move(results));
}
