// SPDX-License-Identifier: Apache-2.0
#include "client/cli/cluster_verbs.hpp"

#include "client/cli/node_supervisor.hpp"
#include "client/cli/private_file.hpp"
#include "client/cli/temporary_folder.hpp"
#include "client/configuration/settings.hpp"
#include "client/http/port_check.hpp"
#include "cluster/node/hub_creation.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/process/build_info.hpp"
#include "persistence/records/identity.hpp"

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <set>
#include <system_error>

namespace perdura::client {

namespace fs = std::filesystem;
using persistence::errc;
using persistence::error;
using persistence::hub_identity;
using persistence::result;

namespace {

// The number of nodes of a new cluster if --nodes is not given.
constexpr std::uint32_t nodes_default = 3;

/// The name of the node with this index: "node-1" for 0.
std::string node_name(std::size_t i) {
  return "node-" + std::to_string(i + 1);
}

/// Joins the names to one text, e.g. "node-1, node-2 and node-3".
std::string joined_names(const std::vector<std::string>& names) {
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i)
    all += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return all;
}

/// The names of the non-empty subdirectories that are named like "node-1".
std::set<std::string> nodes_in(const fs::path& directory) {
  std::set<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename();
    const bool is_named
      = name.starts_with("node-") && name.size() > 5
        && name.find_first_not_of("0123456789", 5) == std::string::npos;
    if (is_named && entry.is_directory(ignored)
        && !fs::is_empty(entry.path(), ignored))
      found.insert(name);
  }
  return found;
}

/// The task hub that earlier runs created in this directory; nothing if the
/// directory holds no node.
/// @error errc::storage_foreign  The directory holds other data, or only a part
///                               of a cluster; the message says which.
/// @error the errors of persistence::read_hub
result<std::optional<hub_identity>> find_hub(const fs::path& directory) {
  const auto foreign = [](const std::string& sentence) {
    return error{errc::storage_foreign, sentence};
  };
  if (persistence::read_hub(directory))
    return foreign(directory.string()
                   + " is itself the data directory of a node; name another "
                     "directory with --data-dir.");
  const std::set<std::string> found = nodes_in(directory);
  if (found.empty())
    return std::optional<hub_identity>();
  std::optional<hub_identity> first;
  for (const std::string& name : found) {
    const std::string where = (directory / name).string();
    auto hub = persistence::read_hub(where);
    if (!hub)
      return hub.error();
    if (hub->node != name)
      return foreign(where + " holds the data of "
                     + (hub->node.empty() ? std::string("a single node")
                                          : "node \"" + hub->node + '"')
                     + ", not of " + name + '.');
    if (first
        && (first->hub_id != hub->hub_id || first->nodes != hub->nodes
            || first->owners != hub->owners))
      return foreign(where + " belongs to another task hub (" + hub->hub_id
                     + ") than " + first->node + " (" + first->hub_id + ").");
    if (!first)
      first = std::move(*hub);
  }
  std::vector<std::string> missing;
  for (const std::string& name : first->nodes)
    if (!found.contains(name))
      missing.push_back(name);
  if (!missing.empty())
    return foreign(directory.string() + " holds "
                   + joined_names({found.begin(), found.end()}) + ", but not "
                   + joined_names(missing)
                   + ", whose partitions would be lost. Put the data back, or "
                     "name another directory with --data-dir.");
  return first;
}

/// The directory and the configuration of each node.
struct planned_cluster {
  fs::path directory;
  bool is_new = false; ///< True if the data directories do not exist yet.
  /// data_dir is relative to `directory`, as in the configuration file.
  std::vector<configuration> nodes;

  fs::path data_dir_of(const configuration& node) const {
    return directory / node.host.node.data_dir;
  }

  fs::path file_of(const configuration& node) const {
    return directory / (node.host.node.cluster.node + ".toml");
  }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const configuration& each : nodes)
      all.push_back(each.host.node.cluster.node);
    return all;
  }
};

