/// What may never be seen of a cluster, whoever was killed: judges what its
/// nodes have on disk and what their activities have witnessed.
#pragma once

#include "real/disk_reading.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace perdura::tests {

/// Lines `instance/execution/sequence#attempt`, and how often each is there.
using witness_counts = std::map<std::string, int>;

witness_counts read_witness(const std::filesystem::path& file);

/// Of one node. Reliability's I1, I4 to I8 and I11, as far as the node's own
/// disk shows them.
class node_oracle {
public:
  /// The node does not run: it was killed, or (`at_rest`) has stopped after
  /// all work had ended.
  void look(const disk_reading& now, const witness_counts& witness,
            bool at_rest = false);

  /// Sentences; none: all is well.
  const std::vector<std::string>& complaints() const {
    return complaints_;
  }

private:
  void look_at_partitions(const disk_reading& now);
  void look_at_instance(const std::string& id, const instance_on_disk& now);
  void look_at_witness(const disk_reading& now, const witness_counts& witness);
  void look_at_rest(const disk_reading& now, const witness_counts& witness);
  void complain(std::string sentence);

  disk_reading before_;
  /// Lines of an activity whose result was journaled: as many for ever.
  std::map<std::string, int> done_;
  /// Lines that stood there without a result when the node ended: each may
  /// come once more for it.
  std::map<std::string, int> repeats_allowed_;
  std::vector<std::string> complaints_;
};

} // namespace perdura::tests
