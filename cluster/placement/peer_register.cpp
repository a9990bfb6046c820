// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/peer_register.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

// The file is text: this header line, one line "NODE DIRECTORY_ID" for each
// known node, and the line ". admitted" once another node has admitted this
// one. An operator who gives up the data of a node removes the line of that
// node from the files of the other nodes.
constexpr std::string_view header_line = "perdura peers, format 1";
constexpr std::string_view admitted_line = ". admitted";

} // namespace

result<std::unique_ptr<peer_register>>
peer_register::open(const std::filesystem::path& directory) {
  std::unique_ptr<peer_register> made(new peer_register(directory / "peers"));
  // A new directory has no file; the first admission creates it.
  std::error_code trouble;
  if (!std::filesystem::exists(made->file_, trouble))
    return made;
  std::ifstream in(made->file_);
  const error damaged{errc::storage_damaged,
                      "The file " + made->file_.string()
                        + " is damaged. It records the data directory of each "
                          "other node. If you remove the file, the directories "
                          "are recorded anew when the nodes connect."};
  std::string line;
  if (!std::getline(in, line) || line != header_line)
    return damaged;
  while (std::getline(in, line)) {
    if (line == admitted_line) {
      made->was_admitted_ = true;
      continue;
    }
    const std::size_t blank = line.find(' ');
    if (blank == std::string::npos || blank == 0 || blank + 1 == line.size())
      return damaged;
    made->directories_[line.substr(0, blank)] = line.substr(blank + 1);
  }
  return made;
}

result<void> peer_register::admit(const peer_hello& hello) {
  const std::lock_guard lock(mutex_);
  const auto known = directories_.find(hello.node);
  if (known != directories_.end()) {
    if (known->second == hello.directory)
      return {};
    return error{
      errc::storage_foreign,
      "Node \"" + hello.node
        + "\" has connected with another data directory than before: "
          "the data in its earlier directory would be missing. "
          "Start it with its earlier directory, or restore that "
          "from a backup."};
  }
  // The record is durable before the node is admitted. Otherwise the node could
  // connect with another directory after a crash of this process.
  directories_[hello.node] = hello.directory;
  auto written = write();
  if (!written)
    directories_.erase(hello.node);
  return written;
}

result<void> peer_register::record_admission() {
  const std::lock_guard lock(mutex_);
  if (was_admitted_)
    return {};
  // `write` writes the admission only if the flag is set, so the flag is set
  // first and reset if the write fails.
  was_admitted_ = true;
  auto written = write();
  if (!written)
    was_admitted_ = false;
  changed_.notify_all();
  return written;
}

bool peer_register::wait_until_admitted(persistence::duration time_out) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time_out,
                           [this] { return was_admitted_.load(); });
}

/// Replaces the file atomically and durably: writes a new file beside it, syncs
/// the new file, renames it, and syncs the directory. The caller holds
/// `mutex_`.
result<void> peer_register::write() const {
  std::string text(header_line);
  text += '\n';
  for (const auto& [node, directory] : directories_)
    text += node + ' ' + directory + '\n';
  if (was_admitted_)
    text += std::string(admitted_line) + '\n';
  const std::filesystem::path beside = file_.string() + ".new";
  const int fd
    = ::open(beside.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  bool good = fd >= 0
              && ::write(fd, text.data(), text.size())
                   == static_cast<ssize_t>(text.size())
              && ::fsync(fd) == 0;
  if (fd >= 0)
    ::close(fd);
  good = good && ::rename(beside.c_str(), file_.c_str()) == 0;
  const int directory
    = ::open(file_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  good = good && directory >= 0 && ::fsync(directory) == 0;
  const int code = errno;
  if (directory >= 0)
    ::close(directory);
  if (good)
    return {};
  return error{errc::storage_failed, "Cannot write " + file_.string() + ": "
                                       + std::strerror(code) + "."};
}

} // namespace perdura::cluster
