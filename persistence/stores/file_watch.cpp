// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/file_watch.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace perdura::persistence {

file_watch::file_watch(std::vector<std::filesystem::path> files,
                       std::vector<std::filesystem::path> others,
                       std::chrono::steady_clock::duration interval)
  : interval_(interval),
    looked_at_(std::chrono::steady_clock::now().time_since_epoch().count()) {
  const auto open_all = [](std::vector<std::filesystem::path>& paths,
                           std::vector<watched>& into) {
    for (std::filesystem::path& path : paths) {
      const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      into.push_back({std::move(path), fd});
    }
  };
  open_all(files, files_);
  open_all(others, others_);
}

file_watch::~file_watch() {
  for (const auto* list : {&files_, &others_})
    for (const watched& each : *list)
      if (each.fd >= 0)
        ::close(each.fd);
}

std::optional<std::filesystem::path> file_watch::removed() {
  if (auto found = find_removed(files_))
    return found;
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  if (now - looked_at_ < interval_.count())
    return {};
  looked_at_ = now;
  return find_removed(others_);
}

std::optional<std::filesystem::path>
file_watch::find_removed(const std::vector<watched>& files) {
  for (const watched& each : files) {
    struct stat status {};

    if (each.fd < 0 || (::fstat(each.fd, &status) == 0 && status.st_nlink == 0))
      return each.path;
  }
  return {};
}

} // namespace perdura::persistence
