// SPDX-License-Identifier: Apache-2.0
#include "client/http/management_api.hpp"

#include "client/http/api_call.hpp"
#include "client/http/openapi.hpp"
#include "persistence/records/clock.hpp"

namespace perdura::client {

namespace {

using operation = control_operation;

/// Answers /readyz, which load balancers query. It requires no key.
void get_readiness(const api_call_ptr& call) {
  const auto& is_ready = call->context->config.is_ready;
  // Tests of the API run without a node, and then `is_ready` is empty.
  const bool ready = !is_ready || is_ready();
  call->respond_json(ready ? 200 : 503, ready ? R"({"status":"ready"})"
                                              : R"({"status":"not ready"})");
}

/// Calls the function of the route. Every case answers the call, now or later;
/// there is no default, so that the compiler reports a route that is missing.
/// `body` is the body of the request.
void dispatch(const api_call_ptr& call, std::string body) {
  const route_match& to = call->route;
  switch (to.entry->id) {
  case route_id::unknown:
    call->respond_empty(404);
    return;
  case route_id::start:
    start_orchestration(call, to.function, to.instance, std::move(body));
    return;
  case route_id::start_bindings:
    start_bindings(call, body);
    return;
  case route_id::start_and_wait:
    start_and_wait(call, to.function, std::move(body));
    return;
  case route_id::get_instance:
    get_instance(call, to.instance);
    return;
  case route_id::list_instances:
    list_instances(call);
    return;
  case route_id::raise_event:
    raise_event(call, to.instance, to.event, std::move(body));
    return;
  case route_id::terminate:
    control_instance(call, to.instance, operation::terminate);
    return;
  case route_id::suspend:
    control_instance(call, to.instance, operation::suspend);
    return;
  case route_id::resume:
    control_instance(call, to.instance, operation::resume);
    return;
  case route_id::rewind:
    control_instance(call, to.instance, operation::rewind);
    return;
  case route_id::restart:
    restart_orchestration(call, to.instance);
    return;
  case route_id::purge_instance:
    control_instance(call, to.instance, operation::purge);
    return;
  case route_id::purge_instances:
    purge_instances(call);
    return;
  case route_id::entities:
    call->fail({errc::unsupported, "Entities are not supported."});
    return;
  case route_id::make_primary:
    // The request has no effect: each partition always has one owner, so there
    // is no primary to choose.
    call->respond_empty(200);
    return;
  case route_id::instance_urls:
    get_instance_urls(call, to.instance);
    return;
  case route_id::count:
    count_instances(call);
    return;
  case route_id::stuck:
    list_stuck(call);
    return;
  case route_id::cluster:
    get_cluster(call);
    return;
  case route_id::client_binding:
    get_client_binding(call);
    return;
  case route_id::openapi:
    call->respond({200, std::string(openapi_document)});
    return;
  case route_id::metrics:
    get_metrics(call);
    return;
  case route_id::healthz:
    call->respond_json(200, R"({"status":"ok"})");
    return;
  case route_id::readyz:
    get_readiness(call);
    return;
  }
}

} // namespace

// Calls in progress share the context, so it may outlive this object.
management_api::management_api(const orchestration_client& client,
                               management_api_config config)
  : context_(std::make_shared<api_context>(client, std::move(config))) {}

management_api::~management_api() {
  // The last call in progress may destroy the context on a thread of the pool,
  // and a thread cannot wait for itself. So the pool is stopped here.
  context_->blocking_calls.stop();
}

void management_api::handle(http_request request, http_responder responder) {
  // The order is: parse the target, find the route, authorize, dispatch. A
  // refusal is counted and audited like any other response.
  route_match route;
  caller requester{access::none, {}, "unknown"};
  const auto refuse = [&](http_response response) {
    record_response(*context_, request, route, requester, response.status, 0,
                    {});
    responder.respond(std::move(response));
  };
  auto target = parse_target(request.target);
  // A target that is not valid gets the route `unknown`, so its refusal is
  // counted under this route.
  route = find_route(request.method,
                     target ? target->segments : std::vector<std::string>());
  if (!target) {
    refuse(to_response(
      {errc::invalid_argument,
       "In the URL, a % is not followed by two hexadecimal digits."}));
    return;
  }
  // No code of a route runs before the request has been admitted.
  if (auto refusal = context_->access_rules.admit(
        request, *target, route, persistence::system_clock().now(),
        requester)) {
    refuse(std::move(*refusal));
    return;
  }
  // The body is moved past the shared `api_call`, so that an input is not
  // copied on its way to the gateway.
  std::string body = std::move(request.body);
  // The function of the route answers the request through the responder of the
  // `api_call`.
  dispatch(std::make_shared<const api_call>(
             context_, std::move(request), std::move(*target), std::move(route),
             std::move(requester), std::move(responder)),
           std::move(body));
}

void management_api::count_refused(int status) {
  // The target of the request was not parsed, so its route is not known.
  context_->metrics.count(route_id::unknown, status, 0);
}

// Activities and the C++ client of this process call this function. They have
// no HTTP request from which an origin could be taken, so the URLs use the
// configured origin.
actors::management_payload
management_api::payload_of(const std::string& id) const {
  return cluster::make_management_payload(
    link_base_for(context_, {access::manage, {}, {}}), id);
}

} // namespace perdura::client
