// SPDX-License-Identifier: Apache-2.0
/// A node in a child process that stores many instances of the sample Approval,
/// and the requests that are measured on it.
#pragma once

#include "benchmarks/bench_program.hpp"
#include "client/load/child_node.hpp"
#include "client/load/http_load.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace perdura::benchmarks {

/// The largest number of instances: the numbers in the IDs have seven digits.
inline constexpr std::size_t instances_max = 10'000'000;

/// The node and its instances, which are numbered from 0. Unless stated
/// otherwise, a measurement returns the figures p50_ms, p99_ms, max_ms (the
/// latency of one request in milliseconds) and failures (the number of requests
/// with an unexpected response). The destructor ends the node.
class stored_node {
public:
  /// Starts the node and creates its task hub if there is none. If the node
  /// cannot serve, prints the reason and ends the program.
  explicit stored_node(const std::filesystem::path& directory);

  /// Starts the instances from number `from` up to, but not including, `to`.
  /// Returns rate_per_s, cpu_us, journal_commits, views_commits and failures.
  client::bench_figures start(std::size_t from, std::size_t to);

  /// Waits until no instance is in memory, at most one minute. Returns the
  /// number of instances that are still in memory.
  double wait_for_eviction();

  /// Runs hello sequences with 16 in flight. Returns rate_per_s, p50_ms,
  /// p99_ms, cpu_us, journal_commits, views_commits and failures.
  client::bench_figures run_hello(std::chrono::milliseconds time);

  // The following functions send `times` requests, or queries that fetch
  // several pages, one after the other. `count` is the number of stored
  // instances; the requests are spread over these instances. The functions
  // measure, in this order: GET status; pages filtered by status and ID prefix;
  // pages filtered by status, name and creation time; and counts by status.
  client::bench_figures measure_status(std::size_t times, std::size_t count);
  client::bench_figures measure_pages_by_prefix(std::size_t times,
                                                std::size_t count);
  client::bench_figures measure_pages_by_time(std::size_t times,
                                              std::size_t count);
  client::bench_figures measure_counts(std::size_t times);

  /// Measures the time from raising an event until a waiting client has the
  /// result.
  client::bench_figures measure_events(std::size_t times, std::size_t count);

  /// Completes all instances with one event each. Returns events_per_s,
  /// replays, running (the number of instances that did not complete) and
  /// failures.
  client::bench_figures complete_all(std::size_t count);

  /// The anonymous memory of the node in MiB (RssAnon).
  double anonymous_mib() const {
    return node_->anonymous_mib();
  }

  /// The disk space of the journal's file in MiB.
  double journal_mib() const;

  /// The disk space of the views' file in MiB.
  double views_mib() const;

  /// Sends SIGKILL to the node.
  void kill() {
    node_->kill();
  }

private:
  /// Sends `times` requests one after the other on one connection. A response
  /// that does not contain `expected` is a failure.
  client::bench_figures
  measure_requests(std::size_t times,
                   const std::function<std::string(std::size_t)>& path,
                   std::string_view expected);
  /// Sends `times` queries. Each query fetches pages until it has 100 rows or
  /// there are no more. Returns p50_ms, p99_ms, max_ms, failures, and the mean
  /// numbers of rows and pages per query.
  client::bench_figures
  measure_page_queries(std::size_t times,
                       const std::function<std::string(std::size_t)>& path);
  std::string body_of(const std::string& target) const;
  double metric(std::string_view name) const;

  std::filesystem::path directory_;
  std::unique_ptr<client::child_node> node_;
  std::vector<client::load_endpoint> endpoints_;
};

} // namespace perdura::benchmarks
