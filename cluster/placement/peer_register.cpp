// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/peer_register.hpp"

#include "persistence/process/write_all.hpp"

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

/// Creates or overwrites the file, durably. Returns 0 or an error number.
int write_peers_file(const std::filesystem::path& file, std::string_view text) {
  const int fd
    = ::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return errno;
  int code = persistence::write_all(fd, text).value();
  if (code == 0 && ::fsync(fd) != 0)
    code = errno;
  ::close(fd);
  return code;
}

/// Makes the names in the directory durable. Returns 0 or an error number.
int sync_peers_directory(const std::filesystem::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return errno;
  const int code = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return code;
}

} // namespace

result<std::unique_ptr<peer_register>>
peer_register::open(const std::filesystem::path& directory) {
  std::unique_ptr<peer_register> made(new peer_register(directory / "peers"));
  // A new directory has no file; the first admission creates it. A file that
  // cannot be read must not count as "no file": each node would then be
  // admitted with any directory.
  std::error_code trouble;
  const bool is_present = std::filesystem::exists(made->file_, trouble);
  const auto unreadable = [&](const std::string& why) {
    return error{errc::storage_failed,
                 "Cannot read " + made->file_.string() + ": " + why + "."};
  };
  if (trouble)
    return unreadable(trouble.message());
  if (!is_present)
    return made;
  std::ifstream in(made->file_);
  if (!in)
    return unreadable(std::strerror(errno));
  const error damaged{errc::storage_damaged,
                      "The file " + made->file_.string()
                        + " is damaged. It records the data directory of each "
                          "other node. If you remove the file, the directories "
                          "are recorded anew when the nodes connect."};
  std::string line;
  std::getline(in, line);
  if (in.bad()) // an error of the disk, or a directory
    return unreadable(std::strerror(errno));
  if (line != header_line)
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
  if (in.bad())
    return unreadable(std::strerror(errno));
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
  auto written = write(was_admitted_);
  if (!written)
    directories_.erase(hello.node);
  return written;
}

result<void> peer_register::record_admission() {
  const std::lock_guard lock(mutex_);
  if (was_admitted_)
    return {};
  // Other threads read the flag without the mutex, so it is set only when the
  // admission is durable.
  if (auto written = write(true); !written)
    return written;
  was_admitted_ = true;
  changed_.notify_all();
  return {};
}

bool peer_register::wait_until_admitted(persistence::duration time_out) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time_out,
                           [this] { return was_admitted_.load(); });
}

/// Replaces the file atomically and durably: writes a new file beside it, syncs
/// the new file, renames it, and syncs the directory. The caller holds
/// `mutex_`.
result<void> peer_register::write(bool is_admitted) const {
  std::string text(header_line);
  text += '\n';
  for (const auto& [node, directory] : directories_)
    text += node + ' ' + directory + '\n';
  if (is_admitted)
    text += std::string(admitted_line) + '\n';
  const std::filesystem::path beside = file_.string() + ".new";
  int code = write_peers_file(beside, text);
  if (code == 0 && ::rename(beside.c_str(), file_.c_str()) != 0)
    code = errno;
  if (code == 0)
    code = sync_peers_directory(file_.parent_path());
  if (code == 0)
    return {};
  return error{errc::storage_failed, "Cannot write " + file_.string() + ": "
                                       + std::strerror(code) + "."};
}

} // namespace perdura::cluster
