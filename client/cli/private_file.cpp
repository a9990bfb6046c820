#include "client/cli/private_file.hpp"

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

error refused(const std::string& what, const fs::path& path,
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
  const int file
    = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0)
    return refused("Cannot write", path, last_error());
  const ssize_t written = ::write(file, text.data(), text.size());
  std::error_code why;
  if (written != static_cast<ssize_t>(text.size()))
    why = written < 0 ? last_error()
                      : std::make_error_code(std::errc::no_space_on_device);
  if (::close(file) != 0 && !why)
    why = last_error();
  if (!why)
    return {};
  ::unlink(path.c_str());
  return refused("Cannot write", path, why);
}

result<void> replace_file(const fs::path& path, std::string_view text) {
  fs::path beside = path;
  beside += ".new";
  ::unlink(beside.c_str()); // Of one who was killed.
  if (auto written = write_new_file(beside, text); !written)
    return written;
  if (::rename(beside.c_str(), path.c_str()) == 0)
    return {};
  const std::error_code why = last_error();
  ::unlink(beside.c_str());
  return refused("Cannot write", path, why);
}

result<void> make_private_directory(const fs::path& path) {
  std::error_code why;
  const fs::path above
    = fs::absolute(path, why).lexically_normal().parent_path();
  if (!why)
    fs::create_directories(above, why);
  if (!why && ::mkdir(path.c_str(), 0700) != 0) {
    const std::error_code failure = last_error();
    if (!fs::is_directory(path, why))
      why = failure;
  }
  if (why)
    return refused("Cannot make the directory", path, why);
  return {};
}

} // namespace perdura::client
