/// `perdura cluster up` as a process, with free ports.
#pragma once

#include "tests/support/child_process.hpp"
#include "tests/support/free_ports.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

struct shown_node {
  std::string name;
  pid_t pid = -1;
  std::string url;
  std::string cluster_address;
  std::string data_dir;
};

class started_cluster {
public:
  static constexpr std::chrono::seconds patience{60};

  explicit started_cluster(const std::vector<std::string>& words,
                           const std::vector<std::string>& environment = {},
                           std::uint16_t count = 3)
    : http_port(free_ports(count)),
      cluster_port(free_ports(count)),
      process(with_ports(words), environment) {}

  /// Reads the banner; all nodes serve then.
  void expect_up() {
    while (said_.find("Press Ctrl-C to stop.\n") == std::string::npos) {
      const auto line = process.receive(patience);
      BOOST_REQUIRE_MESSAGE(line, "no banner, but: " << said_);
      said_ += *line + '\n';
      if (!line->starts_with("  node-"))
        continue;
      std::istringstream words(*line);
      shown_node node;
      if (words >> node.name >> node.pid >> node.url >> node.cluster_address
          >> node.data_dir)
        nodes.push_back(node);
    }
  }

  /// The next line that holds this; what stands before it is passed over.
  std::string expect_line(const std::string& part) {
    std::string before;
    while (const auto line = process.receive(patience)) {
      if (line->find(part) != line->npos)
        return *line;
      before += *line + '\n';
    }
    BOOST_FAIL("no line with \"" << part << "\", but: " << before);
    return {};
  }

  /// All that it says until it ends, and its exit code.
  std::pair<std::string, int> expect_end() {
    std::string text;
    while (const auto line = process.receive(patience))
      text += *line + '\n';
    return {text, process.wait()};
  }

  const std::string& banner() const {
    return said_;
  }

  const std::uint16_t http_port;
  const std::uint16_t cluster_port;
  child_process process;
  std::vector<shown_node> nodes;

private:
  std::vector<std::string> with_ports(const std::vector<std::string>& words) {
    std::vector<std::string> all{std::getenv("PERDURA_BINARY"),
                                 "cluster",
                                 "up",
                                 "--http-port",
                                 std::to_string(http_port),
                                 "--cluster-port",
                                 std::to_string(cluster_port)};
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }

  std::string said_;
};

} // namespace perdura::tests
