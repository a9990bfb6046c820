/// Walks everything a data directory holds. Damage in LMDB's own pages can
/// end a process, so the caller runs this in a child (`perdura check`).
#pragma once

#include "persistence/records/error.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::persistence {

struct verification {
  std::uint64_t instances = 0;
  std::uint64_t rows = 0;
  std::uint64_t records = 0;
  std::vector<std::string> problems; ///< Sentences; empty: all is sound.
};

/// More problems than this are not listed.
inline constexpr std::size_t problems_max = 100;

/// Every row's checksum and shape, every index against the rows it stands
/// for, counts, the places of history events, and the journal's records,
/// positions and partition sequences. Changes nothing.
/// @error As of `open_lmdb_journal`, if it cannot be looked at.
result<verification> verify_hub(const std::filesystem::path& directory);

} // namespace perdura::persistence
