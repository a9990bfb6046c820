// SPDX-License-Identifier: Apache-2.0
#include "client/cli/temporary_folder.hpp"

#include <stdlib.h>

namespace perdura::client {

namespace fs = std::filesystem;

temporary_folder::~temporary_folder() {
  remove();
}

persistence::result<void> temporary_folder::make(const std::string& name,
                                                 fs::path parent) {
  // temp_directory_path returns an empty path if TMPDIR names no directory.
  std::error_code ignored;
  if (parent.empty())
    parent = fs::temp_directory_path(ignored);
  if (parent.empty())
    parent = "/tmp";
  std::string path = parent / (name + "-XXXXXX");
  // mkdtemp replaces the six X in place and creates the directory.
  if (::mkdtemp(path.data()) == nullptr)
    return persistence::error{persistence::errc::storage_failed,
                              "Cannot create a temporary directory in "
                                + parent.string()
                                + "; name a directory with --data-dir."};
  path_ = path;
  return {};
}

void temporary_folder::remove() {
  std::error_code ignored;
  if (!path_.empty())
    fs::remove_all(path_, ignored);
  path_.clear();
}

} // namespace perdura::client
