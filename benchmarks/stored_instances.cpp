// A node with many stored instances that wait for an event: what they take in
// memory and on disk, how soon a killed node with them is ready again, what it
// takes to look at them and to wake one, and whether an orchestration beside
// them costs more than with few.
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

constexpr std::size_t few = 1'000;
// All are woken without being asked: some 15 s.
constexpr std::size_t complete_all_max = 100'000;

double seconds_since(steady_clock::time_point from) {
  return std::chrono::duration<double>(steady_clock::now() - from).count();
}

std::string stored_text(std::size_t count) {
  return std::to_string(count) + " stored";
}

class story {
public:
  story(const program_options& options, std::size_t count,
        std::filesystem::path folder)
    : options_(options),
      count_(count),
      folder_(std::move(folder)),
      directory_(folder_ / "many") {}

  /// Another hub, so that the memory of the one with many is its own.
  void fill_few() {
    stored_node node(folder_ / "few");
    add_start(node, few);
    hello_ = add_hello(node, few);
    results_.back().figures.push_back({"ratio", 1});
  }

  /// First life: all are started, and leave memory.
  void fill() {
    stored_node node(directory_);
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
    node.kill();
  }

  /// Second life: ready after the kill, and what reads cost.
  void read() {
    const auto killed_at = steady_clock::now();
    stored_node node(directory_);
    const bench_figures first = node.ask_status(1, count_);
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
    const double many = add_hello(node, count_);
    results_.back().figures.push_back({"ratio", many / hello_});
  }

  /// One event each, or none is left that waits.
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

  std::vector<bench_result> take() {
    return std::move(results_);
  }

private:
  void add(bench_result result) {
    results_.push_back(std::move(result));
  }

  void add_start(stored_node& node, std::size_t count) {
    add({.scenario = "start",
         .load = "0 to " + std::to_string(count),
         .unit = "instance",
         .figures = node.start(0, count)});
  }

  double add_hello(stored_node& node, std::size_t stored) {
    measure_rounds(results_,
                   {.scenario = "hello",
                    .load = stored_text(stored),
                    .unit = "orchestration"},
                   options_, [&] { return node.run_hello(options_.time()); });
    return *client::find_figure(results_.back().figures, "cpu_us");
  }

  void add_reads(stored_node& node) {
    constexpr std::size_t gets = 2'000;
    constexpr std::size_t pages = 50;
    constexpr std::size_t counts = 20;
    const auto named = [&](const char* what) {
      return bench_result{
        .scenario = what, .load = stored_text(count_), .unit = "request"};
    };
    bench_result result = named("get");
    result.figures = node.ask_status(gets, count_);
    add(result);
    result = named("page: status, prefix");
    result.figures = node.ask_pages_by_prefix(pages, count_);
    add(result);
    result = named("page: status, name, created");
    result.figures = node.ask_pages_by_time(pages, count_);
    add(result);
    result = named("count by status");
    result.figures = node.ask_counts(counts);
    add(result);
  }

  void add_events(stored_node& node) {
    constexpr std::size_t events = 50;
    add({.scenario = "event to completed",
         .load = stored_text(count_),
         .unit = "request",
         .figures = node.wake(events, count_)});
  }

  const program_options& options_;
  std::size_t count_;
  std::filesystem::path folder_;
  std::filesystem::path directory_;
  std::vector<bench_result> results_;
  double hello_ = 0;
};

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Many stored instances");
  program_options options{.seconds = 2};
  std::size_t count = complete_all_max;
  std::string data_dir;
  bool complete_all = false;
  add_program_options(app, options);
  app.add_option("--count", count, "How many")
    ->check(CLI::Range(std::size_t{2'000}, instances_max))
    ->capture_default_str();
  app.add_option("--data-dir", data_dir, "On which disk");
  app.add_flag("--complete-all", complete_all,
               "Also wake all of them (without asking, up to 100,000)");
  CLI11_PARSE(app, argc, argv);
  client::temporary_folder folder;
  folder.make("perdura-bench", data_dir).value();
  story told(options, count, folder.path());
  told.fill();
  told.fill_few();
  told.read();
  if (complete_all || count <= complete_all_max)
    told.complete_all();
  return finish(options, told.take(), folder.path());
}
