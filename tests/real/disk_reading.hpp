// SPDX-License-Identifier: Apache-2.0
/// The contents of a stopped node's data directory.
#pragma once

#include "persistence/records/records.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace perdura::tests {

struct instance_on_disk {
  persistence::instance_record record;
  std::string input;
  std::string output;
  std::vector<persistence::history_event> history;
};

struct disk_reading {
  std::map<persistence::instance_id, instance_on_disk> instances;
  /// The partitions that this node owns.
  std::map<persistence::partition_id, persistence::partition_meta> partitions;
  /// `instance/execution/sequence` of each activity whose result is journaled.
  std::set<std::string> results;

  // Unfinished work. All three are 0 after all instances have ended.
  std::size_t turns_due = 0;
  std::size_t activities_open = 0;
  std::size_t outbox_messages = 0;

  std::size_t open_work() const {
    return turns_due + activities_open + outbox_messages;
  }
};

/// Reads the records of all partitions that the node owns.
/// @throws persistence::error_exception  The directory cannot be read, for
///                                       example while its node runs.
disk_reading read_disk(const std::filesystem::path& data_dir);

} // namespace perdura::tests
