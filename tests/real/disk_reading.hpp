/// What a node that does not run has on its disk.
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
  /// Of those that this node owns.
  std::map<persistence::partition_id, persistence::partition_meta> partitions;
  /// `instance/execution/sequence` of each activity whose result is journaled.
  std::set<std::string> results;

  // Work under way; at rest there is none.
  std::size_t turns_due = 0;
  std::size_t activities_open = 0;
  std::size_t outbox_messages = 0;

  std::size_t under_way() const {
    return turns_due + activities_open + outbox_messages;
  }
};

/// @throws persistence::error_exception
disk_reading read_disk(const std::filesystem::path& data_dir);

} // namespace perdura::tests
