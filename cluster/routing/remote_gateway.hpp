/// A gateway into a cluster from a process that is no node: it knows the
/// nodes, asks each partition's owner, and follows them as they go and come.
#pragma once

#include <perdura/cluster/node/node_config.hpp>
#include <perdura/cluster/node/node_report.hpp>
#include <perdura/persistence/records/error.hpp>

#include <memory>
#include <string>
#include <vector>

namespace perdura::actors {
class management_gateway;
} // namespace perdura::actors

namespace perdura::cluster {

class remote_gateway {
public:
  /// `cluster.node` and `listen` are not used; its certificates are a client's.
  /// Returns at once; the nodes are reached meanwhile.
  /// @error errc::invalid_argument  A node list or certificates that cannot be.
  static persistence::result<std::unique_ptr<remote_gateway>>
  open(const cluster_config& cluster);

  /// Closes.
  ~remote_gateway();

  remote_gateway(const remote_gateway&) = delete;
  remote_gateway& operator=(const remote_gateway&) = delete;

  /// May outlive this; then it answers *shutting_down*.
  std::shared_ptr<actors::management_gateway> gateway() const;

  /// Returns when some node, or all that own partitions, can be asked.
  /// @error errc::unavailable  Not within the time; says what is missing.
  persistence::result<void> wait_until_reachable(persistence::duration time_out,
                                                 bool all = false) const;

  /// What each node that owns partitions says of itself. Blocks.
  std::vector<reported_node> reports() const;

  /// Who waits is told; idempotent.
  void close();

private:
  remote_gateway();
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::cluster
