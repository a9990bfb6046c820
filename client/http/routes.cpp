// SPDX-License-Identifier: Apache-2.0
#include "client/http/routes.hpp"

#include "persistence/records/text.hpp"

#include <algorithm>
#include <optional>

namespace perdura::client {

namespace {

// Short names keep the entries of the table readable.
using enum route_base;

constexpr access read = access::read;
constexpr access manage = access::manage;

// The entries are compared in this order. The most frequent routes come first.
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
  route{route_id::start_or_raise, webhook, "POST",
        "/orchestrators/{functionName}/{instanceId}/raiseEvent/{eventName}",
        manage, 0, true},
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
  route{route_id::release, webhook, "POST", "/instances/{instanceId}/release",
        manage, 0, true},
  route{route_id::pause, site, "POST",
        "/perdura/orchestrators/{functionName}/pause", manage, 0, true},
  route{route_id::unpause, site, "POST",
        "/perdura/orchestrators/{functionName}/unpause", manage, 0, true},
  route{route_id::paused, site, "GET", "/perdura/paused", read, 0, false},
  // Entities exist in Durable Functions only. These routes answer 501, so that
  // a client gets a clear error instead of 404.
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
  route{route_id::describe_instance, site, "GET",
        "/perdura/instances/{instanceId}", read, 0, false},
  route{route_id::instance_urls, site, "GET",
        "/perdura/instances/{instanceId}/urls", read, 0, false},
  route{route_id::client_binding, site, "GET", "/client-binding", read, 0,
        false},
  route{route_id::openapi, site, "GET", "/openapi.json", read, 0, false},
  route{route_id::metrics, site, "GET", "/metrics", read, 0, false},
  route{route_id::healthz, site, "GET", "/healthz", access::none, 0, false},
  route{route_id::readyz, site, "GET", "/readyz", access::none, 0, false},
};

// The route of all other paths. It requires a key, so that a caller without one
// cannot find out which paths exist.
constexpr route unknown_route{route_id::unknown, site, "", "", read, 0, false};

// The route of another method on a path that requires no key.
constexpr route open_unknown_route{route_id::unknown, site, "",   "",
                                   access::none,      0,    false};

constexpr std::array<std::string_view, 4> prefixes{
  "/runtime/webhooks/durabletask", "/admin/extensions/DurableTaskExtension",
  "/runtime/webhooks/DurableTaskExtension",
  "/durabletask", // Used by the Durable Functions SDKs of other languages.
};

/// Removes the first segment from a pattern and returns it without its slash.
std::string_view next_segment(std::string_view& pattern) {
  // A pattern is empty or begins with a slash.
  pattern.remove_prefix(1);
  const std::size_t end = std::min(pattern.find('/'), pattern.size());
  const std::string_view segment = pattern.substr(0, end);
  pattern.remove_prefix(end);
  return segment;
}

/// The number of segments of the webhook prefix with which the path begins; 0
/// if the path begins with none. Whole segments are compared, and no prefix is
/// the beginning of another, so at most one prefix matches.
std::size_t prefix_size(const std::vector<std::string>& segments) {
  for (std::string_view prefix : prefixes) {
    std::size_t matched = 0;
    while (!prefix.empty() && matched < segments.size()
           && persistence::equal_ignoring_case(next_segment(prefix),
                                               segments[matched])) {
      ++matched;
      if (prefix.empty())
        return matched;
    }
  }
  return 0;
}

/// Matches a path against a pattern and stores the segments that stand for
/// `{…}` in `found`. Returns false if the path does not match.
bool matches(std::string_view pattern, std::span<const std::string> path,
             route_match& found) {
  // Segments are compared after decoding, so an encoded letter matches too.
  for (const std::string& segment : path) {
    if (pattern.empty())
      return false;
    const std::string_view expected = next_segment(pattern);
    if (!expected.starts_with('{')) {
      if (!persistence::equal_ignoring_case(expected, segment))
        return false;
    } else if (expected == "{instanceId}") {
      found.instance = segment;
    } else if (expected == "{functionName}") {
      found.function = segment;
    } else if (expected == "{eventName}") {
      found.event = segment;
    }
  }
  return pattern.empty();
}

/// Adds the methods of the routes with this path to a match without a route.
void add_allowed(route_base base, std::span<const std::string> path,
                 route_match& found) {
  bool requires_key = false;
  for (const route& each : table) {
    route_match ignored;
    if (each.base != base || !matches(each.pattern, path, ignored))
      continue;
    requires_key |= each.needed != access::none;
    found.allowed += (found.allowed.empty() ? "" : ", ");
    found.allowed += each.method;
    if (each.method == "GET")
      found.allowed += ", HEAD";
  }
  if (found.allowed.empty())
    return;
  found.allowed += ", OPTIONS";
  if (!requires_key)
    found.entry = &open_unknown_route;
}

// Indexed by the number of the route. These names are labels of metrics and
// fields of audit lines, so they must not change.
constexpr std::array<std::string_view, route_count> route_names{
  "unknown",        "start",
  "start_bindings", "start_and_wait",
  "start_or_raise", "get_instance",
  "list_instances", "raise_event",
  "terminate",      "suspend",
  "resume",         "rewind",
  "restart",        "purge",
  "purge_many",     "release",
  "pause",          "unpause",
  "paused",         "entities",
  "make_primary",   "describe_instance",
  "instance_urls",  "count",
  "stuck",          "cluster",
  "client_binding", "openapi",
  "metrics",        "healthz",
  "readyz",
};

} // namespace

std::span<const route> all_routes() {
  return table;
}

std::string_view to_string(route_id id) {
  return route_names[static_cast<std::size_t>(id)];
}

route_match find_route(std::string_view method,
                       const std::vector<std::string>& segments) {
  const std::size_t skipped = prefix_size(segments);
  const route_base base = skipped == 0 ? site : webhook;
  const std::span<const std::string> path
    = std::span(segments).subspan(skipped);
  route_match found;
  // The prefix as the caller wrote it: the URLs in the response use the same
  // form.
  for (std::size_t i = 0; i < skipped; ++i)
    found.prefix += '/' + segments[i];
  found.entry = &unknown_route;
  // A linear search through some 30 entries; the frequent ones come first.
  for (const route& each : table) {
    // HEAD has the route of GET; the server leaves out the body.
    // @source RFC 9110, section 9.3.2.
    const bool is_head = method == "HEAD" && each.method == "GET";
    if (each.base != base
        || (!each.method.empty() && each.method != method && !is_head))
      continue;
    // A new match for each entry, because a failed comparison may have stored
    // segments.
    route_match candidate;
    if (!matches(each.pattern, path, candidate))
      continue;
    candidate.entry = &each;
    candidate.prefix = std::move(found.prefix);
    return candidate;
  }
  add_allowed(base, path, found);
  return found;
}

} // namespace perdura::client
