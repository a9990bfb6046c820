#include "client/http/routes.hpp"

#include "client/http/http_message.hpp"

#include <algorithm>
#include <optional>

namespace perdura::client {

namespace {

using enum route_base;

constexpr access read = access::read;
constexpr access manage = access::manage;

// Those that are asked most come first.
constexpr std::array table{
  route{route_id::get_instance, webhook, "GET", "/instances/{instanceId}", read,
        'g', false},
  route{route_id::start, webhook, "POST", "/orchestrators/{functionName}",
        manage, 0, true},
  route{route_id::start, webhook, "POST",
        "/orchestrators/{functionName}/{instanceId}", manage, 0, true},
  route{route_id::start_and_wait, site, "POST",
        "/orchestrators/{functionName}/wait", manage, 0, true},
  route{route_id::start, site, "POST", "/orchestrators/{functionName}", manage,
        0, true},
  route{route_id::raise_event, webhook, "POST",
        "/instances/{instanceId}/raiseEvent/{eventName}", manage, 'e', true},
  route{route_id::start_bindings, webhook, "POST", "/orchestrators", manage, 0,
        true},
  route{route_id::start_bindings, site, "POST", "/orchestrators", manage, 0,
        true},
  route{route_id::list_instances, webhook, "GET", "/instances", read, 0, false},
  route{route_id::terminate, webhook, "POST",
        "/instances/{instanceId}/terminate", manage, 't', true},
  route{route_id::suspend, webhook, "POST", "/instances/{instanceId}/suspend",
        manage, 's', true},
  route{route_id::resume, webhook, "POST", "/instances/{instanceId}/resume",
        manage, 'u', true},
  route{route_id::rewind, webhook, "POST", "/instances/{instanceId}/rewind",
        manage, 'w', true},
  route{route_id::restart, webhook, "POST", "/instances/{instanceId}/restart",
        manage, 'r', true},
  route{route_id::purge_instance, webhook, "DELETE", "/instances/{instanceId}",
        manage, 'p', true},
  route{route_id::purge_instances, webhook, "DELETE", "/instances", manage, 0,
        true},
  route{route_id::entities, webhook, "GET", "/entities", read, 0, false},
  route{route_id::entities, webhook, "GET", "/entities/{entityName}", read, 0,
        false},
  route{route_id::entities, webhook, "GET",
        "/entities/{entityName}/{entityKey}", read, 0, false},
  route{route_id::entities, webhook, "POST",
        "/entities/{entityName}/{entityKey}", manage, 0, false},
  route{route_id::entities, webhook, "DELETE",
        "/entities/{entityName}/{entityKey}", manage, 0, false},
  route{route_id::make_primary, webhook, "", "/makeprimary", manage, 0, false},
  route{route_id::count, site, "GET", "/perdura/count", read, 0, false},
  route{route_id::stuck, site, "GET", "/perdura/stuck", read, 0, false},
  route{route_id::cluster, site, "GET", "/perdura/cluster", read, 0, false},
  route{route_id::instance_urls, site, "GET",
        "/perdura/instances/{instanceId}/urls", read, 0, false},
  route{route_id::client_binding, site, "GET", "/client-binding", read, 0,
        false},
  route{route_id::openapi, site, "GET", "/openapi.json", read, 0, false},
  route{route_id::metrics, site, "GET", "/metrics", read, 0, false},
  route{route_id::healthz, site, "GET", "/healthz", access::none, 0, false},
  route{route_id::readyz, site, "GET", "/readyz", access::none, 0, false},
};

// What leads nowhere wants a key, too: it tells nothing to those without.
constexpr route nowhere{route_id::unknown, site, "", "", read, 0, false};

constexpr std::array<std::string_view, 4> prefixes{
  "/runtime/webhooks/durabletask", "/admin/extensions/DurableTaskExtension",
  "/runtime/webhooks/DurableTaskExtension",
  "/durabletask", // The local RPC base of the SDKs for other languages.
};

/// Takes "/word" off the front of a pattern.
std::string_view take_word(std::string_view& pattern) {
  pattern.remove_prefix(1);
  const std::size_t end = std::min(pattern.find('/'), pattern.size());
  const std::string_view word = pattern.substr(0, end);
  pattern.remove_prefix(end);
  return word;
}

/// How many segments the prefix takes, if the path begins with it.
std::size_t prefix_size(const std::vector<std::string>& segments) {
  for (std::string_view prefix : prefixes) {
    std::size_t taken = 0;
    while (!prefix.empty() && taken < segments.size()
           && same_letters(take_word(prefix), segments[taken])) {
      ++taken;
      if (prefix.empty())
        return taken;
    }
  }
  return 0;
}

/// Fills in what stands for the `{…}`, unless something does not fit.
bool fits(std::string_view pattern, std::span<const std::string> path,
          route_match& found) {
  for (const std::string& segment : path) {
    if (pattern.empty())
      return false;
    const std::string_view word = take_word(pattern);
    if (!word.starts_with('{')) {
      if (!same_letters(word, segment))
        return false;
    } else if (word == "{instanceId}") {
      found.instance = segment;
    } else if (word == "{functionName}") {
      found.function = segment;
    } else if (word == "{eventName}") {
      found.event = segment;
    }
  }
  return pattern.empty();
}

constexpr std::array<std::string_view, route_count> names{
  "unknown",        "start",          "start_bindings", "start_and_wait",
  "get_instance",   "list_instances", "raise_event",    "terminate",
  "suspend",        "resume",         "rewind",         "restart",
  "purge",          "purge_many",     "entities",       "make_primary",
  "instance_urls",  "count",          "stuck",          "cluster",
  "client_binding", "openapi",        "metrics",        "healthz",
  "readyz",
};

} // namespace

std::span<const route> all_routes() {
  return table;
}

std::string_view to_string(route_id id) {
  return names[static_cast<std::size_t>(id)];
}

route_match find_route(std::string_view method,
                       const std::vector<std::string>& segments) {
  const std::size_t skipped = prefix_size(segments);
  const route_base base = skipped == 0 ? site : webhook;
  const std::span<const std::string> path
    = std::span(segments).subspan(skipped);
  route_match found;
  for (std::size_t i = 0; i < skipped; ++i)
    found.prefix += '/' + segments[i];
  found.taken = &nowhere;
  for (const route& each : table) {
    if (each.base != base || (!each.method.empty() && each.method != method))
      continue;
    route_match candidate;
    if (!fits(each.pattern, path, candidate))
      continue;
    candidate.taken = &each;
    candidate.prefix = std::move(found.prefix);
    return candidate;
  }
  return found;
}

} // namespace perdura::client
