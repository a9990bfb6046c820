// SPDX-License-Identifier: Apache-2.0
/// Runs `perdura dev` as a child process on a free port of loopback.
#pragma once

#include "tests/support/child_process.hpp"

#include <string>
#include <vector>

namespace perdura::tests {

class dev_server {
public:
  /// Starts the binary named by the environment variable PERDURA_BINARY and
  /// waits until it has printed the URL of its HTTP API. `perdura dev` deletes
  /// its data when it ends.
  /// @throws std::runtime_error  PERDURA_BINARY is not set, or the program
  ///         ends or prints nothing for 60 s before it has printed the URL.
  explicit dev_server(const std::vector<std::string>& environment = {});
  ~dev_server();

  dev_server(const dev_server&) = delete;
  dev_server& operator=(const dev_server&) = delete;

  /// URL of the HTTP API, for example "http://127.0.0.1:43817".
  const std::string& url() const {
    return url_;
  }

private:
  child_process process_;
  std::string url_;
};

} // namespace perdura::tests
