/// Draws latencies over rates: how much a node bears shows as a bend.
#pragma once

#include "client/load/bench_report.hpp"

#include <string>
#include <vector>

namespace perdura::client {

/// A plain SVG with a panel for each scenario: percentiles in milliseconds,
/// on a logarithmic axis, over the asked rate; where there is none, over the
/// one that was reached.
std::string to_svg(const bench_report& report);

} // namespace perdura::client
