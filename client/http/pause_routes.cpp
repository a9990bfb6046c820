// SPDX-License-Identifier: Apache-2.0
// The routes that pause orchestrators by name, and the list of those that are
// paused, as the reports of all nodes show them.
#include "actors/authoring/json_text_check.hpp"
#include "client/http/api_call.hpp"
#include "client/http/json.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <algorithm>
#include <map>

namespace perdura::client {

namespace {

using actors::json_string;
using cluster::paused_name;
using cluster::reported_node;

/// The entry of one node: in how many of its partitions the name is paused. A
/// node that cannot be reached has no number, and the reason.
std::string paused_node_json(const reported_node& node,
                             const std::string& name) {
  std::string out = "{\"node\":" + json_string(node.node) + ",\"partitions\":"
                    + std::to_string(node.partitions.size());
  if (!node.report)
    return out + ",\"pausedPartitions\":null,\"message\":"
           + json_string(node.why) + '}';
  std::uint32_t paused = 0;
  for (const paused_name& each : node.report->paused)
    if (each.name == name)
      paused = each.partitions;
  return out + ",\"pausedPartitions\":" + std::to_string(paused) + '}';
}

std::string paused_nodes_json(const std::vector<reported_node>& nodes,
                              const std::string& name) {
  std::string out = "[";
  for (const reported_node& each : nodes)
    out += (out.size() > 1 ? "," : "") + paused_node_json(each, name);
  return out + ']';
}

std::vector<reported_node> reports_of(const api_call& call) {
  const auto& ask = call.context->config.reports;
  return ask ? ask() : std::vector<reported_node>{};
}

} // namespace

// A node that has not reported the change yet, or is away, takes it later.
void pause_orchestrator(const api_call_ptr& call, const std::string& name,
                        bool is_paused) {
  call->client().pause_orchestrator(
    name, is_paused, call->text("reason"),
    [call, name, is_paused](const result<void>& done) {
      if (!done) {
        call->fail(done.error());
        return;
      }
      const auto respond = [call, name, is_paused](const auto& nodes) {
        call->respond_json(
          202, "{\"name\":" + json_string(name)
                 + ",\"isPaused\":" + (is_paused ? "true" : "false")
                 + ",\"nodes\":" + paused_nodes_json(nodes, name) + '}');
      };
      // The reports block until every node has answered. The change is done, so
      // without a thread for them the response has none.
      if (!call->context->report_calls.submit(
            [call, respond] { respond(reports_of(*call)); }))
        respond(std::vector<reported_node>());
    });
}

void list_paused(const api_call_ptr& call) {
  run_blocking(call->context->report_calls, call, [call] {
    const auto nodes = reports_of(*call);
    // If several nodes report a name, the newest request is shown.
    std::map<std::string, paused_name> all;
    for (const reported_node& node : nodes)
      if (node.report)
        for (const paused_name& each : node.report->paused)
          if (paused_name& known = all[each.name];
              known.name.empty() || known.since < each.since)
            known = each;
    std::string body = "[";
    for (const auto& [name, each] : all)
      body += (body.size() > 1 ? "," : "") + ("{\"name\":" + json_string(name))
              + ",\"since\":" + json_string(to_iso(each.since))
              + ",\"reason\":" + json_string(each.reason)
              + ",\"nodes\":" + paused_nodes_json(nodes, name) + '}';
    call->respond_json(200, body + ']');
  });
}

} // namespace perdura::client
