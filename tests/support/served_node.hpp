/// The binary, serving on a free port of loopback.
#pragma once

#include "tests/support/child_process.hpp"

#include <string>
#include <vector>

namespace perdura::tests {

class served_node {
public:
  /// `perdura dev`; its data goes with it. The binary is where the
  /// environment's PERDURA_BINARY says. Returns when the banner is there.
  explicit served_node(const std::vector<std::string>& environment = {});
  ~served_node();

  served_node(const served_node&) = delete;
  served_node& operator=(const served_node&) = delete;

  const std::string& url() const {
    return url_;
  }

private:
  child_process process_;
  std::string url_;
};

} // namespace perdura::tests
