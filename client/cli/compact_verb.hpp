// SPDX-License-Identifier: Apache-2.0
/// `compact`: returns the free space inside the data files of a stopped node to
/// the disk.
#pragma once

#include "client/cli/terminal.hpp"

#include <string>

namespace perdura::client {

/// Compacts a data directory and prints what was gained; see compact.hpp. No
/// node may be using the directory.
/// Returns exit_ok, exit_instance_failed (1) if the directory is damaged, and
/// the code of the error (2 or 4) otherwise.
int compact_verb(const std::string& data_dir, terminal& io);

} // namespace perdura::client
