/// What nodes have done so far, read from their metrics: the difference of
/// two readings is what the load between them has cost.
#pragma once

#include "client/http/http_client.hpp"
#include "client/load/http_load.hpp"

#include <string_view>
#include <vector>

namespace perdura::client {

struct node_reading {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double journal_commits = 0;
  double views_commits = 0;
  double turns = 0;

  /// What several nodes have done together.
  node_reading& operator+=(const node_reading& other);
  /// What was done since; memory stays as it is now.
  node_reading operator-(const node_reading& before) const;
};

/// The value of a sample in Prometheus' text format; `name` has its labels, if
/// it has any. 0 if it is not there.
double sample_of(std::string_view page, std::string_view name);

/// Of such a page; what is not in it is 0.
node_reading parse_metrics(std::string_view page);

/// All of them in sum.
/// @error errc::unavailable  One does not answer, or not with its metrics.
persistence::result<node_reading>
read_nodes(const std::vector<load_door>& doors);

} // namespace perdura::client
