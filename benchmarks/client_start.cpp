// Start to completed (a hello sequence) through the C++ client: in the node's
// own process, and from another one through cluster_client.
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

/// Starts and waits for the end, again and again.
struct loop_outcome {
  client::latencies times;
  double seconds = 0;
  std::size_t failures = 0;
};

loop_outcome loop(orchestration_client& client, std::size_t in_flight,
                  std::chrono::milliseconds time) {
  loop_outcome out;
  std::mutex mutex;
  const auto from = steady_clock::now();
  benchmarks::call_window window(in_flight);
  out.failures = window.run(
    [&](std::size_t) { return steady_clock::now() - from < time; },
    [&](std::size_t, const benchmarks::call_window::ended& ended) {
      const auto asked = steady_clock::now();
      const auto completed =
        [&, asked, ended](client::result<client::orchestration_status> status) {
          const auto took
            = std::chrono::duration_cast<std::chrono::microseconds>(
              steady_clock::now() - asked);
          {
            const std::lock_guard lock(mutex);
            out.times.all_us.push_back(
              static_cast<std::uint32_t>(took.count()));
          }
          ended(status && status->status == client::runtime_status::completed);
        };
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

bench_figures figures_of(loop_outcome out, const node_reading& spent,
                         double own_seconds) {
  const auto count
    = std::max(1.0, static_cast<double>(out.times.all_us.size()));
  return {
    {"rate_per_s", count / out.seconds},
    {"p50_ms", out.times.at(0.5) / 1e3},
    {"p90_ms", out.times.at(0.9) / 1e3},
    {"p99_ms", out.times.at(0.99) / 1e3},
    {"max_ms", out.times.max() / 1e3},
    {"cpu_us", spent.cpu_seconds * 1e6 / count},
    {"client_cpu_us", own_seconds * 1e6 / count},
    {"journal_commits", spent.journal_commits / count},
    {"views_commits", spent.views_commits / count},
    {"turns_per_commit", spent.turns / std::max(1.0, spent.journal_commits)},
    {"failures", static_cast<double>(out.failures)}};
}

/// `doors`: of the node that is asked, in whatever way; `is_own`: it shares
/// this process, and its CPU cannot be told from the client's.
void measure(const char* name, orchestration_client client,
             const std::vector<client::load_door>& doors, bool is_own,
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
        const auto before = client::read_nodes(doors).value();
        const double own_before = client::process_cpu_seconds();
        loop_outcome out = loop(client, count, options.time());
        const double own = client::process_cpu_seconds() - own_before;
        const auto spent = client::read_nodes(doors).value() - before;
        return figures_of(std::move(out), spent, is_own ? 0 : own);
      });
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Start to completed through the C++ client");
  benchmarks::program_options options;
  std::vector<std::size_t> in_flight{1, 16, 128};
  std::string data_dir;
  benchmarks::add_program_options(app, options);
  app.add_option("--in-flight", in_flight, "Orchestrations at once")
    ->delimiter(',')
    ->capture_default_str();
  app.add_option("--data-dir", data_dir, "On which disk");
  CLI11_PARSE(app, argc, argv);
  persistence::set_log_level(persistence::log_level::error);
  client::temporary_folder folder;
  folder.make("perdura-bench", data_dir).value();
  // Forked before this process has threads.
  const auto other
    = client::child_cluster::start(1, folder.path() / "other", true).value();
  std::vector<client::bench_result> results;
  {
    auto functions = std::make_shared<actors::registry>();
    examples::add_samples(*functions);
    client::node_host_config config;
    config.node.data_dir = folder.path() / "own";
    config.node.create_hub = true;
    config.door.port = 0;
    const auto host
      = client::node_host::start(std::move(config), functions).value();
    measure("in process", host->client(), {{.port = host->http_port()}}, true,
            in_flight, options, results);
    static_cast<void>(host->stop());
  }
  const auto service
    = client::cluster_client::connect({.nodes = other->entries()}).value();
  measure("cluster_client", service->client(), other->doors(), false, in_flight,
          options, results);
  service->close();
  return benchmarks::finish(options, std::move(results), folder.path());
}
