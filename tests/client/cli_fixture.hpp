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
  /// the other parameters.
  outcome perdura(std::vector<std::string> arguments,
                  const std::string& typed = {}, bool can_ask = false,
                  const std::function<void(client::terminal&)>& change = {}) {
    arguments.insert(arguments.end(), {"--url", host->url()});
    return run_perdura(std::move(arguments), typed, can_ask, change);
  }

  /// As `perdura`, on a terminal with this size and with colours.
  outcome perdura_on_screen(std::vector<std::string> arguments,
                            client::screen_size size) {
    return perdura(std::move(arguments), {}, false,
                   [size](client::terminal& io) {
                     io.size = [size] { return size; };
                     io.has_colors = true;
                   });
  }
};

} // namespace perdura::tests
