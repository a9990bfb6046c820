/// A node, and a command line that talks to it.
#pragma once

#include "tests/client/command_line_runner.hpp"
#include "tests/client/door_fixture.hpp"

#include <string>
#include <vector>

namespace perdura::tests {

struct verbs_fixture : door_fixture {
  outcome perdura(std::vector<std::string> words, const std::string& typed = {},
                  bool can_ask = false) {
    words.insert(words.end(), {"--url", host->url()});
    return run_perdura(std::move(words), typed, can_ask);
  }
};

} // namespace perdura::tests
