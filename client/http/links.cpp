// Where the links of an answer lead, and what they are good for.
#include "client/http/api_call.hpp"
#include "persistence/records/clock.hpp"

namespace perdura::client {

namespace {

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

} // namespace

cluster::management_base links_for(const std::shared_ptr<api_context>& context,
                                   const caller& who,
                                   const std::string& asked) {
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

cluster::management_base api_call::links() const {
  cluster::management_base base = links_for(context, who, route.instance);
  base.origin = origin_of(request, *context);
  if (!route.prefix.empty())
    base.prefix = route.prefix;
  return base;
}

} // namespace perdura::client
