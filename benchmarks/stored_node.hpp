/// A node in a process of its own with numbered instances of the sample
/// Approval: fills it, and asks it all that one asks of stored instances.
#pragma once

#include "benchmarks/bench_program.hpp"
#include "client/load/child_node.hpp"
#include "client/load/http_load.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace perdura::benchmarks {

/// Their IDs have seven digits.
inline constexpr std::size_t instances_max = 10'000'000;

/// What is measured of a request: p50_ms, p99_ms, max_ms, failures.
class stored_node {
public:
  /// Makes the hub if it is not there. Ends the program with a sentence if it
  /// cannot serve.
  explicit stored_node(const std::filesystem::path& directory);

  /// Those with these numbers, `to` left out: rate_per_s, cpu_us, failures.
  client::bench_figures start(std::size_t from, std::size_t to);

  /// Returns when none is in memory, or after a minute: how many still are.
  double wait_for_eviction();

  /// Hello sequences, 16 in flight: rate_per_s, p50_ms, p99_ms, cpu_us,
  /// journal_commits, views_commits, failures.
  client::bench_figures run_hello(std::chrono::milliseconds time);

  // One after the other, of `count` that are stored, here and there.
  client::bench_figures ask_status(std::size_t times, std::size_t count);
  client::bench_figures ask_pages_by_prefix(std::size_t times,
                                            std::size_t count);
  client::bench_figures ask_pages_by_time(std::size_t times, std::size_t count);
  client::bench_figures ask_counts(std::size_t times);

  /// From raising an event until a parked waiter has the result.
  client::bench_figures wake(std::size_t times, std::size_t count);

  /// One event each: events_per_s, replays, running (that should be none),
  /// failures.
  client::bench_figures complete_all(std::size_t count);

  double anonymous_mib() const {
    return node_->anonymous_mib();
  }

  double journal_mib() const;
  double views_mib() const;

  /// SIGKILL.
  void kill() {
    node_->kill();
  }

private:
  /// In order, on one connection. An answer without `wanted` is a failure.
  client::bench_figures
  ask_each(std::size_t times,
           const std::function<std::string(std::size_t)>& path,
           std::string_view wanted);
  /// Each until it has a hundred rows, or there are no more: p50_ms, p99_ms,
  /// max_ms, failures, rows and pages (what was asked for one answer).
  client::bench_figures
  ask_hundreds(std::size_t times,
               const std::function<std::string(std::size_t)>& path);
  std::string body_of(const std::string& target) const;
  double metric(std::string_view name) const;

  std::filesystem::path directory_;
  std::unique_ptr<client::child_node> node_;
  std::vector<client::load_door> doors_;
};

} // namespace perdura::benchmarks
