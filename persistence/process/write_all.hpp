// SPDX-License-Identifier: Apache-2.0
/// Writing a whole text to a file.
#pragma once

#include <string_view>
#include <system_error>

namespace perdura::persistence {

/// Writes the whole text; the system may accept it in parts, and a signal may
/// interrupt it. Returns the reason of a failure; the file may then contain a
/// part of the text. Does not sync. Thread-safe.
std::error_code write_all(int file, std::string_view text);

} // namespace perdura::persistence
