// SPDX-License-Identifier: Apache-2.0
/// A node, and the command line with the URL of that node.
#pragma once

#include "tests/client/command_line_runner.hpp"
#include "tests/client/http_fixture.hpp"

#include <string>
#include <vector>

namespace perdura::tests {

struct cli_fixture : http_fixture {
  /// Runs the command line with the URL of the node. `run_perdura` describes
  /// `typed` and `can_ask`.
  outcome perdura(std::vector<std::string> arguments,
                  const std::string& typed = {}, bool can_ask = false) {
    arguments.insert(arguments.end(), {"--url", host->url()});
    return run_perdura(std::move(arguments), typed, can_ask);
  }
};

} // namespace perdura::tests
