#include "tests/support/temp_directory.hpp"

#include <stdlib.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace perdura::tests {

temp_directory::temp_directory() {
  std::string name
    = (std::filesystem::temp_directory_path() / "perdura-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), name);
  path_ = name;
}

temp_directory::~temp_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

} // namespace perdura::tests
