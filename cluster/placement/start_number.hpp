// SPDX-License-Identifier: Apache-2.0
/// The number of starts of a node on its data directory, in the file `start` of
/// the directory. The other nodes remember it: a start with a lower number is
/// one of an older copy of the directory.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

namespace perdura::cluster {

/// One start of a node; see the fields of peer_hello with the same meaning.
struct node_start {
  std::uint64_t number = 0;
  std::string run;
};

/// Raises the number of starts, durably. The first start has the number 1, also
/// if the file is missing. The caller holds the lock of the directory.
/// @error errc::storage_damaged  The file does not have the expected form.
/// @error errc::storage_failed   The file cannot be read or written.
persistence::result<node_start>
begin_start(const std::filesystem::path& directory);

} // namespace perdura::cluster
