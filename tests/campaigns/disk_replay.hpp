// SPDX-License-Identifier: Apache-2.0
/// Replays the record of a disk_recorder, and makes the states in which a power
/// failure can leave the directory.
///
/// After a power failure the directory contains everything that was synced. Any
/// part of the rest may be there:
/// - each write completely, not at all, or in part: each sector of 512 bytes by
///   itself. A file that became longer may have zeros instead of the bytes;
/// - of the changes of a directory's entries, the first ones in their order. No
///   order is assumed between two directories, or between a directory and the
///   files in it: the sync of a file does not make its entry durable.
#pragma once

#include "campaigns/disk_recorder.hpp"

#include <functional>
#include <optional>
#include <random>

namespace perdura::tests {

inline constexpr std::size_t disk_sector_size = 512;

/// The content of a directory: the bytes of each file by its path; empty for a
/// directory.
using disk_content = std::map<std::string, std::optional<std::string>>;

/// Writes the content to a directory, which it replaces.
void write_content(const std::filesystem::path& directory,
                   const disk_content& content);

/// Reads the content of a directory.
disk_content read_content(const std::filesystem::path& directory);

/// For planted faults: true if the sync of this file or directory, which a
/// record contains, does not make anything durable. `is_write` tells that it is
/// the end of a write with O_DSYNC.
using sync_fault
  = std::function<bool(const recorded_node& node, bool is_write)>;

/// The state of the recorded directory at one moment. `record` must outlive it.
class disk_replay {
public:
  explicit disk_replay(const disk_record& record, sync_fault fault = {});

  /// Goes forward until `count` operations have been executed.
  void run_to(std::size_t count);

  /// All that was written until now, synced or not: what a process sees.
  disk_content written() const;

  /// A state after a power failure at this moment.
  disk_content after_power_failure(std::mt19937_64& random) const;

private:
  /// A write or resize that is not synced. The bytes are a part of a recorded
  /// write.
  struct file_change {
    std::size_t operation = 0;
    std::uint64_t offset = 0; ///< For a resize: the new size.
    std::string_view bytes{};
    bool is_resize = false;
  };

  struct node_state {
    std::string bytes;                      ///< The durable content of a file.
    std::vector<file_change> changes;       ///< Later ones last.
    std::map<std::string, disk_node> names; ///< Durable entries.
    std::vector<std::size_t> name_changes;  ///< Operations.
  };

  using choice = std::function<void(const file_change&, std::string& bytes)>;

  void execute(std::size_t index);
  void sync(node_state& state, std::uint64_t until);
  void sync_write(node_state& state, const disk_operation& write);
  void change_names(std::map<std::string, disk_node>& names,
                    const disk_operation& operation) const;
  disk_content
  content(const std::function<std::size_t(std::size_t)>& name_changes_of,
          const choice& apply_change) const;
  void add_content(const std::map<std::string, disk_node>& names,
                   const std::string& prefix,
                   const std::function<std::size_t(std::size_t)>& taken,
                   const choice& apply_change, disk_content& content) const;
  std::map<std::string, disk_node> names_of(disk_node node,
                                            std::size_t changes) const;

  const disk_record& record_;
  const sync_fault fault_;
  std::size_t executed_ = 0;
  std::vector<node_state> nodes_;
};

} // namespace perdura::tests
