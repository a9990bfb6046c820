// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dev_server.hpp"

#include <cstdlib>
#include <stdexcept>

namespace perdura::tests {

namespace {

std::string binary() {
  const char* path = std::getenv("PERDURA_BINARY");
  if (path == nullptr)
    throw std::runtime_error("PERDURA_BINARY is not set");
  return path;
}

} // namespace

dev_server::dev_server(const std::vector<std::string>& environment)
  : process_({binary(), "dev", "--http", "127.0.0.1:0"}, environment) {
  std::string seen;
  while (url_.empty()) {
    const auto line = process_.receive(std::chrono::seconds(60));
    if (!line)
      throw std::runtime_error("no banner, but: " + seen);
    seen += *line + '\n';
    if (line->starts_with("  HTTP "))
      url_ = line->substr(line->find("http://"));
  }
}

dev_server::~dev_server() {
  process_.interrupt();
  static_cast<void>(process_.wait());
}

} // namespace perdura::tests
