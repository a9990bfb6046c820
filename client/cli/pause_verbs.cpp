// SPDX-License-Identifier: Apache-2.0
#include "client/cli/pause_verbs.hpp"

#include "client/cli/json_view.hpp"
#include "client/cli/table.hpp"
#include "cluster/node/management_urls.hpp"
#include "persistence/records/text.hpp"

#include <chrono>
#include <ostream>
#include <thread>
#include <vector>

namespace perdura::client {

namespace {

using persistence::without_terminal_escapes;

// A node that can be reached has a new pause within some milliseconds.
constexpr int report_requests_max = 20;
constexpr std::chrono::milliseconds report_interval{150};

/// The state of one node, from an entry of "nodes".
struct node_state {
  std::string name;
  bool is_reachable = false;
  bool is_done = false; ///< All partitions of the node have the wanted state.
  std::string why;      ///< Why it cannot be reached.
};

std::vector<node_state> states_of(std::string_view body, bool is_paused) {
  std::vector<node_state> found;
  for (const auto each : json_items(json_member(body, "nodes").value_or(""))) {
    node_state& state = found.emplace_back();
    state.name = json_text_member(each, "node");
    if (state.name.empty())
      state.name = "this node";
    const auto paused = json_member(each, "pausedPartitions").value_or("null");
    state.is_reachable = paused != "null";
    state.is_done
      = state.is_reachable
        && paused
             == (is_paused ? json_member(each, "partitions").value_or("")
                           : std::string_view("0"));
    state.why = json_text_member(each, "message");
  }
  return found;
}

/// True if a node that can be reached has not done it yet.
bool waits(const std::vector<node_state>& states) {
  for (const node_state& each : states)
    if (each.is_reachable && !each.is_done)
      return true;
  return false;
}

} // namespace

int pause_verb(node_connection& node, const pause_verb_options& options,
               output_format format, terminal& io) {
  const std::string path = "/perdura/orchestrators/"
                           + cluster::encode_url_part(options.name)
                           + (options.is_paused ? "/pause" : "/unpause")
                           + to_query({{"reason", options.reason}});
  auto reply = node.call_site("POST", path);
  // A repeat changes nothing and reports again.
  for (int i = 0; reply && i < report_requests_max
                  && waits(states_of(reply->body, options.is_paused));
       ++i) {
    std::this_thread::sleep_for(report_interval);
    reply = node.call_site("POST", path);
  }
  if (!reply)
    return fail(io, reply.error());
  const auto states = states_of(reply->body, options.is_paused);
  int code = exit_ok;
  for (const node_state& each : states)
    if (!each.is_done)
      code = exit_unavailable;
  if (format != output_format::table) {
    io.out << (format == output_format::json ? json_pretty(reply->body)
                                             : json_compact(reply->body))
           << '\n';
    return code;
  }
  const std::string name = without_terminal_escapes(options.name);
  io.out << name << (options.is_paused ? " is paused" : " runs again");
  if (states.size() > 1) {
    std::string done;
    for (const node_state& each : states)
      if (each.is_done)
        done += (done.empty() ? " on " : ", ") + each.name;
    io.out << done;
  }
  io.out << ".\n";
  for (const node_state& each : states)
    if (!each.is_done)
      io.out << each.name
             << (each.is_reachable
                   ? " has not done it yet.\n"
                   : " does it when it returns: "
                       + without_terminal_escapes(each.why) + '\n');
  return code;
}

int paused_verb(node_connection& node, output_format format, terminal& io) {
  auto reply = node.call_site("GET", "/perdura/paused");
  if (!reply)
    return fail(io, reply.error());
  const auto all = json_items(reply->body);
  switch (format) {
  case output_format::json:
    io.out << json_pretty(reply->body) << '\n';
    break;
  case output_format::jsonl:
    for (const std::string_view each : all)
      io.out << json_compact(each) << '\n';
    break;
  case output_format::table: {
    if (all.empty()) {
      io.out << "No orchestrator is paused.\n";
      break;
    }
    table_rows rows{{"NAME", "SINCE", "NOT YET ON", "REASON"}};
    for (const std::string_view each : all) {
      std::string missing;
      for (const node_state& state : states_of(each, true))
        if (!state.is_done)
          missing += (missing.empty() ? "" : ",") + state.name;
      rows.push_back(
        {json_text_member(each, "name"), json_text_member(each, "since"),
         missing.empty() ? "-" : missing, json_text_member(each, "reason")});
    }
    print_table(io, rows,
                {column_kind::text, column_kind::fixed, column_kind::text,
                 column_kind::detail});
    break;
  }
  }
  return exit_ok;
}

} // namespace perdura::client
