// SPDX-License-Identifier: Apache-2.0
/// Reads files and streams that may have no end, e.g. a pipe or a device.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstddef>
#include <filesystem>
#include <iosfwd>
#include <string>

namespace perdura::client {

/// Reads the stream to its end. At most `bytes_max + 1` bytes are read and held
/// in memory.
/// @param name  Names the stream in the error's sentence, e.g. "standard
///              input" or the path of a file in quotes.
/// @error errc::payload_too_large  The stream has more than `bytes_max` bytes.
/// @error errc::invalid_argument   Reading has failed.
persistence::result<std::string>
read_bounded(std::istream& in, std::size_t bytes_max, const std::string& name);

/// Reads a file as a whole.
/// @error errc::payload_too_large  The file has more than `bytes_max` bytes.
/// @error errc::invalid_argument   The file cannot be read, or is a directory.
persistence::result<std::string>
read_file_bounded(const std::filesystem::path& file, std::size_t bytes_max);

} // namespace perdura::client
