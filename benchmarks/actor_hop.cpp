// SPDX-License-Identifier: Apache-2.0
// Measures the cost of one message between two actors, with the scheduler that
// a node uses. An orchestration needs several such messages.
//
//   bench_actor_hop [--pairs 1,64] [--seconds 1] [--rounds 3] [--json FILE]

#include "benchmarks/bench_program.hpp"
#include "client/http/process_usage.hpp"
#include "cluster/scheduling/actor_scheduler.hpp"

#include <CLI/CLI.hpp>
#include <caf/all.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

namespace {

using namespace perdura;
using client::bench_figures;
using std::chrono::steady_clock;

/// Sends the received number, reduced by one, back to its sender. When the
/// number is zero, counts the pair as finished.
caf::behavior hop_behavior(caf::event_based_actor* self,
                           std::atomic<std::size_t>* ended) {
  return {[self, ended](std::uint64_t left) {
    if (left > 0)
      self->send(caf::actor_cast<caf::actor>(self->current_sender()), left - 1);
    else {
      ended->fetch_add(1);
      ended->notify_all();
    }
  }};
}

/// Pairs of actors; the two actors of a pair send one message back and forth.
class actor_pairs {
public:
  explicit actor_pairs(std::size_t pairs) {
    // As in cluster::node, the scheduler has two threads more than the machine
    // has cores.
    cluster::install_coalescing_scheduler(
      config_, std::size_t{std::thread::hardware_concurrency()} + 2);
    system_.emplace(config_);
    for (std::size_t i = 0; i < 2 * pairs; ++i)
      actors_.push_back(system_->spawn(hop_behavior, &ended_));
  }

  ~actor_pairs() {
    for (const caf::actor& each : actors_)
      caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
  }

  actor_pairs(const actor_pairs&) = delete;
  actor_pairs& operator=(const actor_pairs&) = delete;

  /// Sends a message to each pair, which then exchanges `hops_each` replies.
  /// Returns when all pairs are finished.
  void run(std::uint64_t hops_each) {
    const std::size_t pairs = actors_.size() / 2;
    ended_ = 0;
    for (std::size_t i = 0; i < pairs; ++i)
      caf::send_as(actors_[2 * i], actors_[2 * i + 1], hops_each);
    // Each finished pair changes `ended_`, which wakes this thread.
    for (std::size_t now = ended_; now < pairs; now = ended_)
      ended_.wait(now);
  }

private:
  std::atomic<std::size_t> ended_{0}; ///< Pairs that are finished.
  caf::actor_system_config config_;
  std::optional<caf::actor_system> system_;
  std::vector<caf::actor> actors_;
};

/// Sends messages until the time is over. Each pair exchanges 1,000 messages
/// between two readings of the clock. Returns the figures rate_per_s (messages
/// per second), ns (elapsed time per message) and cpu_ns (CPU time per
/// message).
bench_figures hop(actor_pairs& all, std::size_t pairs,
                  std::chrono::milliseconds time) {
  constexpr std::uint64_t hops_each = 1'000;
  const auto from = steady_clock::now();
  const double cpu_before = client::process_cpu_seconds();
  double hops = 0;
  do {
    all.run(hops_each);
    hops += static_cast<double>(pairs * hops_each);
  } while (steady_clock::now() - from < time);
  const double seconds
    = std::chrono::duration<double>(steady_clock::now() - from).count();
  const double cpu = client::process_cpu_seconds() - cpu_before;
  return {{"rate_per_s", hops / seconds},
          {"ns", seconds * 1e9 / hops},
          {"cpu_ns", cpu * 1e9 / hops}};
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Measure the cost of one message between two actors.");
  benchmarks::program_options options;
  std::vector<std::size_t> pairs{1, 64};
  benchmarks::add_program_options(app, options);
  app
    .add_option("--pairs", pairs,
                "Measure with these numbers of actor pairs (comma-separated). "
                "Each pair has one message in flight.")
    ->delimiter(',')
    ->capture_default_str()
    ->type_name("N");
  CLI11_PARSE(app, argc, argv);
  std::vector<client::bench_result> results;
  // A new actor system for each number of pairs, so that the runs do not affect
  // each other.
  for (const std::size_t count : pairs) {
    actor_pairs all(count);
    benchmarks::measure_rounds(
      results,
      {.scenario = "hop",
       .load = std::to_string(count) + (count == 1 ? " pair" : " pairs"),
       .unit = "hop"},
      options, [&] { return hop(all, count, options.time()); });
  }
  return benchmarks::report_results(options, std::move(results));
}
