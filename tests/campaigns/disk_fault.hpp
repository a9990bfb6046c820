// SPDX-License-Identifier: Apache-2.0
/// Makes one write, sync or allocation of a data file below a directory fail:
/// of a file with the name data.mdb. The
/// functions of the C library that disk_recorder.cpp defines ask `next_fault`
/// before they call the original ones.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace perdura::tests {

enum class disk_call : std::uint8_t { write, sync, allocate };

enum class fault_kind : std::uint8_t {
  none,
  no_space,    ///< Nothing is done; ENOSPC.
  io_error,    ///< Nothing is done; EIO.
  short_write, ///< Half of the bytes are written. A sync: EIO.
  late_error,  ///< Done as a whole, but EIO is reported.
  kill_before, ///< The process is killed before the call: the call hangs.
  kill_after,  ///< The process is killed after the call.
  no_blocks,   ///< Allocations fail with ENOSPC, `repeats` times.
  /// Planted: success is reported, and nothing is done. Then the process is
  /// killed at the next call.
  dropped,
};

/// The call that fails. Calls are counted from 1 on, those of all data files
/// below `directory` together; for `no_blocks`, only allocations are counted.
struct disk_fault {
  std::filesystem::path directory;
  std::uint64_t at = 0;
  fault_kind kind = fault_kind::none;
  std::uint64_t repeats = 1;
};

/// The counts of the calls so far. May lie in memory that is shared with
/// another process.
struct fault_progress {
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> allocations{0};
  std::atomic<bool> is_hit{false};
};

/// Sets the fault of this process; both objects must exist until the process
/// ends or null is set.
void set_disk_fault(const disk_fault* fault, fault_progress* progress);

/// Counts a call and returns what is to happen to it.
fault_kind next_fault(disk_call call, int file);

} // namespace perdura::tests
