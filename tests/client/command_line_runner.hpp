// SPDX-License-Identifier: Apache-2.0
/// Runs the command line of Perdura inside the test process.
#pragma once

#include "client/cli/command_line.hpp"

#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace perdura::tests {

struct outcome {
  int code = 0; ///< The exit code.
  std::string out;
  std::string err;

  bool out_contains(const std::string& text) const {
    return out.find(text) != std::string::npos;
  }

  bool err_contains(const std::string& text) const {
    return err.find(text) != std::string::npos;
  }
};

/// Runs the command line with these arguments (without the program's name).
/// `typed` is the text on standard input. With `can_ask` the command may ask
/// for a confirmation, as on a terminal. `change` changes the terminal, e.g.
/// its size.
inline outcome run_perdura(std::vector<std::string> arguments,
                           const std::string& typed = {}, bool can_ask = false,
                           const std::function<void(client::terminal&)>& change
                           = {}) {
  arguments.insert(arguments.begin(), "perdura");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments)
    argv.push_back(argument.c_str());
  std::istringstream in(typed);
  std::ostringstream out;
  std::ostringstream err;
  client::terminal io{in, out, err, can_ask};
  if (change)
    change(io);
  outcome result;
  result.code
    = client::run_command_line(static_cast<int>(argv.size()), argv.data(), io);
  result.out = out.str();
  result.err = err.str();
  return result;
}

} // namespace perdura::tests
