/// A directory of its own for a test, gone with it.
#pragma once

#include <filesystem>

namespace perdura::tests {

class temp_directory {
public:
  /// @throws std::system_error
  explicit temp_directory(const std::filesystem::path& parent
                          = std::filesystem::temp_directory_path());
  ~temp_directory();

  /// Where syncs cost nothing, if the machine has such a place.
  static std::filesystem::path in_memory();

  temp_directory(const temp_directory&) = delete;
  temp_directory& operator=(const temp_directory&) = delete;

  const std::filesystem::path& path() const {
    return path_;
  }

private:
  std::filesystem::path path_;
};

} // namespace perdura::tests
