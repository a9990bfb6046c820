// SPDX-License-Identifier: Apache-2.0
#include "client/cli/private_file.hpp"

#include "persistence/process/write_all.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace perdura::client {

namespace fs = std::filesystem;
using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

/// errc::storage_failed with the path and the system's reason.
error file_error(const std::string& what, const fs::path& path,
                 const std::error_code& why) {
  return {errc::storage_failed,
          what + ' ' + path.string() + ": " + why.message() + '.'};
}

std::error_code last_error() {
  return {errno, std::generic_category()};
}

} // namespace

result<void> write_new_file(const fs::path& path, std::string_view text,
                            mode_t mode) {
  // O_EXCL refuses a path that exists, even if it is a symbolic link.
  const int file
    = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0)
    return file_error("Cannot write", path, last_error());
  std::error_code why = persistence::write_all(file, text);
  // Network file systems can report a failed write when the file is closed.
  if (::close(file) != 0 && !why)
    why = last_error();
  if (!why)
    return {};
  ::unlink(path.c_str());
  return file_error("Cannot write", path, why);
}

result<void> replace_file(const fs::path& path, std::string_view text,
                          mode_t mode) {
  fs::path temporary = path;
  temporary += ".new";
  ::unlink(temporary.c_str()); // A killed process may have left this file.
  if (auto written = write_new_file(temporary, text, mode); !written)
    return written;
  if (::rename(temporary.c_str(), path.c_str()) == 0)
    return {};
  const std::error_code why = last_error();
  ::unlink(temporary.c_str());
  return file_error("Cannot write", path, why);
}

result<void> make_private_directory(const fs::path& path) {
  std::error_code why;
  const fs::path parent
    = fs::absolute(path, why).lexically_normal().parent_path();
  if (!why)
    fs::create_directories(parent, why);
  // mkdir also fails if the directory exists, which is no error.
  if (!why && ::mkdir(path.c_str(), 0700) != 0) {
    const std::error_code failure = last_error();
    if (fs::exists(path, why) && !fs::is_directory(path, why))
      why = std::make_error_code(std::errc::not_a_directory);
    else if (!fs::is_directory(path, why))
      why = failure;
  }
  if (why)
    return file_error("Cannot create the directory", path, why);
  return {};
}

} // namespace perdura::client
