// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/peer_register.hpp"

#include "persistence/process/replace_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

// The file is text: this header line, one line for each known node, and the
// line ". admitted" once another node has admitted this one. The line of a node
// has its name, the ID of its directory, the number of its newest start, the
// run of that start ("-" if it is empty) and the time of the adoption in
// microseconds; in format 1, only the name and the ID.
constexpr std::string_view header_line = "perdura peers, format 2";
constexpr std::string_view header_line_1 = "perdura peers, format 1";
constexpr std::string_view admitted_line = ". admitted";

std::string line_of(const node_id& node, const known_peer& known) {
  return node + ' ' + known.directory + ' ' + std::to_string(known.start_number)
         + ' ' + (known.run.empty() ? "-" : known.run) + ' '
         + std::to_string(known.adopted_at.time_since_epoch().count()) + '\n';
}

/// False if the line does not have the form of the format.
bool parse_line(const std::string& line, bool is_format_1, node_id& node,
                known_peer& known) {
  std::istringstream in(line);
  if (!(in >> node >> known.directory))
    return false;
  if (!is_format_1) {
    persistence::duration::rep adopted = 0;
    if (!(in >> known.start_number >> known.run >> adopted))
      return false;
    if (known.run == "-")
      known.run.clear();
    known.adopted_at = persistence::timestamp(persistence::duration(adopted));
  }
  std::string rest;
  return !(in >> rest);
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
                          "are recorded anew when the nodes connect, and an "
                          "older copy of one is not noticed until then."};
  std::string line;
  std::getline(in, line);
  if (in.bad()) // an error of the disk, or a directory
    return unreadable(std::strerror(errno));
  const bool is_format_1 = line == header_line_1;
  if (line != header_line && !is_format_1)
    return damaged;
  while (std::getline(in, line)) {
    if (line == admitted_line) {
      made->was_admitted_ = true;
      continue;
    }
    node_id node;
    known_peer known;
    if (!parse_line(line, is_format_1, node, known))
      return damaged;
    made->known_[node] = std::move(known);
  }
  if (in.bad())
    return unreadable(std::strerror(errno));
  return made;
}

result<void> peer_register::admit(const peer_hello& hello) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(hello.node);
  const bool is_known = found != known_.end();
  auto next = continue_peer(is_known ? &found->second : nullptr, hello);
  if (!next)
    return next.error();
  if (is_known && *next == found->second)
    return {};
  // The record is durable before the node is admitted. Otherwise the node could
  // connect with an older directory after a crash of this process.
  auto before = known_;
  known_[hello.node] = std::move(*next);
  auto written = write(was_admitted_);
  if (!written)
    known_ = std::move(before);
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
  return {};
}

/// Replaces the file atomically and durably. The caller holds `mutex_`.
result<void> peer_register::write(bool is_admitted) const {
  std::string text(header_line);
  text += '\n';
  for (const auto& [node, known] : known_)
    text += line_of(node, known);
  if (is_admitted)
    text += std::string(admitted_line) + '\n';
  if (const auto trouble = persistence::replace_file(file_, text))
    return error{errc::storage_failed, "Cannot write " + file_.string() + ": "
                                         + trouble.message() + "."};
  return {};
}

} // namespace perdura::cluster
