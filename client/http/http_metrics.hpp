// SPDX-License-Identifier: Apache-2.0
/// The counters of the HTTP API, and the metrics page, which shows them
/// together with the counters of the node and its process.
#pragma once

#include "client/http/routes.hpp"
#include "persistence/views/queries.hpp"
#include <perdura/cluster/node/node.hpp>
#include <perdura/persistence/records/histogram.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace perdura::client {

/// Counts the requests of each route by status code, and their times.
/// Thread-safe.
class http_metrics {
public:
  /// The status codes that have a counter of their own. The last entry, 0,
  /// stands for all other codes.
  static constexpr std::array<int, 20> codes{200, 202, 400, 401, 403, 404, 408,
                                             409, 410, 412, 413, 414, 429, 431,
                                             500, 501, 503, 504, 507, 0};

  /// Counts one response.
  /// @param time_us  The time since the receipt of the request, in
  ///                 microseconds.
  void count(route_id route, int status, std::uint64_t time_us);

  std::uint64_t requests(route_id route, int status) const;

  persistence::histogram time_us(route_id route) const {
    return times_[static_cast<std::size_t>(route)].now();
  }

private:
  std::array<std::array<std::atomic<std::uint64_t>, codes.size()>, route_count>
    requests_{};
  std::array<persistence::atomic_histogram, route_count> times_{};
};

/// Values of the HTTP server at the moment at which the page is requested.
struct http_gauges {
  std::size_t connections = 0;
  std::size_t waits = 0;
  std::size_t buffered_bytes = 0; ///< See `http_server::buffered_bytes`.
};

/// The metrics in the text format of Prometheus, version 0.0.4.
/// @param instances  The instances of this node by status.
std::string metrics_page(const http_metrics& http, const http_gauges& gauges,
                         const cluster::node_statistics& node,
                         const persistence::status_counts& instances);

} // namespace perdura::client
