// SPDX-License-Identifier: Apache-2.0
// The routes /client-binding, which describes to SDKs how to reach this node,
// and /metrics.
#include "actors/authoring/json_text_check.hpp"
#include "client/http/api_call.hpp"

namespace perdura::client {

namespace {

using actors::json_string;

/// The common part of the URLs of a binding. They are templates for all
/// instances, so they hold the caller's own key: a token is valid for one
/// instance only.
cluster::management_base binding_base(const api_call& call) {
  cluster::management_base base = call.link_base();
  base.code_of
    = [key = call.requester.key](std::string_view, char) { return key; };
  return base;
}

/// The base URL for the SDKs of other languages, with the key as password: the
/// SDKs append no parameter `code` to this URL, but send its user and password
/// as Basic authorization.
std::string rpc_base_url(std::string origin, const std::string& key) {
  if (!key.empty())
    origin.insert(origin.find("://") + 3,
                  "key:" + cluster::encode_url_part(key) + '@');
  return origin + "/durabletask/";
}

} // namespace

/// @source Durable Functions, the client binding of out-of-process languages.
void get_client_binding(const api_call_ptr& call) {
  const cluster::management_base base = binding_base(*call);
  const std::string whole = base.origin + base.prefix;
  const std::string code
    = call->requester.key.empty()
        ? std::string()
        : "code=" + cluster::encode_url_part(call->requester.key);
  // Never empty: if this value is empty, SDKs assume that the node is too old,
  // and refuse to use the node.
  const std::string required
    = code.empty() ? "taskHub=" + cluster::encode_url_part(base.task_hub)
                   : code;
  const std::string create
    = whole + "/orchestrators/{functionName}[/{instanceId}]";
  const std::string wait
    = "?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}";
  call->respond_json(
    200, "{\"taskHubName\":" + json_string(base.task_hub)
           + ",\"creationUrls\":{\"createNewInstancePostUri\":"
           + json_string(create + (code.empty() ? "" : "?" + code))
           + ",\"createAndWaitOnNewInstancePostUri\":"
           + json_string(create + wait + (code.empty() ? "" : "&" + code))
           + "},\"managementUrls\":"
           + to_json(cluster::make_management_payload(base, "INSTANCEID"))
           + ",\"baseUrl\":" + json_string(whole)
           + ",\"requiredQueryStringParameters\":" + json_string(required)
           + ",\"rpcBaseUrl\":"
           + json_string(rpc_base_url(base.origin, call->requester.key)) + '}');
}

void get_metrics(const api_call_ptr& call) {
  run_blocking(call->context->metrics_calls, call, [call] {
    const management_api_config& config = call->context->config;
    http_gauges gauges;
    gauges.waits = call->context->waits.load();
    if (config.connections)
      gauges.connections = config.connections();
    if (config.buffered_bytes)
      gauges.buffered_bytes = config.buffered_bytes();
    auto counts = config.own_counts
                    ? config.own_counts()
                    : call->context->blocking_client.count_instances();
    if (!counts) {
      call->fail(counts.error());
      return;
    }
    http_response page;
    page.content_type = "text/plain; version=0.0.4; charset=utf-8";
    page.body = metrics_page(call->context->metrics, gauges,
                             config.statistics ? config.statistics()
                                               : cluster::node_statistics{},
                             *counts);
    call->respond(std::move(page));
  });
}

} // namespace perdura::client
