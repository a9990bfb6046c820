#include "client/http/management_api.hpp"

#include "client/http/api_call.hpp"
#include "client/http/openapi.hpp"
#include "persistence/records/clock.hpp"

namespace perdura::client {

namespace {

using operation = orchestration_client::operation;

void tell_readiness(const api_call_ptr& call) {
  const auto& is_ready = call->context->config.is_ready;
  const bool ready = !is_ready || is_ready();
  call->json(ready ? 200 : 503,
             ready ? R"({"status":"ready"})" : R"({"status":"not ready"})");
}

void dispatch(const api_call_ptr& call) {
  const route_match& to = call->route;
  switch (to.taken->id) {
  case route_id::unknown:
    call->empty(404);
    return;
  case route_id::start:
    start_orchestration(call, to.function, to.instance);
    return;
  case route_id::start_bindings:
    start_bindings(call);
    return;
  case route_id::start_and_wait:
    start_and_wait(call, to.function);
    return;
  case route_id::get_instance:
    get_instance(call, to.instance);
    return;
  case route_id::list_instances:
    list_instances(call);
    return;
  case route_id::raise_event:
    raise_event(call, to.instance, to.event);
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
    call->empty(200); // Nothing to lease: a partition has one owner.
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
    call->json(200, R"({"status":"ok"})");
    return;
  case route_id::readyz:
    tell_readiness(call);
    return;
  }
}

} // namespace

management_api::management_api(orchestration_client client,
                               management_api_config config)
  : context_(
    std::make_shared<api_context>(std::move(client), std::move(config))) {}

management_api::~management_api() {
  // Calls under way hold the context: its threads end here, not with it.
  context_->blocking.stop();
}

void management_api::handle(http_request request, http_responder responder) {
  route_match route;
  caller who{access::none, {}, "unknown"};
  const auto refuse = [&](http_response response) {
    account_for(*context_, request, route, who, response.status, 0, {});
    responder.respond(std::move(response));
  };
  auto target = parse_target(request.target);
  route = find_route(request.method,
                     target ? target->segments : std::vector<std::string>());
  if (!target) {
    refuse(to_response(
      {errc::invalid_argument,
       "In the URL, a % is not followed by two hexadecimal digits."}));
    return;
  }
  if (auto refusal = context_->keeper.admit(
        request, *target, route, persistence::system_clock().now(), who)) {
    refuse(std::move(*refusal));
    return;
  }
  dispatch(std::make_shared<const api_call>(
    context_, std::move(request), std::move(*target), std::move(route),
    std::move(who), std::move(responder)));
}

void management_api::count_refused(int status) {
  context_->metrics.count(route_id::unknown, status, 0);
}

actors::management_payload
management_api::payload_of(const std::string& id) const {
  return cluster::make_management_payload(
    links_for(context_, {access::manage, {}, {}}), id);
}

} // namespace perdura::client
