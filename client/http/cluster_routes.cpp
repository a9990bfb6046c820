// SPDX-License-Identifier: Apache-2.0
// The route /perdura/cluster: the reports of all nodes as one JSON object.
#include "actors/authoring/json_text_check.hpp"
#include "client/http/api_call.hpp"
#include "client/http/json.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <algorithm>
#include <set>

namespace perdura::client {

namespace {

using actors::json_string;
using cluster::node_report;
using cluster::reported_node;

/// A JSON array of the texts that `write` returns for the items.
template <class Items, class Write>
std::string json_array(const Items& items, Write&& write) {
  std::string out = "[";
  for (const auto& each : items) {
    if (out.size() > 1)
      out += ',';
    out += write(each);
  }
  return out + ']';
}

/// The time in ISO 8601; null for the epoch, which stands for a missing time.
std::string time_or_null(timestamp at) {
  return at == timestamp{} ? "null" : json_string(to_iso(at));
}

/// The connection to another node, as one node reports it.
std::string peer_json(const cluster::peer_report& peer) {
  return "{\"node\":" + json_string(peer.node)
         + ",\"isUp\":" + (peer.is_up ? "true" : "false")
         + ",\"since\":" + time_or_null(peer.since)
         + ",\"message\":" + json_string(peer.why) + '}';
}

/// The counts by status, with the names of the statuses as keys.
std::string counts_json(const std::vector<std::uint64_t>& counts) {
  std::string out = "{";
  for (std::size_t i = 0; i < counts.size(); ++i)
    out += (i == 0 ? "" : ",")
           + json_string(to_string(static_cast<runtime_status>(i))) + ':'
           + std::to_string(counts[i]);
  return out + '}';
}

/// Names that are in some of the lists, but not in all.
std::set<std::string>
names_not_in_all(const std::vector<const std::vector<std::string>*>& lists) {
  // Each list holds a name once, so `times` counts the lists that hold a name.
  std::map<std::string, std::size_t> times;
  for (const auto* list : lists)
    for (const std::string& name : *list)
      ++times[name];
  std::set<std::string> found;
  for (const auto& [name, count] : times)
    if (count != lists.size())
      found.insert(name);
  return found;
}

/// The entry of one node. A node that cannot be reached has only its name, its
/// partitions and the reason.
std::string node_json(const reported_node& one) {
  std::string out = "{\"node\":" + json_string(one.node) + ",\"isUp\":"
                    + (one.report ? "true" : "false") + ",\"partitions\":"
                    + json_array(one.partitions, [](std::uint32_t each) {
                        return std::to_string(each);
                      });
  if (!one.report)
    return out + ",\"message\":" + json_string(one.why) + '}';
  const node_report& x = *one.report;
  return out + ",\"version\":" + json_string(x.version) + ",\"url\":"
         + json_string(x.url) + ",\"startedAt\":" + time_or_null(x.started_at)
         + ",\"instances\":" + counts_json(x.counts) + ",\"outboxMessages\":"
         + std::to_string(x.outbox_messages) + ",\"lastError\":"
         + (x.last_error.empty() ? "null" : json_string(x.last_error))
         + ",\"lastErrorAt\":" + time_or_null(x.last_error_at)
         + ",\"orchestrators\":" + json_array(x.orchestrators, json_string)
         + ",\"activities\":" + json_array(x.activities, json_string)
         + ",\"isReady\":" + (x.unready.empty() ? "true" : "false")
         + ",\"reasons\":"
         + json_array(x.unready,
                      [](const auto& each) {
                        return reason_json({each.first, each.second});
                      })
         + ",\"peers\":" + json_array(x.peers, peer_json) + '}';
}

} // namespace

// Responds with 200 even if nodes are unreachable; their entries show this.
void get_cluster(const api_call_ptr& call) {
  if (!call->context->config.reports) {
    call->fail({persistence::errc::unsupported,
                "This HTTP API has no node to report on."});
    return;
  }
  run_blocking(call->context->report_calls, call, [call] {
    // Blocks until every node has answered or its time-out has elapsed.
    const auto nodes = call->context->config.reports();
    std::vector<const std::vector<std::string>*> orchestrators;
    std::vector<const std::vector<std::string>*> activities;
    for (const reported_node& one : nodes)
      if (one.report) {
        orchestrators.push_back(&one.report->orchestrators);
        activities.push_back(&one.report->activities);
      }
    // A call of a function fails on a node that has not registered it. So the
    // response lists the functions that are registered on some nodes, but not
    // on all. Unreachable nodes are not compared.
    std::set<std::string> names = names_not_in_all(orchestrators);
    names.merge(names_not_in_all(activities));
    call->respond_json(
      200, "{\"taskHub\":" + json_string(call->context->config.task_hub)
             + ",\"nodes\":" + json_array(nodes, node_json)
             + ",\"differingFunctions\":" + json_array(names, json_string)
             + '}');
  });
}

} // namespace perdura::client