/// @error errc::invalid_argument  A port is above 65535, or the HTTP ports and
///                                the cluster ports overlap.
result<void> check_ranges(const cluster_up_options& options,
                          std::uint32_t nodes) {
  const std::uint32_t http = options.http_port;
  const std::uint32_t cluster = options.cluster_port;
  constexpr std::uint32_t port_max = 65535;
  for (const auto& [port, flag] :
       {std::pair(http, "--http-port"), std::pair(cluster, "--cluster-port")})
    if (port + nodes - 1 > port_max)
      return error{errc::invalid_argument,
                   std::to_string(nodes) + " ports from " + std::to_string(port)
                     + " on (" + flag + ") exceed 65535."};
  // Two intervals of the same length overlap if each begins before the other
  // ends.
  if (http < cluster + nodes && cluster < http + nodes)
    return error{errc::invalid_argument,
                 "The ports of --http-port and --cluster-port overlap: each "
                 "node uses one port of both, and the ports are consecutive."};
  return {};
}

/// Plans a new cluster, or the cluster that the directory holds.
/// @error errc::invalid_argument  The ports are unusable, or --nodes differs
///                                from the number of nodes in the directory.
/// @error errc::storage_foreign   See find_hub.
result<planned_cluster> plan(const cluster_up_options& options,
                             const fs::path& directory) {
  auto hub = find_hub(directory);
  if (!hub)
    return hub.error();
  // The numbers of nodes and partitions of an existing cluster cannot change;
  // its ports can.
  const auto stored
    = *hub ? static_cast<std::uint32_t>((*hub)->nodes.size()) : 0U;
  const std::uint32_t count
    = options.nodes.value_or(*hub ? stored : nodes_default);
  if (*hub && count != stored)
    return error{errc::invalid_argument,
                 directory.string() + " holds a cluster of "
                   + std::to_string(stored) + " nodes, not "
                   + std::to_string(count)
                   + ": partitions that hold data cannot be moved. Omit "
                     "--nodes, or name another directory with "
                     "--data-dir."};
  if (auto fits = check_ranges(options, count); !fits)
    return fits.error();
  planned_cluster all;
  all.directory = directory;
  all.is_new = !*hub;
  const std::string id = *hub ? (*hub)->hub_id : persistence::random_hex32();
  std::vector<std::string> entries;
  for (std::uint32_t i = 0; i < count; ++i)
    entries.push_back(
      node_name(i) + "=127.0.0.1:" + std::to_string(options.cluster_port + i));
  for (std::uint32_t i = 0; i < count; ++i) {
    configuration& each = all.nodes.emplace_back();
    cluster::node_config& node = each.host.node;
    node.data_dir = node_name(i);
    node.hub_id = id;
    if (*hub) {
      node.task_hub = (*hub)->name;
      node.partition_count = (*hub)->partition_count;
    } else if (options.partitions) {
      node.partition_count = *options.partitions;
    }
    node.cluster.node = node_name(i);
    node.cluster.nodes = entries;
    each.host.http.port = static_cast<std::uint16_t>(options.http_port + i);
    // All nodes print to one terminal: only warnings and errors are logged.
    each.log.level = persistence::log_level::warning;
  }
  return all;
}

/// @error errc::unavailable  A port is in use; the message names the first such
///                           port and its option.
result<void> check_ports(const cluster_up_options& options,
                         const planned_cluster& all) {
  for (std::size_t i = 0; i < all.nodes.size(); ++i)
    for (const auto& [first, flag] :
         {std::pair(options.http_port, "--http-port"),
          std::pair(options.cluster_port, "--cluster-port")}) {
      auto free = check_loopback_port(static_cast<std::uint16_t>(first + i));
      if (!free)
        return error{free.code(), free.error().message + ' ' + node_name(i)
                                    + " needs it; choose other ports with "
                                    + flag + '.'};
    }
  return {};
}

/// Creates the data directory of each node. If one directory cannot be created,
/// all directories are removed, so that an incomplete cluster is never left
/// behind.
/// @error the errors of cluster::create_hub
result<void> make_hubs(const planned_cluster& all) {
  for (std::size_t i = 0; i < all.nodes.size(); ++i) {
    cluster::node_config config = all.nodes[i].host.node;
    config.data_dir = all.data_dir_of(all.nodes[i]);
    auto made = cluster::create_hub(config);
    if (made)
      continue;
    std::error_code ignored;
    for (std::size_t j = 0; j <= i; ++j)
      fs::remove_all(all.data_dir_of(all.nodes[j]), ignored);
    return made.error();
  }
  return {};
}

