// SPDX-License-Identifier: Apache-2.0
// Measures instances of the sample HelloSequence from start to completion
// through the C++ client: in the process of the node, and from another process
// through cluster_client.
//
//   bench_client_start [--in-flight 1,16,128] [--seconds 1] [--rounds 3]

#include "benchmarks/bench_program.hpp"
#include "benchmarks/call_window.hpp"
#include "client/cli/temporary_folder.hpp"
#include "client/examples/samples.hpp"
#include "client/http/process_usage.hpp"
#include "client/load/child_node.hpp"
#include "client/load/latencies.hpp"
#include "client/load/node_reading.hpp"
#include "persistence/process/logging.hpp"
#include <perdura/actors/authoring/registry.hpp>
#include <perdura/client/api/cluster_client.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <mutex>

namespace {

using namespace perdura;
using client::bench_figures;
using client::node_reading;
using client::orchestration_client;
using std::chrono::steady_clock;

/// The result of one run of the closed loop.
struct loop_outcome {
  client::latencies times;  ///< The time from start to end of each instance.
  double seconds = 0;       ///< The length of the run.
  std::size_t failures = 0; ///< Instances that did not complete.
};

/// Runs a closed loop with `in_flight` instances: each slot starts an instance,
/// waits for its end, and repeats that until the time is over.
loop_outcome run_closed_loop(orchestration_client& client,
                             std::size_t in_flight,
                             std::chrono::milliseconds time) {
  loop_outcome out;
  std::mutex mutex;
  const auto from = steady_clock::now();
  benchmarks::call_window window(in_flight);
  out.failures = window.run(
    [&](std::size_t) { return steady_clock::now() - from < time; },
    [&](std::size_t, const benchmarks::call_window::completion& ended) {
      const auto asked = steady_clock::now();
      const auto completed =
        [&, asked, ended](client::result<client::orchestration_status> status) {
          const auto took
            = std::chrono::duration_cast<std::chrono::microseconds>(
              steady_clock::now() - asked);
          // Callbacks run on several threads.
          {
            const std::lock_guard lock(mutex);
            out.times.values_us.push_back(
              static_cast<std::uint32_t>(took.count()));
          }
          ended(status && status->status == client::runtime_status::completed);
        };
      // The start and the wait are two requests; the latency covers both.
      client.start_async(
        "HelloSequence", "null", {},
        [&client, completed, ended](const client::result<std::string>& id) {
          if (id)
            client.wait_async(*id, completed);
          else
            ended(false);
        });
    });
  out.seconds
    = std::chrono::duration<double>(steady_clock::now() - from).count();
  return out;
}

/// The figures of one round, per orchestration. `spent` is the increase of the
/// node's counters, `own_seconds` is the CPU time of the client's process.
bench_figures figures_of(loop_outcome out, const node_reading& spent,
                         double own_seconds) {
  const auto count
    = std::max(1.0, static_cast<double>(out.times.values_us.size()));
  return {
    {"rate_per_s", count / out.seconds},
    {"p50_ms", out.times.percentile(0.5) / 1e3},
    {"p90_ms", out.times.percentile(0.9) / 1e3},
    {"p99_ms", out.times.percentile(0.99) / 1e3},
    {"max_ms", out.times.max() / 1e3},
    {"cpu_us", spent.cpu_seconds * 1e6 / count},
    {"client_cpu_us", own_seconds * 1e6 / count},
    {"journal_commits", spent.journal_commits / count},
    {"views_commits", spent.views_commits / count},
    {"turns_per_commit", spent.turns / std::max(1.0, spent.journal_commits)},
    {"failures", static_cast<double>(out.failures)}};
}

/// Measures one client with each number of orchestrations in flight.
/// `endpoints` are the HTTP endpoints of the node that serves the client; the
/// metrics of the node are read there. If `is_own` is set, the node runs in
/// this process. The CPU time of the node then includes that of the client, and
/// the figure client_cpu_us is 0.
void measure(const char* name, orchestration_client client,
             const std::vector<client::load_endpoint>& endpoints, bool is_own,
             const std::vector<std::size_t>& in_flight,
             const benchmarks::program_options& options,
             std::vector<client::bench_result>& into) {
  for (const std::size_t count : in_flight)
    benchmarks::measure_rounds(
      into,
      {.scenario = name,
       .load = std::to_string(count) + " in flight",
       .unit = "orchestration"},
      options, [&] {
        // CPU times and counters are read before and after the loop, so that
        // reading them takes no time within the loop.
        const auto before = client::read_nodes(endpoints).value();
        const double own_before = client::process_cpu_seconds();
        loop_outcome out = run_closed_loop(client, count, options.time());
        const double own = client::process_cpu_seconds() - own_before;
        const auto spent = client::read_nodes(endpoints).value() - before;
        return figures_of(std::move(out), spent, is_own ? 0 : own);
      });
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Measure orchestrations from start to completion through the "
               "C++ client.");
  benchmarks::program_options options;
  std::vector<std::size_t> in_flight{1, 16, 128};
  std::string data_dir;
  benchmarks::add_program_options(app, options);
  app
    .add_option("--in-flight", in_flight,
                "Measure with these numbers of orchestrations in flight "
                "(comma-separated).")
    ->delimiter(',')
    ->capture_default_str()
    ->type_name("N");
  app
    .add_option("--data-dir", data_dir,
                "Create temporary data directories below this directory, so "
                "that its disk is measured.")
    ->type_name("DIR");
  CLI11_PARSE(app, argc, argv);
  // Log lines would be mixed with the figures.
  persistence::set_log_level(persistence::log_level::error);
  client::temporary_folder folder;
  folder.make("perdura-bench", data_dir).value();
  // The child node is forked first: a process must not fork after it has
  // started threads.
  const auto other
    = client::child_cluster::start(1, folder.path() / "other", true).value();
  std::vector<client::bench_result> results;
  // The node in this process is stopped before the other node is measured, so
  // that the two nodes do not share the cores.
  {
    auto functions = std::make_shared<actors::registry>();
    examples::add_samples(*functions);
    client::node_host_config config;
    config.node.data_dir = folder.path() / "own";
    config.node.create_hub = true;
    config.http.port = 0; // The kernel chooses a free port.
    const auto host
      = client::node_host::start(std::move(config), functions).value();
    measure("in process", host->client(), {{.port = host->http_port()}}, true,
            in_flight, options, results);
    static_cast<void>(host->stop());
  }
  const auto service
    = client::cluster_client::connect({.nodes = other->entries()}).value();
  measure("cluster_client", service->client(), other->endpoints(), false,
          in_flight, options, results);
  service->close();
  return benchmarks::report_results(options, std::move(results), folder.path());
}
