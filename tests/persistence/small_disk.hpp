// SPDX-License-Identifier: Apache-2.0
/// Runs a part of a test on a small disk that can be filled to the last byte.
#pragma once

#include "tests/persistence/in_child.hpp"
#include "tests/persistence/storage_kinds.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

namespace perdura::persistence::testing {

inline constexpr std::uint64_t mib = 1U << 20U;

/// Ends the work of `problem_on_small_disk` with a sentence unless `holds`.
inline void expect(bool holds, const std::string& what) {
  if (!holds)
    throw std::runtime_error(what);
}

/// Another program's file on the disk.
class filler {
public:
  explicit filler(const std::filesystem::path& disk) : file_(disk / "filler") {}

  /// Takes all space, to the last byte.
  void fill() const {
    const int fd
      = ::open(file_.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    const std::string block(std::size_t{1} << 16U, 'f');
    for (std::size_t size = block.size(); size > 0;)
      if (::write(fd, block.data(), size) <= 0)
        size /= 2;
    ::close(fd);
  }

  /// Gives it back.
  void remove() const {
    std::filesystem::remove(file_);
  }

private:
  std::filesystem::path file_;
};

/// Calls `work` with an empty directory on a memory file system of this size,
/// in a child process with mounts of its own.
/// @return The sentence of the exception with which `work` has ended; empty if
///         there was none; nothing if the system does not permit the mount.
template <class F>
std::optional<std::string> problem_on_small_disk(std::uint64_t bytes, F work) {
  constexpr int is_not_permitted = 99;
  const temporary_directory place;
  std::array<int, 2> ends{};
  expect(::pipe(ends.data()) == 0, "no pipe");
  const int code = in_child([&] {
    const std::string size = "mode=0700,size=" + std::to_string(bytes);
    const int kinds
      = ::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
    if (::unshare(kinds) != 0
        || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0
        || ::mount("tmpfs", place.path().c_str(), "tmpfs", 0, size.c_str())
             != 0)
      return is_not_permitted;
    try {
      work(place.path());
      return 0;
    } catch (const std::exception& failure) {
      const std::string text = failure.what();
      static_cast<void>(::write(ends[1], text.data(), text.size()));
      return 1;
    }
  });
  ::close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(
    std::max<ssize_t>(::read(ends[0], text.data(), text.size()), 0)));
  ::close(ends[0]);
  if (code == is_not_permitted)
    return std::nullopt;
  if (code != 0 && text.empty())
    text = "exit code " + std::to_string(code);
  return text;
}

} // namespace perdura::persistence::testing
