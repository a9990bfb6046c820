// SPDX-License-Identifier: Apache-2.0
#include "client/http/management_api.hpp"

#include "client/http/api_call.hpp"
#include "client/http/openapi.hpp"
#include "client/http/query_parameters.hpp"
#include "persistence/records/clock.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <string>

namespace perdura::client {

namespace {

using operation = control_operation;

/// Answers /readyz, which load balancers query. It requires no key.
void get_readiness(const api_call_ptr& call) {
  // Tests of the API run without a node, and then the function is empty.
  const auto& ask = call->context->config.unready_reasons;
  call->respond(
    readiness_response(ask ? ask() : std::vector<cluster::unready_reason>{}));
}

/// Checks the parameters and headers of a request that changes something: it is
/// not carried out in another way than its caller has meant it.
result<void> check_change(const api_call& call) {
  if (auto known = check_parameters(call.target); !known)
    return known;
  if (call.target.flag("recursive", false)
      && call.route.entry->id != route_id::terminate)
    return error{
      errc::invalid_argument,
      "The parameter recursive is possible for a terminate only. The "
      "request was not carried out."};
  if (call.target.flag("force", false)
      && call.route.entry->id != route_id::purge_instance)
    return error{
      errc::invalid_argument,
      "The parameter force is possible for the purge of one instance only. The "
      "request was not carried out."};
  const auto keys = std::count_if(
    call.request.headers.begin(), call.request.headers.end(),
    [](const http_header& each) {
      return persistence::equal_ignoring_case(each.name, "Idempotency-Key");
    });
  if (keys > 1)
    return error{errc::invalid_argument,
                 "The request has " + std::to_string(keys)
                   + " headers Idempotency-Key, and one is possible. The "
                     "request was not carried out."};
  return {};
}

/// Answers a request without a route: its path does not exist, or not for its
/// method. Durable Functions answers both with 404.
/// @source RFC 9110, sections 9.3.7, 10.2.1 and 15.5.6.
void refuse_method(const api_call_ptr& call) {
  const route_match& to = call->route;
  if (to.allowed.empty()) {
    call->respond_empty(404);
    return;
  }
  const bool asks = call->request.method == "OPTIONS";
  call->respond({asks                ? 200
                 : to.prefix.empty() ? 405
                                     : 404,
                 {},
                 {{"Allow", to.allowed}}});
}

/// Calls the function of the route. Every case answers the call, now or later;
/// there is no default, so that the compiler reports a route that is missing.
/// `body` is the body of the request.
void dispatch(const api_call_ptr& call, std::string body) {
  const route_match& to = call->route;
  switch (to.entry->id) {
  case route_id::unknown:
    refuse_method(call);
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
  case route_id::start_or_raise:
    start_or_raise(call, to.function, to.instance, to.event, body);
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
    control_instance(call, to.instance,
                     call->target.flag("force", false)
                       ? operation::purge_by_force
                       : operation::purge);
    return;
  case route_id::release:
    control_instance(call, to.instance, operation::release);
    return;
  case route_id::pause:
    pause_orchestrator(call, to.function, true);
    return;
  case route_id::unpause:
    pause_orchestrator(call, to.function, false);
    return;
  case route_id::paused:
    list_paused(call);
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
  case route_id::describe_instance:
    describe_instance(call, to.instance);
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

/// The target and the route of a request, and its sender.
struct admitted_request {
  request_target target;
  route_match route;
  caller requester{access::none, {}, "unknown"};
};

/// Parses the target, finds the route, and authorizes. A refusal is counted and
/// audited like any other response.
std::optional<http_response> admit_request(api_context& context,
                                           const http_request& request,
                                           admitted_request& to) {
  auto target = parse_target(request.target);
  // A target that is not valid gets the route `unknown`, so its refusal is
  // counted under this route.
  to.route = find_route(request.method,
                        target ? target->segments : std::vector<std::string>());
  std::optional<http_response> refusal;
  if (!target) {
    refusal = to_response(
      {errc::invalid_argument,
       "In the path of the URL, a % is not followed by two hexadecimal "
       "digits."});
  } else {
    to.target = std::move(*target);
    refusal = context.access_rules.admit(request, to.target, to.route,
                                         persistence::system_clock().now(),
                                         to.requester);
  }
  if (refusal)
    record_response(context, request, to.route, to.requester, refusal->status,
                    0, {});
  return refusal;
}

} // namespace

// Calls in progress share the context, so it may outlive this object.
management_api::management_api(const orchestration_client& client,
                               management_api_config config)
  : context_(std::make_shared<api_context>(client, std::move(config))) {}

management_api::~management_api() {
  // The last call in progress may destroy the context on a thread of a pool,
  // and a thread cannot wait for itself. So the pools are stopped here.
  context_->blocking_calls.stop();
  context_->metrics_calls.stop();
  context_->report_calls.stop();
}

std::optional<http_response>
management_api::admit(const http_request& request) const {
  admitted_request ignored;
  return admit_request(*context_, request, ignored);
}

void management_api::handle(http_request request, http_responder responder) {
  // No code of a route runs before the request has been admitted.
  admitted_request admitted;
  if (auto refusal = admit_request(*context_, request, admitted)) {
    responder.respond(std::move(*refusal));
    return;
  }
  // The body is moved past the shared `api_call`, so that an input is not
  // copied on its way to the gateway.
  std::string body = std::move(request.body);
  // The function of the route answers the request through the responder of the
  // `api_call`.
  const auto call = std::make_shared<const api_call>(
    context_, std::move(request), std::move(admitted.target),
    std::move(admitted.route), std::move(admitted.requester),
    std::move(responder));
  if (call->route.entry->is_audited)
    if (const auto checked = check_change(*call); !checked) {
      call->fail(checked.error());
      return;
    }
  dispatch(call, std::move(body));
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
  const caller own_code{access::manage, {}, {}};
  timestamp created_at{};
  bool has_tokens = !context_->access_rules.keys().empty();
  if (has_tokens) {
    constexpr auto answer_time_max = std::chrono::seconds(3);
    const auto status
      = context_->blocking_client.with({.deadline = answer_time_max})
          .get_status(id, {.show_input = false});
    // Tokens for an instance that does not exist yet are valid for any instance
    // with this ID. If it is not known which one exists, there are none.
    if (!status)
      has_tokens = false;
    else if (*status)
      created_at = (*status)->created_time;
  }
  auto base = link_base_for(context_, own_code, created_at);
  if (!has_tokens)
    base.code_of = nullptr;
  return cluster::make_management_payload(base, id);
}

http_response starting_response(const http_request& request) {
  const auto target = parse_target(request.target);
  const auto route
    = find_route(request.method,
                 target ? target->segments : std::vector<std::string>())
        .entry->id;
  if (route == route_id::healthz)
    return {200, R"({"status":"ok"})"};
  if (route == route_id::readyz)
    return readiness_response(cluster::reasons_of({}));
  return to_response(
    {errc::unavailable, "The node is starting; try again soon."});
}

} // namespace perdura::client
