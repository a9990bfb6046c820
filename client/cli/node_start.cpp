// SPDX-License-Identifier: Apache-2.0
#include "client/cli/node_start.hpp"

#include "client/api/node_host.hpp"
#include "client/cli/signal_watch.hpp"
#include "client/cli/table.hpp"
#include "cluster/node/node.hpp"
#include "persistence/process/build_info.hpp"
#include "persistence/records/text.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <chrono>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace perdura::client {

using persistence::without_terminal_escapes;

namespace {

/// A line for each other node that is not connected, with the reason. The
/// node whose name sorts first connects to the other, so this node cannot find
/// out by itself why another one does not connect.
std::string peers_in_the_way(const cluster::node& node) {
  const std::string& own = node.config().cluster.node;
  std::string text;
  for (const cluster::reported_node& one : node.reports()) {
    if (one.node != own || !one.report)
      continue;
    for (const cluster::peer_report& peer : one.report->peers) {
      if (peer.is_up)
        continue;
      text += "  " + peer.node + ": ";
      if (!peer.why.empty())
        text += without_terminal_escapes(peer.why);
      else if (peer.node < own)
        text += "it has not connected to this node. It must run, reach the "
                "address of this node, and have \""
                + own
                + "\" in its list of nodes (cluster.nodes). A node that "
                  "is added to an existing hub owns no partition and cannot "
                  "join.";
      else
        text += "its address cannot be reached.";
      text += '\n';
    }
  }
  return text;
}

} // namespace

void print_banner(node_host& host, const actors::registry& functions,
                  bool temporary, terminal& io) {
  const cluster::node_config& config = host.node().config();
  std::string names;
  for (const auto* each : functions.orchestrators())
    names += (names.empty() ? "" : ", ") + each->name();
  // The names of the samples are wrapped, so that lines have at most 80
  // columns.
  std::vector<std::pair<std::string, std::string>> pairs{
    {"  HTTP", host.url()},
    {"  Metrics", host.url() + "/metrics"},
    {"  Data directory", config.data_dir.string()},
    {"  Partitions", std::to_string(config.partition_count)}};
  if (const std::string keys = host.keys_summary(); !keys.empty())
    pairs.insert(pairs.begin() + 2, {"  Keys", keys});
  // A line that is wrapped ends after a comma.
  constexpr std::size_t width = 60;
  std::string label = "  Samples";
  while (!names.empty()) {
    std::size_t end = names.size();
    if (end > width)
      end = names.rfind(", ", width) + 1;
    pairs.emplace_back(label, names.substr(0, end));
    names.erase(0, std::min(end + 1, names.size()));
    label.clear();
  }
  io.out << "Perdura " << persistence::current_build().version << "\n\n";
  print_pairs(io.out, pairs);
  io.out << '\n';
  if (temporary)
    io.out << "The data is deleted on exit; --data-dir DIR keeps it.\n";
  io.out << "Press Ctrl-C to stop.\n" << std::endl;
}

void wait_for_admission(node_host& host, signal_watch& signals, terminal& io) {
  constexpr auto soon = std::chrono::seconds(1);
  // The time between two checks for a stop signal.
  constexpr auto step = std::chrono::milliseconds(200);
  if (host.node().wait_for_peers(soon) || host.node().wait_until_admitted(step))
    return;
  for (const auto& reason : host.node().unready_reasons())
    if (reason.code == "waiting_for_admission")
      io.out << without_terminal_escapes(reason.message) << std::endl;
  // A first connection takes less time; after it, what is in the way is said,
  // and again when it changes.
  constexpr auto explain_after = std::chrono::seconds(3);
  std::string explained;
  auto next = std::chrono::steady_clock::now() + explain_after;
  while (!signals.stop_requested() && !host.node().wait_until_admitted(step)) {
    if (std::chrono::steady_clock::now() < next)
      continue;
    const std::string why = peers_in_the_way(host.node());
    if (why != explained)
      io.out << why << std::flush;
    explained = why;
    next = std::chrono::steady_clock::now() + explain_after;
  }
}

} // namespace perdura::client
