// SPDX-License-Identifier: Apache-2.0
/// Runs `perdura cluster up` as a process, on reserved ports.
#pragma once

#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

/// The data that the banner shows for one node.
struct shown_node {
  std::string name;
  pid_t pid = -1;
  std::string url;
  std::string cluster_address;
  std::string data_dir;
};

class cluster_up_process {
public:
  static constexpr std::chrono::seconds wait_max = patience;

  /// Starts the command with these arguments and with options for the ports.
  /// `count` is the number of ports that are reserved for each of the two port
  /// ranges.
  explicit cluster_up_process(const std::vector<std::string>& arguments,
                              const std::vector<std::string>& environment = {},
                              std::uint16_t count = 3)
    : http_ports_(count),
      cluster_ports_(count),
      http_port(http_ports_.first()),
      cluster_port(cluster_ports_.first()),
      process(with_ports(arguments), environment) {}

  /// Reads the banner. All nodes serve requests when it is complete.
  void expect_up() {
    while (banner_.find("Press Ctrl-C to stop.\n") == std::string::npos) {
      const auto line = process.receive(wait_max);
      BOOST_REQUIRE_MESSAGE(line, "no banner; the output is: " << banner_);
      banner_ += *line + '\n';
      if (!line->starts_with("  node-"))
        continue;
      std::istringstream columns(*line);
      shown_node node;
      if (columns >> node.name >> node.pid >> node.url >> node.cluster_address
          >> node.data_dir)
        nodes.push_back(node);
    }
  }

  /// Reads up to the next line that holds `part`, and returns that line.
  std::string expect_line(const std::string& part) {
    std::string before;
    while (const auto line = process.receive(wait_max)) {
      if (line->find(part) != line->npos)
        return *line;
      before += *line + '\n';
    }
    BOOST_FAIL("no line with \"" << part << "\"; the output is: " << before);
    return {};
  }

  /// Waits for the end; returns the rest of the output and the exit code.
  std::pair<std::string, int> expect_end() {
    std::string text;
    while (const auto line = process.receive(wait_max))
      text += *line + '\n';
    return {text, process.wait()};
  }

  const std::string& banner() const {
    return banner_;
  }

private:
  // Declared before `process`, so that the ports stay reserved until the
  // process has ended.
  reserved_ports http_ports_;
  reserved_ports cluster_ports_;

public:
  const std::uint16_t http_port; ///< The first of its range.
  const std::uint16_t cluster_port;
  child_process process;
  std::vector<shown_node> nodes;

private:
  std::vector<std::string>
  with_ports(const std::vector<std::string>& arguments) {
    std::vector<std::string> all{std::getenv("PERDURA_BINARY"),
                                 "cluster",
                                 "up",
                                 "--http-port",
                                 std::to_string(http_port),
                                 "--cluster-port",
                                 std::to_string(cluster_port)};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }

  std::string banner_;
};

} // namespace perdura::tests
