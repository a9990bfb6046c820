// What it costs that an instance lives on another node than the one that is
// asked: CPU of all nodes per orchestration (a hello sequence, started and
// awaited through HTTP at any node), with 1, 2 and 3 nodes.
//
//   bench_cluster_cost [--seconds 3] [--rounds 5] [--in-flight 128]

#include "client/cli/temporary_folder.hpp"
#include "client/load/child_node.hpp"
#include "client/load/http_load.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace perdura::client;
using std::chrono::microseconds;
using std::chrono::milliseconds;

class cluster {
public:
  explicit cluster(std::size_t count) {
    folder_.make("perdura-bench").value();
    nodes_ = child_cluster::start(count, folder_.path()).value();
  }

  microseconds cpu_time() const {
    microseconds sum{0};
    for (const auto& node : nodes())
      sum += node->cpu_time();
    return sum;
  }

  const std::vector<std::unique_ptr<child_node>>& nodes() const {
    return nodes_->nodes();
  }

private:
  temporary_folder folder_;
  std::unique_ptr<child_cluster> nodes_;
};

struct figures {
  double rate = 0;
  double cpu_us = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  std::uint64_t failures = 0;
};

/// Every connection starts, waits for the end, and starts again.
figures measure(const cluster& nodes, std::size_t in_flight,
                milliseconds time) {
  const std::string request
    = request_text("POST", "/orchestrators/HelloSequence/wait?timeout=30");
  std::vector<load_outcome> outcomes(nodes.nodes().size());
  std::vector<std::thread> threads;
  const microseconds before = nodes.cpu_time();
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    threads.emplace_back([&, i] {
      http_load load(nodes.nodes()[i]->port(),
                     std::max<std::size_t>(1, in_flight / outcomes.size()));
      outcomes[i] = load.run(
        time, [&](std::size_t) { return std::string_view(request); },
        [](std::size_t, int status, std::string_view) {
          return status == 200;
        });
    });
  for (std::thread& each : threads)
    each.join();
  figures out;
  const auto spent = static_cast<double>((nodes.cpu_time() - before).count());
  latencies all;
  double answers = 0;
  for (load_outcome& one : outcomes) {
    out.rate += one.rate();
    out.failures += one.failures;
    answers += static_cast<double>(one.answers);
    all.all_us.insert(all.all_us.end(), one.times.all_us.begin(),
                      one.times.all_us.end());
  }
  out.cpu_us = answers > 0 ? spent / answers : 0;
  out.p50_ms = all.at(0.5) / 1000;
  out.p99_ms = all.at(0.99) / 1000;
  return out;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"CPU of all nodes per orchestration, with 1, 2 and 3 nodes"};
  double seconds = 3;
  std::size_t rounds = 5;
  std::size_t in_flight = 128;
  app.add_option("--seconds", seconds, "Of each run")->capture_default_str();
  app.add_option("--rounds", rounds, "Medians are of so many runs")
    ->capture_default_str();
  app
    .add_option("--in-flight", in_flight,
                "Orchestrations at once, for each node")
    ->capture_default_str();
  std::size_t nodes_max = 3;
  app.add_option("--nodes-max", nodes_max, "Only clusters of up to so many")
    ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const milliseconds time(static_cast<std::int64_t>(seconds * 1000));

  // Forked before this process has threads.
  std::vector<std::unique_ptr<cluster>> clusters;
  for (std::size_t count = 1; count <= nodes_max; ++count)
    clusters.push_back(std::make_unique<cluster>(count));
  std::vector<std::vector<figures>> all(clusters.size());
  for (std::size_t round = 0; round <= rounds; ++round)
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      const figures one
        = measure(*clusters[i], in_flight * clusters[i]->nodes().size(), time);
      if (round > 0) // the first only warms up
        all[i].push_back(one);
    }

  std::printf(
    "hello sequence, start and wait through HTTP at any node, %zu in "
    "flight a node, medians of %zu\n\n%-6s %10s %20s %8s %9s %9s %9s\n",
    in_flight, rounds, "nodes", "rate/s", "CPU us each (range)", "ratio",
    "p50 ms", "p99 ms", "failures");
  double single = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto pick = [&](auto member) {
      std::vector<double> values;
      for (const figures& one : all[i])
        values.push_back(one.*member);
      return values;
    };
    const auto cpu = pick(&figures::cpu_us);
    const double middle = median(cpu);
    if (i == 0)
      single = middle;
    std::uint64_t failures = 0;
    for (const figures& one : all[i])
      failures += one.failures;
    std::printf("%-6zu %10.0f %8.0f (%.0f to %.0f) %8.2f %9.2f %9.2f %9llu\n",
                i + 1, median(pick(&figures::rate)), middle,
                *std::min_element(cpu.begin(), cpu.end()),
                *std::max_element(cpu.begin(), cpu.end()),
                single > 0 ? middle / single : 0,
                median(pick(&figures::p50_ms)), median(pick(&figures::p99_ms)),
                static_cast<unsigned long long>(failures));
  }
  return 0;
}
