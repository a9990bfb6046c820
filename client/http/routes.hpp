/// Which route a request takes, and what that needs: one table for the
/// dispatch, the keys, the audit log, the metrics and the API's document.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

enum class route_id : std::uint8_t {
  unknown,
  start,
  start_bindings,
  start_and_wait,
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
  entities,
  make_primary,
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

enum class access : std::uint8_t { none, read, manage };

/// Below one of the webhook's prefixes, or at the site's root.
enum class route_base : std::uint8_t { webhook, site };

struct route {
  route_id id = route_id::unknown;
  route_base base = route_base::site;
  std::string_view method; ///< Empty: any.
  /// What the path has after its prefix; `{…}` is any segment.
  std::string_view pattern;
  access needed = access::none;
  /// What a token of an instance must allow; 0: no token is enough.
  char operation = 0;
  bool is_audited = false; ///< It changes something.
};

/// All of them, each pattern on its own.
std::span<const route> all_routes();

/// Of metrics and logs, e.g. "raise_event".
std::string_view to_string(route_id id);

struct route_match {
  const route* taken = nullptr; ///< Never null; id `unknown` if there is none.
  std::string prefix;           ///< As it was sent; empty at the root.
  std::string function;
  std::string instance;
  std::string event;
};

/// Words of the path in any case; `method` is exact.
route_match find_route(std::string_view method,
                       const std::vector<std::string>& segments);

} // namespace perdura::client
