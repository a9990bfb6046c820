// SPDX-License-Identifier: Apache-2.0
/// The layout of a data directory, and the creation of the hub in it.
///
///   DIR/            mode 0700
///     hub           format number and identity
///     hub.creating  the same content, until the creation is complete
///     hub.adopting  the new identity, until an adoption is complete
///     lock          see directory_lock.hpp
///     reserve       preallocated file, see disk_guard.hpp
///     lane-0/journal/data.mdb
///     lane-0/views/data.mdb
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/journal_record.hpp"
#include "persistence/stores/lmdb_store.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace perdura::persistence {

/// Format number of the data directory as a whole, for new directories. A
/// program refuses a directory with a number that it does not know.
/// 1: the first release.
/// 2: the journals have a header (see `journal_header`); records of instances
///    and starts of sub-orchestrations contain the place in the tree.
/// 3: timers with a delay are due by the elapsed time of their partition, whose
///    anchor is in `partition_meta`; the value of a row of `table::due` is the
///    scale of its time. The timers of an older directory are due when as much
///    time has passed as the wall clock shows at the first start.
/// Opening the journal of an older directory raises its number.
inline constexpr std::uint32_t storage_format = 3;
inline constexpr std::uint32_t storage_format_oldest = 1;

/// The content of the file `hub`.
struct hub_file {
  std::uint32_t format = storage_format;
  hub_identity hub;
};

/// Called with the number of each step of a creation, from 1, after the step.
/// If it returns true, the creation ends at once, as at a crash. For tests.
using creation_hook = std::function<bool(std::uint32_t step)>;

/// Creates a hub in a directory that is new or empty, or that contains the
/// rest of an interrupted creation. Missing parent directories are created with
/// mode 0700. Each partition gets a random `partition_meta::incarnation`. The
/// map sizes apply to the creation only.
///
/// The file `hub.creating` is written first and becomes the file `hub` last.
/// The rest of an interrupted creation is therefore recognised, and replaced by
/// the new hub. Only files that a creation has written and no node has used are
/// removed: LMDB files without any turn.
/// @error errc::storage_in_use   The directory contains a hub already, or
///                               another process is creating one.
/// @error errc::storage_foreign  The directory contains other files.
/// @error errc::storage_failed   A system call failed. The message names the
///                               file.
/// @error errc::shutting_down    `after_step` has ended the creation.
/// @error errc::invalid_argument The partition count or the lane count is out
///                               of range.
result<void> create_hub(const std::filesystem::path& directory,
                        const hub_identity& hub,
                        const lmdb_map_sizes& map_bytes = {},
                        const creation_hook& after_step = {});

/// Reads the identity of the hub in a directory. Takes no lock.
/// @error errc::storage_missing  The directory does not exist, is empty, or
///                               contains no hub.
/// @error errc::storage_format   The directory has an unknown format number.
///                               The message contains both numbers.
/// @error errc::storage_damaged  The file `hub` cannot be read as it was
///                               written.
/// @error errc::storage_failed   The file `hub` exists but cannot be opened.
result<hub_identity> read_hub(const std::filesystem::path& directory);

/// As `read_hub`, with the format number.
result<hub_file> read_hub_file(const std::filesystem::path& directory);

/// Writes the file `hub` again, with `storage_format`. The caller holds the
/// lock of the directory and has raised the formats of all lanes.
/// @error errc::storage_failed  A system call failed.
result<void> raise_hub_format(const std::filesystem::path& directory,
                              const hub_identity& hub);

/// The content of the file `hub`, and of the file `hub.adopting` (see
/// adopt_hub.hpp).
std::string encode_hub_file(const hub_identity& hub);

/// Reads a file with such a content in the directory; no value if there is
/// none.
/// @error errc::storage_format   The file has an unknown format number.
/// @error errc::storage_damaged  The file cannot be read as it was written.
/// @error errc::storage_failed   The file exists but cannot be opened.
result<std::optional<hub_file>>
read_hub_file_named(const std::filesystem::path& directory,
                    const std::string& name);

/// Each function returns the path of one LMDB environment of a lane, its
/// journal or its views. `directory` is the data directory.
std::filesystem::path journal_directory(const std::filesystem::path& directory,
                                        std::uint32_t lane);
std::filesystem::path views_directory(const std::filesystem::path& directory,
                                      std::uint32_t lane);

/// Returns the stored form of a header, and reads it.
/// @error errc::storage_damaged  The bytes are not those of a header.
std::string encode_journal_header(const journal_header& header);
result<journal_header> decode_journal_header(std::string_view bytes);

} // namespace perdura::persistence
