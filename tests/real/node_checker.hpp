// SPDX-License-Identifier: Apache-2.0
/// Checks the data directory and the activity runs of a node that was killed or
/// stopped against the invariants of tests/README.md.
#pragma once

#include "real/disk_reading.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace perdura::tests {

/// How often each line `instance/execution/sequence#attempt` is in a witness
/// file. One line stands for one run of an activity.
using witness_counts = std::map<std::string, int>;

witness_counts read_witness(const std::filesystem::path& file);

/// Checks one node while it is stopped, and compares its state with the state
/// at the previous check.
///
/// Covers the invariants I1, I4 to I8 and I11 as far as the node's own
/// directory shows them. Not thread-safe.
class node_checker {
public:
  /// Call while the node does not run. `at_rest` means that it was stopped
  /// after all instances had ended, so no work may be left.
  void check(const disk_reading& now, const witness_counts& witness,
             bool at_rest = false);

  /// One sentence for each violation so far.
  const std::vector<std::string>& violations() const {
    return violations_;
  }

private:
  void check_partitions(const disk_reading& now);
  void check_instance(const std::string& id, const instance_on_disk& now);
  void check_witness(const disk_reading& now, const witness_counts& witness);
  void check_at_rest(const disk_reading& now, const witness_counts& witness);
  void add_violation(std::string sentence);

  disk_reading before_;
  /// The number of runs of each activity whose result is journaled. The number
  /// must not grow any more.
  std::map<std::string, int> done_;
  /// For each witness line: how often the node ended while the activity had no
  /// result yet. Each of these ends allows one more run.
  std::map<std::string, int> repeats_allowed_;
  std::vector<std::string> violations_;
};

} // namespace perdura::tests
