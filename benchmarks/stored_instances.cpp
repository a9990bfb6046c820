// SPDX-License-Identifier: Apache-2.0
// Measures a node that stores many instances which wait for an event: the
// memory and disk space of the node, the time until it serves again after a
// kill, the latency of queries and of an event, and the CPU time of other
// orchestrations compared with a node that stores few instances.
//
//   bench_stored_instances [--count 100000] [--data-dir DIR] [--seconds 2]
//                          [--rounds 3] [--complete-all] [--json FILE]

#include "benchmarks/stored_node.hpp"
#include "client/cli/temporary_folder.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <iostream>

namespace {

using namespace perdura;
using namespace perdura::benchmarks;
using client::bench_figures;
using client::bench_result;
using std::chrono::steady_clock;

constexpr std::size_t few_instances = 1'000;
// If at most this number of instances is stored, all are completed at the end
// even without --complete-all. That takes about 15 s.
constexpr std::size_t complete_all_max = 100'000;

double seconds_since(steady_clock::time_point from) {
  return std::chrono::duration<double>(steady_clock::now() - from).count();
}

/// The name that the report uses for the load with `count` stored instances.
std::string stored_text(std::size_t count) {
  return std::to_string(count) + " stored";
}

/// The steps of the measurement. `main` calls them in this order: `fill`,
/// `fill_few`, `read`, `complete_all`. Each step starts a node and ends it.
class stored_scenario {
public:
  stored_scenario(const program_options& options, std::size_t count,
                  std::filesystem::path folder)
    : options_(options),
      count_(count),
      folder_(std::move(folder)),
      directory_(folder_ / "many") {}

  /// Measures hello sequences on a second node with few instances and a task
  /// hub of its own. The ratio in `read` is relative to this measurement.
  void fill_few() {
    stored_node node(folder_ / "few");
    add_start(node, few_instances);
    hello_ = add_hello(node, few_instances);
    results_.back().figures.push_back({"ratio", 1});
  }

  /// Starts all instances, waits until they are evicted from memory, and kills
  /// the node.
  void fill() {
    stored_node node(directory_);
    // Anonymous memory is read three times: without instances, with all
    // instances in memory, and after their eviction.
    const double empty = node.anonymous_mib();
    add_start(node, count_);
    const double filled = node.anonymous_mib();
    const double left = node.wait_for_eviction();
    const double evicted = node.anonymous_mib();
    add({.scenario = "memory",
         .load = stored_text(count_),
         .unit = "node",
         .figures = {{"empty_mib", empty},
                     {"filled_mib", filled},
                     {"evicted_mib", evicted},
                     {"above_empty_mib", evicted - empty},
                     {"live", left}}});
    // SIGKILL, so that the next start has to recover.
    node.kill();
  }

  /// Starts the node again after the kill and measures queries and events.
  void read() {
    // `fill` has killed the node, so this is a restart. The measured time
    // begins before the new process is started and ends with its first
    // response.
    const auto killed_at = steady_clock::now();
    stored_node node(directory_);
    // One GET shows that the node serves and has its data.
    const bench_figures first = node.measure_status(1, count_);
    const double ready = seconds_since(killed_at);
    const double rss = node.anonymous_mib();
    add_reads(node);
    add_events(node);
    add({.scenario = "after kill -9",
         .load = stored_text(count_),
         .unit = "node",
         .figures = {{"ready_s", ready},
                     {"started_mib", rss},
                     {"after_reads_mib", node.anonymous_mib()},
                     {"journal_mib", node.journal_mib()},
                     {"views_mib", node.views_mib()},
                     {"failures", *client::find_figure(first, "failures")}}});
    // The ratio shows whether an orchestration costs more if the node stores
    // many instances.
    const double many = add_hello(node, count_);
    results_.back().figures.push_back({"ratio", many / hello_});
  }

  /// Completes each instance that still waits, with one event.
  void complete_all() {
    stored_node node(directory_);
    const auto from = steady_clock::now();
    bench_figures figures = node.complete_all(count_);
    figures.insert(figures.begin(), {"seconds", seconds_since(from)});
    add({.scenario = "complete all",
         .load = stored_text(count_),
         .unit = "node",
         .figures = std::move(figures)});
  }

  std::vector<bench_result> release_results() {
    return std::move(results_);
  }

private:
  void add(bench_result result) {
    results_.push_back(std::move(result));
  }

  /// Starts `count` instances and adds the figures of the starts.
  void add_start(stored_node& node, std::size_t count) {
    add({.scenario = "start",
         .load = "0 to " + std::to_string(count),
         .unit = "instance",
         .figures = node.start(0, count)});
  }

  /// Measures hello sequences and returns their CPU time in microseconds.
  double add_hello(stored_node& node, std::size_t stored) {
    measure_rounds(results_,
                   {.scenario = "hello",
                    .load = stored_text(stored),
                    .unit = "orchestration"},
                   options_, [&] { return node.run_hello(options_.time()); });
    return *client::find_figure(results_.back().figures, "cpu_us");
  }

  /// Measures status, pages and counts, and adds their figures.
  void add_reads(stored_node& node) {
    // Pages and counts take longer than GETs, so fewer of them are sent.
    constexpr std::size_t gets = 2'000;
    constexpr std::size_t pages = 50;
    constexpr std::size_t counts = 20;
    const auto named = [&](const char* what) {
      return bench_result{
        .scenario = what, .load = stored_text(count_), .unit = "request"};
    };
    bench_result result = named("get");
    result.figures = node.measure_status(gets, count_);
    add(result);
    result = named("page: status, prefix");
    result.figures = node.measure_pages_by_prefix(pages, count_);
    add(result);
    result = named("page: status, name, created");
    result.figures = node.measure_pages_by_time(pages, count_);
    add(result);
    result = named("count by status");
    result.figures = node.measure_counts(counts);
    add(result);
  }

  void add_events(stored_node& node) {
    constexpr std::size_t events = 50;
    add({.scenario = "event to completed",
         .load = stored_text(count_),
         .unit = "request",
         .figures = node.measure_events(events, count_)});
  }

  const program_options& options_;
  std::size_t count_;               ///< Stored instances.
  std::filesystem::path folder_;    ///< Holds the directories of both nodes.
  std::filesystem::path directory_; ///< Data of the node with many instances.
  std::vector<bench_result> results_;
  double hello_ = 0; ///< CPU time of a hello sequence with few instances.
};

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Measure a node that stores many waiting instances.");
  program_options options{.seconds = 2};
  std::size_t count = complete_all_max;
  std::string data_dir;
  bool complete_all = false;
  add_program_options(app, options);
  app
    .add_option("--count", count,
                "Store this number of instances (2000 to 10000000).")
    ->check(CLI::Range(std::size_t{2'000}, instances_max).description(""))
    ->capture_default_str()
    ->type_name("N");
  app
    .add_option("--data-dir", data_dir,
                "Create temporary data directories below this directory, so "
                "that its disk is measured.")
    ->type_name("DIR");
  app.add_flag("--complete-all", complete_all,
               "Complete all instances at the end. Up to 100000 instances are "
               "always completed.");
  CLI11_PARSE(app, argc, argv);
  client::temporary_folder folder;
  folder.make("perdura-bench", data_dir).value();
  stored_scenario scenario(options, count, folder.path());
  scenario.fill();
  scenario.fill_few();
  scenario.read();
  if (complete_all || count <= complete_all_max)
    scenario.complete_all();
  return report_results(options, scenario.release_results(), folder.path());
}
