/// A hub on LMDB for the deterministic node.
#pragma once

#include "tests/support/deterministic_node.hpp"

namespace perdura::tests {

/// A fresh hub in a directory of its own, in memory if the machine has such a
/// place; gone with the opener.
disk_opener open_on_lmdb(std::uint32_t partitions);

} // namespace perdura::tests
