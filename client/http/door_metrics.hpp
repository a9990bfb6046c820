/// What the door counts, and the page that shows it together with what the
/// node counts.
#pragma once

#include "client/http/routes.hpp"
#include "persistence/views/queries.hpp"
#include <perdura/cluster/node/node.hpp>
#include <perdura/persistence/records/distribution.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace perdura::client {

class door_metrics {
public:
  /// The status codes that are counted one by one; others are "other".
  static constexpr std::array<int, 20> codes{200, 202, 400, 401, 403, 404, 408,
                                             409, 410, 412, 413, 414, 429, 431,
                                             500, 501, 503, 504, 507, 0};

  void count(route_id route, int status, std::uint64_t time_us);

  std::uint64_t requests(route_id route, int status) const;

  persistence::distribution time_us(route_id route) const {
    return times_[static_cast<std::size_t>(route)].now();
  }

private:
  std::array<std::array<std::atomic<std::uint64_t>, codes.size()>, route_count>
    requests_{};
  std::array<persistence::live_distribution, route_count> times_{};
};

/// What is true right now.
struct door_gauges {
  std::size_t connections = 0;
  std::size_t waits = 0;
};

/// Prometheus' text format, version 0.0.4.
std::string metrics_page(const door_metrics& door, const door_gauges& gauges,
                         const cluster::node_statistics& node,
                         const persistence::status_counts& instances);

} // namespace perdura::client
