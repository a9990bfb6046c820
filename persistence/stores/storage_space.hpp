// SPDX-License-Identifier: Apache-2.0
/// How much space the data of a node takes, how much is left, and whether new
/// work is refused for lack of it.
#pragma once

#include <cstdint>
#include <string>

namespace perdura::persistence {

/// Why new starts and events are refused.
enum class full_cause : std::uint8_t {
  none,  ///< They are accepted.
  limit, ///< The stored data exceeds its limit (limits.storage_bytes_max).
  disk,  ///< Too little space is left on the disk and in the data files.
};

/// The result of one measurement. All sizes are in bytes.
struct storage_space {
  full_cause full = full_cause::none;
  std::uint64_t used = 0;        ///< In the pages of all tables.
  std::uint64_t used_max = 0;    ///< The limit of `used`; 0 means none.
  std::uint64_t files = 0;       ///< Taken from the disk by the data files.
  std::uint64_t files_free = 0;  ///< Free pages in the data files.
  std::uint64_t disk_free = 0;   ///< Available on the file system.
  std::uint64_t disk_size = 0;   ///< Size of the file system; 0 if not known.
  std::uint64_t reserve = 0;     ///< Now taken by the disk reserve.
  std::uint64_t reserve_max = 0; ///< Size of a complete reserve; 0 means none.
  /// The records that may be added to the journal before the next measurement
  /// finds the disk full. The greatest number means that it is not known.
  std::uint64_t headroom = static_cast<std::uint64_t>(-1);

  bool operator==(const storage_space&) const = default;
};

/// The cause with its numbers, and what to do; empty if `space.full` is `none`.
std::string full_sentence(const storage_space& space);

/// A size as text, e.g. "0 B", "640 KiB", "1.5 MiB" or "12 GiB".
std::string bytes_text(std::uint64_t bytes);

} // namespace perdura::persistence
