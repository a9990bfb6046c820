// SPDX-License-Identifier: Apache-2.0
#include "campaigns/disk_fault.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace perdura::tests {

namespace {

std::atomic<const disk_fault*> active_fault{nullptr};
std::atomic<fault_progress*> active_progress{nullptr};

bool is_data_file(int file, const std::filesystem::path& directory) {
  std::array<char, 4096> name{};
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  const ssize_t size = ::readlink(link.c_str(), name.data(), name.size());
  const std::string_view path(
    name.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return path.starts_with(directory.string() + '/')
         && path.ends_with("/data.mdb");
}

} // namespace

void set_disk_fault(const disk_fault* fault, fault_progress* progress) {
  active_progress = progress;
  active_fault = fault;
}

fault_kind next_fault(disk_call call, int file) {
  const disk_fault* fault = active_fault;
  if (fault == nullptr)
    return fault_kind::none;
  const int code = errno;
  const bool is_counted = is_data_file(file, fault->directory);
  errno = code;
  if (!is_counted)
    return fault_kind::none;
  fault_progress& progress = *active_progress;
  if (call == disk_call::allocate) {
    const std::uint64_t n = ++progress.allocations;
    if (fault->kind != fault_kind::no_blocks || n < fault->at
        || n >= fault->at + fault->repeats)
      return fault_kind::none;
    progress.is_hit = true;
    return fault_kind::no_space;
  }
  const std::uint64_t n = ++progress.calls;
  if (fault->kind == fault_kind::none || fault->kind == fault_kind::no_blocks)
    return fault_kind::none;
  if (fault->kind == fault_kind::dropped && n > fault->at)
    ::raise(SIGKILL);
  if (n != fault->at)
    return fault_kind::none;
  progress.is_hit = true;
  if (fault->kind == fault_kind::kill_before)
    ::raise(SIGKILL);
  return fault->kind;
}

} // namespace perdura::tests
