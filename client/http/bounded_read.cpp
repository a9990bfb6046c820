// SPDX-License-Identifier: Apache-2.0
#include "client/http/bounded_read.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

result<std::string> read_bounded(std::istream& in, std::size_t bytes_max,
                                 const std::string& name) {
  // The text grows with what has been read, because most texts are short.
  constexpr std::size_t step = std::size_t{64} * 1024;
  std::string text;
  while (in && text.size() <= bytes_max) {
    const std::size_t before = text.size();
    const std::size_t wanted = std::min(step, bytes_max + 1 - before);
    text.resize(before + wanted);
    in.read(text.data() + before, static_cast<std::streamsize>(wanted));
    text.resize(before + static_cast<std::size_t>(in.gcount()));
  }
  if (text.size() > bytes_max)
    return error{errc::payload_too_large,
                 "Cannot read " + name + ": it has more than "
                   + std::to_string(bytes_max)
                   + " bytes, which is the maximum here."};
  if (in.bad())
    return error{errc::invalid_argument,
                 "Cannot read " + name
                   + ": an error occurred while reading it."};
  return text;
}

result<std::string> read_file_bounded(const std::filesystem::path& file,
                                      std::size_t bytes_max) {
  const std::string name = '"' + file.string() + '"';
  const auto unreadable = [&](const std::string& reason) {
    return error{errc::invalid_argument,
                 "Cannot read " + name + ": " + reason + '.'};
  };
  // On Linux, an ifstream can open a directory; the read then fails, but the
  // stream does not report why.
  std::error_code failure;
  if (std::filesystem::is_directory(file, failure))
    return unreadable("it is a directory");
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in)
    return unreadable(std::generic_category().message(errno));
  return read_bounded(in, bytes_max, name);
}

} // namespace perdura::client
