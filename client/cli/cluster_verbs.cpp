// SPDX-License-Identifier: Apache-2.0
#include "client/cli/cluster_verbs.hpp"

#include "client/cli/cluster_plan.hpp"
#include "client/cli/node_supervisor.hpp"
#include "client/cli/table.hpp"
#include "client/cli/temporary_folder.hpp"
#include "client/http/port_check.hpp"
#include "persistence/process/build_info.hpp"

#include <filesystem>
#include <ostream>
#include <system_error>

namespace perdura::client {

namespace fs = std::filesystem;
using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

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
        return error{free.code(),
                     free.error().message + ' ' + cluster_node_name(i)
                       + " needs it; choose other ports with " + flag + '.'};
    }
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
  table_rows rows{{"  NODE", "PID", "HTTP", "CLUSTER", "DATA DIRECTORY"}};
  for (std::size_t i = 0; i < all.nodes.size(); ++i) {
    const configuration& each = all.nodes[i];
    const std::string& entry = first.cluster.nodes[i];
    rows.push_back({"  " + each.host.node.cluster.node,
                    std::to_string(running.pid_of(each.host.node.cluster.node)),
                    "http://127.0.0.1:" + std::to_string(each.host.http.port),
                    entry.substr(entry.find('=') + 1),
                    all.data_dir_of(each).string()});
  }
  print_table(io, rows,
              {column_kind::fixed, column_kind::fixed, column_kind::fixed,
               column_kind::fixed, column_kind::text});
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
  if (fs::exists(directory, failure) && !fs::is_directory(directory, failure))
    return fail(io, {persistence::errc::invalid_argument,
                     directory.string() + " is not a directory."});
  auto all = plan_cluster(options, directory);
  if (!all)
    return fail(io, all.error());
  if (auto free = check_ports(options, *all); !free)
    return fail(io, free.error());
  if (auto ready = prepare_cluster(*all); !ready)
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