/// The configuration file of a node: the settings that differ from the
/// defaults.
std::string toml_of(const configuration& node) {
  std::string text
    = "# Written by `perdura cluster up`, and overwritten at each start.\n";
  std::string_view section;
  for (const setting& each : settings()) {
    const setting_value value = each.get(node);
    if (value == each.get(configuration()))
      continue;
    if (each.section() != section) {
      section = each.section();
      text += "\n[" + std::string(section) + "]\n";
    }
    text += std::string(each.key()) + " = " + as_toml(each.kind, value) + '\n';
  }
  return text;
}

/// Creates the data directories of a new cluster and writes all configuration
/// files.
result<void> prepare(const planned_cluster& all) {
  if (auto there = make_private_directory(all.directory); !there)
    return there;
  if (all.is_new)
    if (auto made = make_hubs(all); !made)
      return made;
  for (const configuration& each : all.nodes)
    if (auto ok = replace_file(all.file_of(each), toml_of(each)); !ok)
      return ok;
  return {};
}

/// Prints the addresses, process IDs and directories of the nodes.
void print_banner(const planned_cluster& all, const node_supervisor& running,
                  bool temporary, terminal& io) {
  const cluster::node_config& first = all.nodes.front().host.node;
  io.out << "Perdura " << persistence::current_build().version
         << ", a cluster on this machine\n\n";
  print_pairs(io.out, {{"  Hub ID", first.hub_id},
                       {"  Partitions", std::to_string(first.partition_count)},
                       {"  Nodes", std::to_string(all.nodes.size())}});
  io.out << '\n';
  std::vector<std::vector<std::string>> rows{
    {"  NODE", "PID", "HTTP", "CLUSTER", "DATA DIRECTORY"}};
  for (std::size_t i = 0; i < all.nodes.size(); ++i) {
    const configuration& each = all.nodes[i];
    const std::string& entry = first.cluster.nodes[i];
    rows.push_back({"  " + each.host.node.cluster.node,
                    std::to_string(running.pid_of(each.host.node.cluster.node)),
                    "http://127.0.0.1:" + std::to_string(each.host.http.port),
                    entry.substr(entry.find('=') + 1),
                    all.data_dir_of(each).string()});
  }
  print_table(io.out, rows);
  io.out << '\n';
  if (temporary)
    io.out << "The data is deleted on exit; --data-dir DIR keeps it.\n";
  io.out << "Press Ctrl-C to stop.\n" << std::endl;
}

/// A node stops within the sum of the `stop_patience` of the node and that of
/// its HTTP server. The supervisor waits 5 s longer before it kills the node.
supervisor_times times_of(const configuration& node) {
  supervisor_times times;
  times.stop_max
    = std::chrono::ceil<std::chrono::milliseconds>(
        node.host.node.stop_patience + node.host.http.stop_patience)
      + std::chrono::seconds(5);
  return times;
}

} // namespace

int cluster_up_verb(const cluster_up_options& options, terminal& io) {
  // Declared first, because the directory must outlive the nodes that use it.
  temporary_folder folder;
  // The supervisor blocks Ctrl-C before any directory is created, so that no
  // data directory is left incomplete.
  node_supervisor running(io, times_of(configuration()));
  fs::path directory = options.data_dir;
  if (directory.empty()) {
    if (auto made = folder.make("perdura-cluster"); !made)
      return fail(io, made.error());
    directory = folder.path();
  }
  std::error_code failure;
  if (const fs::path whole = fs::absolute(directory, failure); !failure)
    directory = whole.lexically_normal();
  auto all = plan(options, directory);
  if (!all)
    return fail(io, all.error());
  if (auto free = check_ports(options, *all); !free)
    return fail(io, free.error());
  if (auto ready = prepare(*all); !ready)
    return fail(io, ready.error());
  std::vector<supervised_node> nodes;
  for (const configuration& each : all->nodes)
    nodes.push_back({each.host.node.cluster.node,
                     {"serve", "--config", all->file_of(each).string()}});
  if (auto started = running.start(nodes); !started) {
    const int code = fail(io, started.error());
    running.stop();
    return code;
  }
  if (!running.stop_requested()) {
    print_banner(*all, running, !folder.path().empty(), io);
    running.serve();
  }
  running.stop();
  return exit_ok;
}

} // namespace perdura::client
