// SPDX-License-Identifier: Apache-2.0
#include "client/cli/hub_verbs.hpp"

#include "client/cli/counted_noun.hpp"
#include "client/cli/table.hpp"
#include "client/cli/text_width.hpp"
#include "cluster/node/hub_creation.hpp"
#include "persistence/journal/adopt_hub.hpp"
#include "persistence/records/clock.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <ostream>
#include <system_error>
#include <utility>
#include <vector>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

result<void> check_is_directory(const std::string& data_dir) {
  std::error_code failure;
  const auto found = std::filesystem::status(data_dir, failure);
  if (!std::filesystem::exists(found) || std::filesystem::is_directory(found))
    return {};
  return error{errc::invalid_argument, "Cannot use the data directory "
                                         + data_dir
                                         + ": it is not a directory."};
}

result<void> check_access(const std::string& data_dir) {
  if (auto usable = check_is_directory(data_dir); !usable)
    return usable;
  if (::access(data_dir.c_str(), R_OK | W_OK | X_OK) == 0 || errno != EACCES)
    return {};
  return error{errc::storage_failed, "Cannot use the data directory " + data_dir
                                       + ": permission denied."};
}

result<void> check_data_dir(const configuration& values,
                            const std::string& verb) {
  if (!values.host.node.data_dir.empty())
    return check_access(values.host.node.data_dir.string());
  return error{errc::invalid_argument,
               verb
                 + " needs a data directory: --data-dir DIR, or node.data_dir "
                   "in the file of --config."};
}

int hub_create_verb(const configuration_flags& flags, terminal& io) {
  const sourced_configuration all = gather_configuration(flags);
  if (!all.problems.empty())
    return fail_with_problems(io, all);
  if (auto named = check_data_dir(all.values, "hub create"); !named)
    return fail(io, named.error());
  const cluster::node_config& config = all.values.host.node;
  auto hub = cluster::create_hub(config);
  if (!hub)
    return fail(io, hub.error());
  io.out << "Hub \"" << hub->name << "\" with "
         << counted(hub->partition_count, "partition") << " created in "
         << config.data_dir.string() << ".\n";
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!hub->node.empty()) {
    // In a cluster a node owns only some of the partitions.
    const auto owned = cluster::placement_of(*hub).owned_by(hub->node);
    std::string list;
    for (const auto each : owned)
      list += (list.empty() ? "" : ", ")
              + std::to_string(persistence::index_of(each));
    pairs = {{"  Node", hub->node},
             {"  Owns", counted(owned.size(), "partition") + ": "
                          + (io.size ? shortened(list, 60) : list)}};
  }
  pairs.emplace_back("  Hub ID", hub->hub_id);
  print_pairs(io.out, pairs);
  return exit_ok;
}

int hub_adopt_verb(const std::string& data_dir, bool accepts_loss,
                   terminal& io) {
  if (auto usable = check_access(data_dir); !usable)
    return fail(io, usable.error());
  if (!accepts_loss)
    return fail(
      io, {errc::invalid_argument,
           "An adoption makes " + data_dir
             + " the data directory of its node for all other nodes. What the "
               "node has acknowledged and this directory lacks is lost for "
               "good, and the directory that it replaces is refused from then "
               "on. Nothing was changed; repeat the command with --accept-loss "
               "to do it."});
  const auto hub
    = persistence::adopt_hub(data_dir, persistence::system_clock().now());
  if (!hub)
    return fail(io, hub.error());
  io.out << "Adopted " << data_dir << ".\n";
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!hub->node.empty())
    pairs.emplace_back("  Node", hub->node);
  pairs.emplace_back("  Hub ID", hub->hub_id);
  pairs.emplace_back("  Directory ID", hub->directory_id);
  print_pairs(io.out, pairs);
  if (hub->nodes.size() > 1)
    io.out << "Start the node, and all other nodes: it serves when it has been "
              "connected with each of them.\n";
  return exit_ok;
}

} // namespace perdura::client
