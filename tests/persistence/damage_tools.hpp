// SPDX-License-Identifier: Apache-2.0
/// Tools for tests that damage the files of a data directory, and for work in a
/// child process that may crash.
#pragma once

#include "persistence/journal/manual_journal.hpp"
#include "persistence/process/logging.hpp"

#include "file_bytes.hpp"
#include "in_child.hpp"
#include "journal_harness.hpp"
#include "storage_kinds.hpp"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

namespace perdura::persistence::testing {

// The data files of the first lane, below the data directory.
inline constexpr const char* journal_name = "lane-0/journal/data.mdb";
inline constexpr const char* views_name = "lane-0/views/data.mdb";

/// Flips one bit of a file.
inline void flip(const std::filesystem::path& file, std::size_t byte,
                 unsigned bit) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  char value = 0;
  if (::pread(fd, &value, 1, static_cast<off_t>(byte)) == 1) {
    value = static_cast<char>(value ^ (1 << bit));
    if (::pwrite(fd, &value, 1, static_cast<off_t>(byte)) != 1)
      std::abort();
  }
  ::close(fd);
}

/// All entries below a directory: the content of a file, "dir" or "link", with
/// the time of the last change.
inline std::map<std::string, std::string>
content_of(const std::filesystem::path& directory) {
  std::map<std::string, std::string> all;
  for (const auto& each :
       std::filesystem::recursive_directory_iterator(directory)) {
    struct stat status {};

    ::lstat(each.path().c_str(), &status);
    all[each.path().string()] = (each.is_symlink()     ? "link"
                                 : each.is_directory() ? "dir"
                                                       : read_file(each.path()))
                                + std::to_string(status.st_mtim.tv_sec) + '.'
                                + std::to_string(status.st_mtim.tv_nsec);
  }
  return all;
}

/// Calls `work(i)` for 0 ≤ i < `count` in child processes. A child continues
/// until it crashes. Returns the results, or 128 + the signal number.
template <class F>
std::vector<int> each_in_child(std::size_t count, F work) {
  const std::size_t bytes = (count + 1) * sizeof(int);
  void* const shared = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* const next = static_cast<int*>(shared);
  int* const results = next + 1;
  while (static_cast<std::size_t>(*next) < count) {
    const int code = in_child([&] {
      for (; static_cast<std::size_t>(*next) < count; ++*next)
        results[*next] = work(static_cast<std::size_t>(*next));
      return 0;
    });
    if (code != 0)
      results[(*next)++] = code;
  }
  std::vector<int> found(results, results + count);
  ::munmap(shared, bytes);
  return found;
}

/// Random turns, and their result.
inline model turns_of(std::size_t count,
                      std::vector<turn_writes>* turns = nullptr) {
  model expected;
  turn_generator generator(1, 4);
  for (std::size_t i = 0; i < count; ++i) {
    auto turn = generator.next(expected);
    expected.add_turn(turn);
    if (turns != nullptr)
      turns->push_back(std::move(turn));
  }
  return expected;
}

/// Writes turns, with a commit of every tenth. Half of them are flushed to the
/// views, or all of them if `all_in_views` is true.
inline void write_turns(lmdb_storage& storage, bool all_in_views = false,
                        std::size_t count = 60) {
  auto j = storage.open();
  std::vector<turn_writes> turns;
  turns_of(count, &turns);
  for (std::size_t i = 0; i < count; ++i) {
    j->append(std::move(turns[i]));
    if (i % 10 == 9)
      j->commit();
    if (i == count / 2 - 1 || (all_in_views && i == count - 1))
      j->flush_views(false);
  }
}

/// Reads everything that write_turns() has written. Returns 0 if all reads are
/// right, 1 if at least one returned an error, 2 if at least one was wrong.
inline int read_all(lmdb_storage& storage, const model& expected) {
  auto options = storage.options();
  options.manual = true;
  auto opened = open_lmdb_journal(options);
  if (!opened)
    return 1;
  const auto& j = *opened;
  int worst = 0;
  for (const auto& [where, x] : expected.instances) {
    const partition_id p{where.first};
    const auto stored = j->read(p, where.second);
    const auto events = j->history(p, where.second);
    if (!stored || !events)
      worst = std::max(worst, 1);
    else if (*stored != x.state || *events != x.history)
      worst = 2;
  }
  for (std::uint32_t p = 0; p < 4; ++p)
    if (!j->load(partition_id(p)) || !j->count({partition_id(p)})
        || !j->due(partition_id(p), time_scale::elapsed, at(0),
                   timestamp::max())
        || !j->query({partition_id(p)}, {}))
      worst = std::max(worst, 1);
  return worst;
}

inline errc open_code(lmdb_journal_options options) {
  options.manual = true;
  return open_lmdb_journal(std::move(options)).code();
}

} // namespace perdura::persistence::testing
