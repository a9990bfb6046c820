// SPDX-License-Identifier: Apache-2.0
#include "client/cli/cluster_plan.hpp"

#include "client/cli/private_file.hpp"
#include "client/configuration/settings.hpp"
#include "cluster/node/hub_creation.hpp"
#include "persistence/journal/hub_directory.hpp"
#include "persistence/process/replace_file.hpp"
#include "persistence/records/identity.hpp"

#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

namespace perdura::client {

namespace fs = std::filesystem;
using persistence::errc;
using persistence::error;
using persistence::hub_identity;
using persistence::result;

namespace {

// The number of nodes of a new cluster if --nodes is not given.
constexpr std::uint32_t nodes_default = 3;

// See prepare_cluster.
constexpr const char* creating_name = "cluster.creating";

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

/// True if the creation of the cluster was not completed.
bool is_unfinished(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / creating_name, ignored);
}

/// True if a data directory contains only what its creation writes. A node that
/// starts adds further files, such as `lock`.
bool is_unused(const fs::path& directory) {
  std::error_code trouble;
  for (fs::directory_iterator each(directory, trouble), end;
       !trouble && each != end; each.increment(trouble)) {
    const std::string name = each->path().filename();
    if (name != "hub" && name != "hub.creating" && !name.starts_with("lane-"))
      return false;
  }
  return !trouble;
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
  if (is_unfinished(directory)) {
    for (const std::string& name : found)
      if (!is_unused(directory / name))
        return foreign(
          directory.string()
          + " was left incomplete by a `perdura cluster up` that was "
            "interrupted, and "
          + name
          + " has been used since or contains other files. Move it to another "
            "directory, and repeat the command; or name another directory with "
            "--data-dir.");
    return std::optional<hub_identity>();
  }
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

/// One creation of the directories and files of a cluster.
class cluster_creation {
public:
  cluster_creation(const planned_cluster& all, const preparation_hook& hook)
    : all_(all), hook_(hook) {}

  result<void> run() {
    if (auto there = make_private_directory(all_.directory); !there)
      return there;
    if (const auto done = step(); !done)
      return done;
    if (!all_.is_new)
      return write_configurations();
    if (const auto trouble
        = persistence::replace_file(marker(), "perdura cluster, creating\n"))
      return failed("write", marker(), trouble);
    if (const auto done = step(); !done)
      return done;
    if (all_.is_unfinished)
      if (const auto removed = remove_nodes(); !removed)
        return removed;
    if (auto made = make_hubs(); !made) {
      if (made.code() == errc::shutting_down)
        return made;
      // An incomplete cluster is never left behind.
      static_cast<void>(remove_nodes());
      static_cast<void>(persistence::remove_file(marker()));
      return made;
    }
    if (auto written = write_configurations(); !written)
      return written;
    if (const auto trouble = persistence::remove_file(marker()))
      return failed("remove", marker(), trouble);
    return step();
  }

private:
  fs::path marker() const {
    return all_.directory / creating_name;
  }

  static error failed(const std::string& what, const fs::path& path,
                      const std::error_code& why) {
    return {errc::storage_failed, "Cannot " + what + ' ' + path.string() + ": "
                                    + why.message() + '.'};
  }

  result<void> step() {
    if (hook_ && hook_(++steps_))
      return error{errc::shutting_down, "the creation was interrupted"};
    return {};
  }

  /// Removes the data directories that no node has used.
  result<void> remove_nodes() {
    for (const std::string& name : nodes_in(all_.directory)) {
      std::error_code trouble;
      fs::remove_all(all_.directory / name, trouble);
      if (trouble)
        return failed("remove", all_.directory / name, trouble);
      if (const auto done = step(); !done)
        return done;
    }
    return {};
  }

  result<void> make_hubs() {
    for (const configuration& each : all_.nodes) {
      cluster::node_config config = each.host.node;
      config.data_dir = all_.data_dir_of(each);
      const auto hub = cluster::describe_hub(config);
      if (!hub)
        return hub.error();
      if (auto made
          = persistence::create_hub(config.data_dir, *hub, {},
                                    hook_ ? persistence::creation_hook(
                                      [this](std::uint32_t) { return !step(); })
                                          : persistence::creation_hook());
          !made)
        return made;
    }
    return {};
  }

  result<void> write_configurations() {
    for (const configuration& each : all_.nodes) {
      if (auto ok = replace_file(all_.file_of(each), toml_of(each)); !ok)
        return ok;
      if (const auto done = step(); !done)
        return done;
    }
    return {};
  }

  const planned_cluster& all_;
  const preparation_hook& hook_;
  std::uint32_t steps_ = 0;
};

} // namespace

std::string cluster_node_name(std::size_t index) {
  return "node-" + std::to_string(index + 1);
}

result<planned_cluster> plan_cluster(const cluster_up_options& options,
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
  all.is_unfinished = is_unfinished(directory);
  const std::string id = *hub ? (*hub)->hub_id : persistence::random_hex32();
  std::vector<std::string> entries;
  for (std::uint32_t i = 0; i < count; ++i)
    entries.push_back(cluster_node_name(i) + "=127.0.0.1:"
                      + std::to_string(options.cluster_port + i));
  for (std::uint32_t i = 0; i < count; ++i) {
    configuration& each = all.nodes.emplace_back();
    cluster::node_config& node = each.host.node;
    node.data_dir = cluster_node_name(i);
    node.hub_id = id;
    if (*hub) {
      node.task_hub = (*hub)->name;
      node.partition_count = (*hub)->partition_count;
    } else if (options.partitions) {
      node.partition_count = *options.partitions;
    }
    node.cluster.node = cluster_node_name(i);
    node.cluster.nodes = entries;
    each.host.http.port = static_cast<std::uint16_t>(options.http_port + i);
    // All nodes print to one terminal: only warnings and errors are logged.
    each.log.level = persistence::log_level::warning;
  }
  return all;
}

result<void> prepare_cluster(const planned_cluster& all,
                             const preparation_hook& after_step) {
  return cluster_creation(all, after_step).run();
}

} // namespace perdura::client
