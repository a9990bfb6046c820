// SPDX-License-Identifier: Apache-2.0
/// Draws latency percentiles over the request rate. The rate at which the
/// curves bend upwards is the highest rate that the node sustains.
#pragma once

#include "client/load/bench_report.hpp"

#include <string>
#include <vector>

namespace perdura::client {

/// Returns an SVG document with one panel for each scenario. A panel shows p50,
/// p90, p99 and the maximum in milliseconds on a logarithmic axis. The
/// horizontal axis shows the requested rate of open loops; if the report has no
/// open loop, it shows the rate that the closed loops reached.
std::string to_svg(const bench_report& report);

} // namespace perdura::client
