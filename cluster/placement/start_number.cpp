// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/start_number.hpp"

#include "persistence/process/replace_file.hpp"
#include "persistence/records/identity.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <string_view>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

// The file is text: this line, and a line with the number.
constexpr std::string_view start_file_head = "perdura start, format 1";

/// Returns 0 if there is no file.
result<std::uint64_t> read_start_number(const std::filesystem::path& file) {
  const auto unreadable = [&](const std::string& why) {
    return error{errc::storage_failed,
                 "Cannot read " + file.string() + ": " + why + "."};
  };
  std::error_code trouble;
  const bool is_present = std::filesystem::exists(file, trouble);
  if (trouble)
    return unreadable(trouble.message());
  if (!is_present)
    return std::uint64_t{0};
  std::ifstream in(file);
  if (!in)
    return unreadable(std::strerror(errno));
  std::string head;
  std::string rest;
  std::uint64_t number = 0;
  std::getline(in, head);
  if (in.bad()) // an error of the disk, or a directory
    return unreadable(std::strerror(errno));
  if (head == start_file_head && in >> number && !(in >> rest)
      && number < std::numeric_limits<std::uint64_t>::max())
    return number;
  return error{errc::storage_damaged,
               "The file " + file.string()
                 + " is damaged. It counts the starts of this node, and the "
                   "other nodes accept no lower number. Restore the file from "
                   "a backup; or remove it, and if the other nodes then refuse "
                   "this one, run `perdura hub adopt DIR --accept-loss`."};
}

} // namespace

result<node_start> begin_start(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "start";
  const auto before = read_start_number(file);
  if (!before)
    return before.error();
  const node_start next{*before + 1, persistence::random_hex32()};
  if (const auto trouble
      = persistence::replace_file(file, std::string(start_file_head) + '\n'
                                          + std::to_string(next.number) + '\n'))
    return error{errc::storage_failed, "Cannot write " + file.string() + ": "
                                         + trouble.message() + "."};
  return next;
}

} // namespace perdura::cluster
