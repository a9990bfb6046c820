// SPDX-License-Identifier: Apache-2.0
/// Takes space from the disk for a data file before a transaction needs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>

namespace perdura::persistence {

/// Keeps blocks allocated behind the end of a data file, so that a write that
/// extends the file cannot fail because the disk is full: that there is no
/// space is noticed before anything is written. The size of the file does not
/// change.
///
/// A file system that copies a block when it is overwritten, such as Btrfs,
/// may need further space; there, a full disk can still end a write.
///
/// Used by one thread at a time.
class file_growth {
public:
  /// @param file     A descriptor of the file; not closed by this class.
  /// @param release  Called with the number of missing bytes if the disk has no
  ///                 space. Returns true if it has released some. May be empty.
  file_growth(int file, std::function<bool(std::uint64_t)> release)
    : file_(file), release_(std::move(release)) {}

  /// Allocates the blocks of `bytes` bytes from `end` on, and some more, so
  /// that most calls find them allocated. The first call also allocates missing
  /// blocks before `end`.
  /// @return False if the disk has no space.
  bool prepare(std::uint64_t end, std::uint64_t bytes);

private:
  bool allocate(std::uint64_t from, std::uint64_t to);

  const int file_;
  const std::function<bool(std::uint64_t)> release_;
  std::uint64_t allocated_to_ = 0; ///< All blocks before it are allocated.
};

/// The space that a file takes on the disk, in bytes; 0 if it cannot be
/// determined.
std::uint64_t bytes_on_disk(int file);

/// Allocates the blocks of a file that is about to be mapped: a write to a hole
/// of a mapped file on a full disk would end the process with SIGBUS. Creates
/// the file if it does not exist, and extends it to `bytes`.
/// @return False if the disk has no space. If the file cannot be opened, the
///         result is true: the caller's own opening reports why.
bool allocate_mapped_file(const std::filesystem::path& path, std::size_t bytes);

} // namespace perdura::persistence
