// SPDX-License-Identifier: Apache-2.0
/// The table of the routes of the HTTP API. Dispatch, access control, audit
/// log, metrics and the tests of the OpenAPI document all use this table.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// Identifies a route in metrics, logs and dispatch.
enum class route_id : std::uint8_t {
  unknown,
  start,
  start_bindings,
  start_and_wait,
  start_or_raise,
  get_instance,
  list_instances,
  raise_event,
  terminate,
  suspend,
  resume,
  rewind,
  restart,
  purge_instance,
  purge_instances,
  release,
  pause,
  unpause,
  paused,
  entities,
  make_primary,
  describe_instance,
  instance_urls,
  count,
  stuck,
  cluster,
  client_binding,
  openapi,
  metrics,
  healthz,
  readyz,
};

inline constexpr std::size_t route_count
  = static_cast<std::size_t>(route_id::readyz) + 1;

/// The right that a route requires, or that a key has. Each right includes
/// those before it.
enum class access : std::uint8_t { none, read, manage };

/// Where the pattern of a route begins.
enum class route_base : std::uint8_t {
  webhook, ///< After a webhook prefix, such as /runtime/webhooks/durabletask.
  site,    ///< At the root.
};

/// One entry of the table.
struct route {
  route_id id = route_id::unknown;
  route_base base = route_base::site;
  std::string_view method; ///< Empty for any method.
  /// The path without the prefix. A segment `{…}` matches any segment.
  std::string_view pattern;
  access needed = access::none;
  /// The letter by which a token authorizes this route. 0 means that no token
  /// authorizes this route.
  char operation = 0;
  /// Each call writes a line to the audit log. True for the routes that change
  /// something.
  bool is_audited = false;
};

/// All routes. Several entries may have the same ID.
std::span<const route> all_routes();

/// The name of a route in metrics and logs, e.g. "raise_event".
std::string_view to_string(route_id id);

/// The route of a request, and the parts of its path.
struct route_match {
  const route* entry = nullptr; ///< Never null; `unknown` if none matches.
  std::string prefix; ///< As it was sent; empty without a webhook prefix.
  std::string function;
  std::string instance;
  std::string event;
  /// The methods of the routes that have this path, for the header Allow, e.g.
  /// "GET, HEAD, OPTIONS". Empty unless `entry` is `unknown`, or if there is no
  /// such path.
  std::string allowed;
};

/// Finds the route of a path. The case of the path's fixed segments is
/// ignored, but not the case of `method`. HEAD has the route of GET.
route_match find_route(std::string_view method,
                       const std::vector<std::string>& segments);

} // namespace perdura::client
