// SPDX-License-Identifier: Apache-2.0
// Measures the cost of a cluster: the CPU time of all nodes per orchestration
// with 1, 2 and 3 nodes. An orchestration is an instance of the sample
// HelloSequence that is started and awaited through the HTTP API of any node.
// With more nodes, it is less likely that the node that receives a request also
// owns the instance.
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

/// A cluster of child nodes with data in a temporary directory.
class cluster {
public:
  explicit cluster(std::size_t count) {
    folder_.make("perdura-bench").value();
    nodes_ = child_cluster::start(count, folder_.path()).value();
  }

  /// The CPU time of all nodes since they were started.
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
  // Members are destroyed in reverse order: the nodes end before their
  // directory is removed.
  temporary_folder folder_;
  std::unique_ptr<child_cluster> nodes_;
};

/// The figures of one run of one cluster.
struct figures {
  double rate = 0;   ///< Orchestrations per second.
  double cpu_us = 0; ///< CPU time of all nodes per orchestration.
  double p50_ms = 0;
  double p99_ms = 0;
  std::uint64_t failures = 0;
};

/// Measures one cluster. There are `in_flight` connections, divided evenly
/// between the nodes. Each connection starts an instance and waits for its end,
/// and repeats this until the time is over. One thread drives the connections
/// to one node.
figures measure(const cluster& nodes, std::size_t in_flight,
                milliseconds time) {
  const std::string request
    = request_text("POST", "/orchestrators/HelloSequence/wait?timeout=30");
  std::vector<load_outcome> outcomes(nodes.nodes().size());
  std::vector<std::thread> threads;
  // The load generator runs in this process, so its CPU time is not included.
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
  double responses = 0;
  // The percentiles are those of all requests together, not means over nodes.
  for (load_outcome& one : outcomes) {
    out.rate += one.rate();
    out.failures += one.failures;
    responses += static_cast<double>(one.responses);
    all.values_us.insert(all.values_us.end(), one.times.values_us.begin(),
                         one.times.values_us.end());
  }
  out.cpu_us = responses > 0 ? spent / responses : 0;
  out.p50_ms = all.percentile(0.5) / 1000;
  out.p99_ms = all.percentile(0.99) / 1000;
  return out;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Measure the CPU time of all nodes per orchestration, with 1, 2 "
               "and 3 nodes."};
  double seconds = 3;
  std::size_t rounds = 5;
  std::size_t in_flight = 128;
  app
    .add_option("--seconds", seconds,
                "Measure for this number of seconds in each round.")
    ->capture_default_str()
    ->type_name("SECONDS");
  app
    .add_option("--rounds", rounds,
                "Run this number of rounds. Figures are medians over the "
                "rounds.")
    ->capture_default_str()
    ->type_name("N");
  app
    .add_option("--in-flight", in_flight,
                "Keep this number of orchestrations in flight for each node.")
    ->capture_default_str()
    ->type_name("N");
  std::size_t nodes_max = 3;
  app
    .add_option("--nodes-max", nodes_max,
                "Measure clusters of 1 to this number of nodes.")
    ->capture_default_str()
    ->type_name("N");
  CLI11_PARSE(app, argc, argv);
  const milliseconds time(static_cast<std::int64_t>(seconds * 1000));

  // All nodes are forked first: a process must not fork after it has started
  // threads.
  std::vector<std::unique_ptr<cluster>> clusters;
  for (std::size_t count = 1; count <= nodes_max; ++count)
    clusters.push_back(std::make_unique<cluster>(count));
  std::vector<std::vector<figures>> all(clusters.size());
  // The clusters alternate within each round, so that other work on the machine
  // affects all of them equally.
  for (std::size_t round = 0; round <= rounds; ++round)
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      const figures one
        = measure(*clusters[i], in_flight * clusters[i]->nodes().size(), time);
      if (round > 0) // The first round only warms up.
        all[i].push_back(one);
    }

  std::printf(
    "hello sequence, start and wait through HTTP at any node, %zu in "
    "flight per node, medians of %zu rounds\n\n%-6s %10s %20s %8s %9s %9s "
    "%9s\n",
    in_flight, rounds, "nodes", "rate/s", "CPU us each (range)", "ratio",
    "p50 ms", "p99 ms", "failures");
  double single = 0; // CPU time with one node; the ratio is relative to it.
  for (std::size_t i = 0; i < all.size(); ++i) {
    // The values of one figure over all rounds of this cluster.
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
