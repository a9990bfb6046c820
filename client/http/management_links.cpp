// SPDX-License-Identifier: Apache-2.0
// Makes the URLs in responses: chooses the address and adds the tokens.
#include "client/http/api_call.hpp"
#include "persistence/records/clock.hpp"
#include "persistence/records/text.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

namespace perdura::client {

namespace {

/// The origin from the headers of a proxy. Empty unless scheme and authority
/// are both well formed.
std::string forwarded_origin(const http_request& request) {
  // Each proxy may append a value after a comma; the first value is the one
  // that the caller used.
  const auto first_of = [&request](std::string_view name) {
    std::string_view value = request.header(name);
    value = value.substr(0, value.find(','));
    while (value.ends_with(' '))
      value.remove_suffix(1);
    return value;
  };
  const std::string_view scheme = first_of("X-Forwarded-Proto");
  const std::string_view host = first_of("X-Forwarded-Host");
  const bool is_known = persistence::equal_ignoring_case(scheme, "http")
                        || persistence::equal_ignoring_case(scheme, "https");
  return is_known && is_plain_authority(host)
           ? std::string(scheme) + "://" + std::string(host)
           : std::string();
}

/// The origin of the URLs in the response. This function returns the first of
/// these origins that exists:
/// 1. `public_url`, if it is set.
/// 2. The origin from the headers of a proxy, if these headers are trusted.
/// 3. The address to which the caller sent its request, if it is an address of
///    this node.
/// 4. The address of the HTTP server.
std::string origin_of(const http_request& request, const api_context& context) {
  const management_api_config& config = context.config;
  if (!config.public_url.empty())
    return config.public_url;
  if (config.forwarded_headers)
    if (auto origin = forwarded_origin(request); !origin.empty())
      return origin;
  const std::string_view authority = request.header("Host");
  if (!context.access_rules.is_own_host(authority))
    return config.origin;
  const std::string scheme
    = config.origin.substr(0, config.origin.find("://") + 3);
  return scheme + std::string(authority);
}

} // namespace

cluster::management_base
link_base_for(const std::shared_ptr<api_context>& context,
              const caller& requester, timestamp created_at) {
  cluster::management_base base;
  base.origin = context->config.public_url.empty() ? context->config.origin
                                                   : context->config.public_url;
  base.task_hub = context->config.task_hub;
  // A caller with a read key or a token gets tokens that permit reading only.
  // A caller with a token may restart the instance of its token, and must then
  // be able to read the new instance, for which its own token is not valid.
  const bool may_only_read
    = requester.right != access::manage || requester.has_token;
  if (!context->access_rules.keys().empty())
    base.code_of = [context, may_only_read, created_at](std::string_view id,
                                                        char operation) {
      // 'g' is the operation of route_id::get_instance.
      if (may_only_read && operation != 'g')
        return std::string();
      return context->access_rules.token(
        id, std::string_view(&operation, 1),
        persistence::saturated_sum(persistence::system_clock().now(),
                                   context->config.token_lifetime),
        created_at);
    };
  return base;
}

void with_created_time(const api_call_ptr& call, const std::string& id,
                       timestamp known, std::function<void(timestamp)> next) {
  if (known != timestamp{} || call->context->access_rules.keys().empty()) {
    next(known);
    return;
  }
  // Not bound to the instance of the caller's token: the ID may be that of a
  // new instance.
  call->client().for_created_at({}).get_status(
    id, {.show_input = false},
    [next = std::move(next)](const result<orchestration_status>& status) {
      next(status ? status->created_time : timestamp{});
    });
}

cluster::management_base api_call::link_base(timestamp created_at) const {
  cluster::management_base base = link_base_for(context, requester, created_at);
  // A token that is not bound to an instance is for the code of this process
  // only. Without a token, the caller can still use its key.
  if (created_at == timestamp{})
    base.code_of = nullptr;
  base.origin = origin_of(request, *context);
  if (!route.prefix.empty())
    base.prefix = route.prefix;
  return base;
}

} // namespace perdura::client
