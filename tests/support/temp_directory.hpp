/// A directory of its own for a test, gone with it.
#pragma once

#include <filesystem>

namespace perdura::tests {

class temp_directory {
public:
  /// @throws std::system_error
  temp_directory();
  ~temp_directory();

  temp_directory(const temp_directory&) = delete;
  temp_directory& operator=(const temp_directory&) = delete;

  const std::filesystem::path& path() const {
    return path_;
  }

private:
  std::filesystem::path path_;
};

} // namespace perdura::tests
