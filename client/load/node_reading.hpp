// SPDX-License-Identifier: Apache-2.0
/// Counters of nodes, read from their Prometheus metrics. The difference of two
/// readings is the cost of the load between them.
#pragma once

#include "client/http/http_client.hpp"
#include "client/load/http_load.hpp"

#include <string_view>
#include <vector>

namespace perdura::client {

/// Totals since the start of the nodes.
struct node_reading {
  double cpu_seconds = 0; ///< User and system time since the process started.
  double resident_bytes = 0;
  double journal_commits = 0;
  double views_commits = 0;
  double turns = 0;

  /// Adds the counters of another node.
  node_reading& operator+=(const node_reading& other);
  /// The increase since `before`. `resident_bytes` is not a counter: the value
  /// of this reading is kept.
  node_reading operator-(const node_reading& before) const;
};

/// The value of a sample on a page in the Prometheus text format. `name`
/// includes the labels, e.g. `perdura_instances{status="Running"}`. 0 if the
/// page has no such sample.
double sample_of(std::string_view page, std::string_view name);

/// The reading on a page of metrics. Samples that are missing count as 0.
node_reading parse_metrics(std::string_view page);

/// Reads the metrics of all endpoints and returns the sum.
/// @error errc::unavailable  A node does not answer, or does not answer with
///                           its metrics.
persistence::result<node_reading>
read_nodes(const std::vector<load_endpoint>& endpoints);

} // namespace perdura::client
