// SPDX-License-Identifier: Apache-2.0
/// Journals on LMDB for the deterministic node.
#pragma once

#include "tests/support/deterministic_node.hpp"

namespace perdura::tests {

/// Creates a hub in a temporary directory, on a memory file system if there is
/// one, and returns a function that opens a journal on it. The directory is
/// deleted with the last copy of the function.
journal_opener make_lmdb_opener(std::uint32_t partitions);

} // namespace perdura::tests
