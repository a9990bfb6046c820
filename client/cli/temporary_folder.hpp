/// Where a node that is only tried out keeps its data.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <filesystem>
#include <string>

namespace perdura::client {

/// Gone at the end, and whatever is in it.
class temporary_folder {
public:
  temporary_folder() = default;
  ~temporary_folder();

  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  /// Mode 0700; `name` is how its name begins. `parent` empty: where the
  /// system keeps such.
  /// @error errc::storage_failed
  persistence::result<void> make(const std::string& name,
                                 std::filesystem::path parent = {});
  void remove();

  const std::filesystem::path& path() const {
    return path_;
  }

private:
  std::filesystem::path path_;
};

} // namespace perdura::client
