// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/write_all.hpp"

#include <unistd.h>

#include <cerrno>

namespace perdura::persistence {

std::error_code write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno != EINTR)
      return {errno, std::generic_category()};
    if (written > 0)
      text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

} // namespace perdura::persistence
