// SPDX-License-Identifier: Apache-2.0
#include "tests/support/temp_directory.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace perdura::tests {

temp_directory::temp_directory(const std::filesystem::path& parent) {
  std::string name = (parent / "perdura-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), name);
  path_ = name;
}

// Errors are ignored: a file that cannot be deleted must not end the tests.
temp_directory::~temp_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path temp_directory::in_memory() {
  const std::filesystem::path shared = "/dev/shm";
  return access(shared.c_str(), W_OK) == 0
           ? shared
           : std::filesystem::temp_directory_path();
}

} // namespace perdura::tests
