/// `check`: looks for damage in a data directory that no node uses.
#pragma once

#include "client/cli/terminal.hpp"

#include <string>

namespace perdura::client {

/// Walks every row and record, in a process of its own, because damaged pages
/// can end the one that reads them. Exit code 1 if there is damage.
int check_verb(const std::string& data_dir, terminal& io);

} // namespace perdura::client
