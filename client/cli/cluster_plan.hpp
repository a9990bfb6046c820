// SPDX-License-Identifier: Apache-2.0
/// The directories and the configuration files of a cluster on this machine:
/// those of a new one, or those that an earlier `perdura cluster up` has
/// created.
#pragma once

#include "client/cli/cluster_verbs.hpp"
#include "client/configuration/configuration.hpp"
#include <perdura/persistence/records/error.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace perdura::client {

/// The name of the node with this index: "node-1" for 0.
std::string cluster_node_name(std::size_t index);

/// The directory and the configuration of each node.
struct planned_cluster {
  std::filesystem::path directory;
  bool is_new = false; ///< True if the data directories do not exist yet.
  /// The rest of an interrupted creation is to be removed first.
  bool is_unfinished = false;
  /// data_dir is relative to `directory`, as in the configuration file.
  std::vector<configuration> nodes;

  std::filesystem::path data_dir_of(const configuration& node) const {
    return directory / node.host.node.data_dir;
  }

  std::filesystem::path file_of(const configuration& node) const {
    return directory / (node.host.node.cluster.node + ".toml");
  }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const configuration& each : nodes)
      all.push_back(each.host.node.cluster.node);
    return all;
  }
};

/// Plans a new cluster, or the cluster that the directory holds.
/// @error errc::invalid_argument  The ports are unusable, or --nodes differs
///                                from the number of nodes in the directory.
/// @error errc::storage_foreign   The directory holds other data, or a part of
///                                a cluster only; the message says which.
/// @error the errors of persistence::read_hub
persistence::result<planned_cluster>
plan_cluster(const cluster_up_options& options,
             const std::filesystem::path& directory);

/// Called with the number of each step of `prepare_cluster`, from 1, after the
/// step. If it returns true, the preparation ends at once, as at a crash. For
/// tests.
using preparation_hook = std::function<bool(std::uint32_t step)>;

/// Creates the data directories of a new cluster and writes all configuration
/// files. The file `cluster.creating` in the directory shows that a creation
/// is not complete: the next `plan_cluster` then plans the cluster anew, and
/// this function removes what the interrupted creation has left. No node has
/// used it, because nodes are started after the creation only.
/// @error errc::shutting_down  `after_step` has ended the preparation.
/// @error the errors of cluster::create_hub
persistence::result<void> prepare_cluster(const planned_cluster& all,
                                          const preparation_hook& after_step
                                          = {});

} // namespace perdura::client
