#include "client/http/management_api.hpp"

#include "client/http/api_call.hpp"
#include "client/http/openapi.hpp"
#include "persistence/clock.hpp"

namespace perdura::client {

namespace {

using operation = orchestration_client::operation;

/// Scheme and authority as a proxy tells them; empty unless both are well
/// formed.
std::string forwarded_origin(const http_request& request) {
  // Each proxy on the way may add its own behind a comma; the first is the
  // caller's.
  const auto first_of = [&request](std::string_view name) {
    std::string_view value = request.header(name);
    value = value.substr(0, value.find(','));
    while (value.ends_with(' '))
      value.remove_suffix(1);
    return value;
  };
  const std::string_view scheme = first_of("X-Forwarded-Proto");
  const std::string_view host = first_of("X-Forwarded-Host");
  const bool is_known
    = same_letters(scheme, "http") || same_letters(scheme, "https");
  return is_known && is_plain_authority(host)
           ? std::string(scheme) + "://" + std::string(host)
           : std::string();
}

/// Where links point to.
std::string origin_of(const http_request& request, const api_context& context) {
  const management_api_config& config = context.config;
  if (!config.public_url.empty())
    return config.public_url;
  if (config.forwarded_headers)
    if (auto origin = forwarded_origin(request); !origin.empty())
      return origin;
  const std::string_view authority = request.header("Host");
  if (!context.keeper.is_own_host(authority))
    return config.origin;
  const std::string scheme
    = config.origin.substr(0, config.origin.find("://") + 3);
  return scheme + std::string(authority);
}

/// What the links of an answer have in common. A caller gets no more by them
/// than he may do already.
cluster::management_base links_for(const std::shared_ptr<api_context>& context,
                                   const caller& who,
                                   const std::string& asked = {}) {
  cluster::management_base base;
  base.origin = context->config.public_url.empty() ? context->config.origin
                                                   : context->config.public_url;
  base.task_hub = context->config.task_hub;
  // Who restarts by a token may look at the new instance, and no more.
  const bool may_only_look = who.right != access::manage || who.has_token;
  const std::string own = who.has_token ? asked : std::string();
  if (!context->keeper.keys().empty())
    base.code_of
      = [context, may_only_look, own](std::string_view id, char what) {
          if (may_only_look && (what != 'g' || id == own))
            return std::string();
          return context->keeper.token(id, std::string_view(&what, 1),
                                       persistence::system_clock().now()
                                         + context->config.token_lifetime);
        };
  return base;
}

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
  cluster::management_base base = links_for(context_, who, route.instance);
  base.origin = origin_of(request, *context_);
  if (!route.prefix.empty())
    base.prefix = route.prefix;
  dispatch(std::make_shared<const api_call>(
    context_, std::move(request), std::move(*target), std::move(route),
    std::move(who), std::move(responder), std::move(base)));
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
