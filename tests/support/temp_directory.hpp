// SPDX-License-Identifier: Apache-2.0
/// A temporary directory for a test, deleted with the object.
#pragma once

#include <filesystem>

namespace perdura::tests {

class temp_directory {
public:
  /// Creates a new directory in `parent`.
  /// @throws std::system_error  The directory cannot be created.
  explicit temp_directory(const std::filesystem::path& parent
                          = std::filesystem::temp_directory_path());
  ~temp_directory();

  /// A parent on a memory file system, where a sync costs nothing; the
  /// temporary directory of the system if there is none.
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
