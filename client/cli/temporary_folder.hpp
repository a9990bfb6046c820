// SPDX-License-Identifier: Apache-2.0
/// A temporary directory for the data of nodes that are not kept.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <filesystem>
#include <string>

namespace perdura::client {

/// Owns the directory; the destructor removes it with its content.
class temporary_folder {
public:
  temporary_folder() = default;
  ~temporary_folder();

  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  /// Creates the directory with mode 0700. Its name is `name`, a hyphen and six
  /// random characters. If `parent` is empty, the directory is created in the
  /// system's temporary directory. Call `make` at most once.
  /// @error errc::storage_failed  The directory cannot be created.
  persistence::result<void> make(const std::string& name,
                                 std::filesystem::path parent = {});
  /// Removes the directory and its content. Errors are ignored.
  void remove();

  /// Empty if no directory was created.
  const std::filesystem::path& path() const {
    return path_;
  }

private:
  std::filesystem::path path_;
};

} // namespace perdura::client
