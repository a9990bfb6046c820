/// What the door tells of itself: how clients reach it, what it counts.
#include "actors/authoring/json_text_check.hpp"
#include "client/http/api_call.hpp"

namespace perdura::client {

namespace {

using actors::json_string;

/// The links of a binding carry the key that the caller showed: they are
/// templates, and a token is for one instance.
cluster::management_base binding_base(const api_call& call) {
  cluster::management_base base = call.links();
  base.code_of = [key = call.who.key](std::string_view, char) { return key; };
  return base;
}

/// With a key, it stands there as a password: the clients for other languages
/// send no `code` to this address, but what the URL has.
std::string rpc_base_url(std::string origin, const std::string& key) {
  if (!key.empty())
    origin.insert(origin.find("://") + 3,
                  "key:" + cluster::encode_url_part(key) + '@');
  return origin + "/durabletask/";
}

} // namespace

/// @source Contract §2.9, the binding for out-of-process clients.
void get_client_binding(const api_call_ptr& call) {
  const cluster::management_base base = binding_base(*call);
  const std::string whole = base.origin + base.prefix;
  const std::string code
    = call->who.key.empty() ? std::string()
                            : "code=" + cluster::encode_url_part(call->who.key);
  // Clients take an empty text for a sign that the node is too old.
  const std::string required
    = code.empty() ? "taskHub=" + cluster::encode_url_part(base.task_hub)
                   : code;
  const std::string create
    = whole + "/orchestrators/{functionName}[/{instanceId}]";
  const std::string wait
    = "?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}";
  call->json(200,
             "{\"taskHubName\":" + json_string(base.task_hub)
               + ",\"creationUrls\":{\"createNewInstancePostUri\":"
               + json_string(create + (code.empty() ? "" : "?" + code))
               + ",\"createAndWaitOnNewInstancePostUri\":"
               + json_string(create + wait + (code.empty() ? "" : "&" + code))
               + "},\"managementUrls\":"
               + to_json(cluster::make_management_payload(base, "INSTANCEID"))
               + ",\"baseUrl\":" + json_string(whole)
               + ",\"requiredQueryStringParameters\":" + json_string(required)
               + ",\"rpcBaseUrl\":"
               + json_string(rpc_base_url(base.origin, call->who.key)) + '}');
}

void get_metrics(const api_call_ptr& call) {
  run_blocking(call, [call] {
    const management_api_config& config = call->context->config;
    door_gauges gauges;
    gauges.waits = call->context->waits.load();
    if (config.connections)
      gauges.connections = config.connections();
    auto counts = config.own_counts ? config.own_counts()
                                    : call->context->client.count_instances();
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
