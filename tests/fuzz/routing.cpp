// SPDX-License-Identifier: Apache-2.0
// Request lines and headers. The URL is parsed a second time by an independent
// parser here, and every admitted request is sent again without its key.
#include "client/http/access_control.hpp"
#include "client/http/routes.hpp"
#include "client/http/url.hpp"
#include "persistence/records/text.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

namespace perdura::tests {

namespace {

using namespace perdura::client;

constexpr std::string_view master = "master-key-0123456789";
constexpr std::string_view reader = "reader-key-0123456789";
constexpr std::string_view hub = "hub-1";
constexpr std::string_view own_instance = "order-17";
constexpr persistence::timestamp now{std::chrono::seconds(1'800'000'000)};
constexpr persistence::timestamp later = now + std::chrono::hours(1);

const access_control& control() {
  static const access_control made = [] {
    access_control_config config;
    const std::string lines = "manage " + std::string(master) + "\nread "
                              + std::string(reader) + '\n';
    if (!config.keys.add_lines(lines, "keys"))
      std::abort();
    config.hub_id = hub;
    config.hosts = {"ship.example"};
    return access_control(std::move(config));
  }();
  return made;
}

/// A token for reading and terminating `own_instance`. Seeds of the corpus
/// contain it.
const std::string& own_token() {
  static const std::string made = control().token(own_instance, "gt", later);
  return made;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos)
      return parts;
    text.remove_prefix(end + 1);
  }
}

http_request read_request(std::string_view bytes) {
  http_request request;
  const auto lines = split(bytes, '\n');
  const std::size_t blank = std::min(lines[0].find(' '), lines[0].size());
  request.method = lines[0].substr(0, blank);
  request.target = lines[0].substr(std::min(blank + 1, lines[0].size()));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::size_t colon = lines[i].find(": ");
    if (colon != lines[i].npos)
      request.headers.push_back({std::string(lines[i].substr(0, colon)),
                                 std::string(lines[i].substr(colon + 2))});
  }
  return request;
}

// --- The URL ----------------------------------------------------------------

/// A broken escape has no value in a path, and stands for itself in a query.
std::optional<std::string> decoded(std::string_view text, bool in_query) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '%') {
      out += in_query && text.front() == '+' ? ' ' : text.front();
      text.remove_prefix(1);
      continue;
    }
    unsigned value = 0;
    const char* digits = text.data() + 1;
    if (text.size() < 3
        || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) {
      if (!in_query)
        return std::nullopt;
      out += '%';
      text.remove_prefix(1);
      continue;
    }
    out += static_cast<char>(value);
    text.remove_prefix(3);
  }
  return out;
}

/// With the planted fault an escaped slash separates segments like a plain one.
std::optional<request_target> parse(std::string_view target) {
  auto parsed = parse_target(target);
  if (!parsed || !is_planted("routing"))
    return parsed;
  std::vector<std::string> segments;
  for (const std::string& each : parsed->segments)
    for (const std::string_view part : split(each, '/'))
      segments.emplace_back(part);
  parsed->segments = std::move(segments);
  return parsed;
}

violation check_target(const std::string& sent,
                       const std::optional<request_target>& parsed) {
  std::string_view text = sent;
  if (const std::size_t scheme = text.find("://");
      scheme != text.npos && !text.starts_with('/')) {
    const std::size_t path = text.find('/', scheme + 3);
    text = path == text.npos ? "/" : text.substr(path);
  }
  text = split(text, '#')[0];
  const std::size_t mark = std::min(text.find('?'), text.size());
  std::string_view path = text.substr(0, mark);
  const std::string_view query = text.substr(std::min(mark + 1, text.size()));

  // Empty segments are kept, except for the one after a final slash.
  std::vector<std::string_view> raw;
  if (path.ends_with('/'))
    path.remove_suffix(1);
  if (!path.empty()) {
    raw = split(path, '/');
    if (path.starts_with('/'))
      raw.erase(raw.begin());
  }
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> parameters;
  bool is_valid = true;
  for (const std::string_view each : raw) {
    auto segment = decoded(each, false);
    is_valid = is_valid && segment.has_value();
    segments.push_back(segment.value_or(""));
  }
  for (const std::string_view each : split(query, '&')) {
    if (each.empty())
      continue;
    const std::size_t equals = std::min(each.find('='), each.size());
    parameters.emplace_back(
      decoded(each.substr(0, equals), true).value(),
      decoded(each.substr(std::min(equals + 1, each.size())), true).value());
  }
  if (is_valid != parsed.has_value())
    return is_valid ? "a valid target is refused"
                    : "a broken escape is accepted";
  if (!parsed)
    return {};
  if (parsed->path != path)
    return "the path differs from the one that was sent";
  if (parsed->segments != segments)
    return "the segments differ from those that were sent";
  if (parsed->query != parameters)
    return "the parameters differ from those that were sent";
  return {};
}

// --- The route --------------------------------------------------------------

constexpr std::array<std::string_view, 4> prefixes{
  "/runtime/webhooks/durabletask", "/admin/extensions/DurableTaskExtension",
  "/runtime/webhooks/DurableTaskExtension", "/durabletask"};

std::size_t prefix_length(const std::vector<std::string>& segments) {
  for (const std::string_view prefix : prefixes) {
    const auto expected_segments = split(prefix.substr(1), '/');
    if (expected_segments.size() <= segments.size()
        && std::equal(expected_segments.begin(), expected_segments.end(),
                      segments.begin(), persistence::equal_ignoring_case))
      return expected_segments.size();
  }
  return 0;
}

violation check_route(const http_request& request, const request_target& target,
                      const route_match& found) {
  const std::size_t skipped = prefix_length(target.segments);
  const route* expected = nullptr;
  route_match parts;
  for (const route& each : all_routes()) {
    const auto expected_segments = split(each.pattern.substr(1), '/');
    if ((each.base == route_base::webhook) != (skipped > 0)
        || (!each.method.empty() && each.method != request.method)
        || expected_segments.size() + skipped != target.segments.size())
      continue;
    parts = {};
    bool fits = true;
    for (std::size_t i = 0; i < expected_segments.size(); ++i) {
      const std::string& segment = target.segments[skipped + i];
      if (expected_segments[i] == "{instanceId}")
        parts.instance = segment;
      else if (expected_segments[i] == "{functionName}")
        parts.function = segment;
      else if (expected_segments[i] == "{eventName}")
        parts.event = segment;
      else
        fits = fits
               && (expected_segments[i].starts_with('{')
                   || persistence::equal_ignoring_case(expected_segments[i],
                                                       segment));
    }
    if (fits) {
      expected = &each;
      break;
    }
  }
  if (found.entry == nullptr)
    return "there is no route, not even the one for unknown paths";
  if (expected == nullptr)
    return found.entry->id == route_id::unknown
             ? violation()
             : "a route is found for an unknown path";
  if (found.entry != expected)
    return "the route is not the first one that matches";
  if (found.instance != parts.instance || found.function != parts.function
      || found.event != parts.event)
    return "instance, function or event differs from its segment";
  return {};
}

// --- The key ----------------------------------------------------------------

bool is_credential(std::string_view header) {
  return persistence::equal_ignoring_case(header, "x-functions-key")
         || persistence::equal_ignoring_case(header, "Authorization");
}

bool has_code(const request_target& target, std::string_view wanted) {
  return std::count_if(target.query.begin(), target.query.end(),
                       [](const auto& each) {
                         return persistence::equal_ignoring_case(each.first,
                                                                 "code");
                       })
           == 1
         && *target.find("code") == wanted;
}

violation check_admitted(const http_request& request,
                         const request_target& target, const route_match& route,
                         const caller& identity) {
  const access needed = route.entry->needed;
  if (needed == access::none)
    return identity.right == access::none
             ? ""
             : "a route that needs no key gives a right";
  const std::string_view host = request.header("Host");
  if (!host.empty() && !control().is_own_host(host))
    return "a foreign host is admitted";
  const std::string_view origin = request.header("Origin");
  if (!origin.empty()
      && (host.empty() || origin.size() < host.size()
          || !persistence::equal_ignoring_case(
            origin.substr(origin.size() - host.size()), host)))
    return "a foreign origin is admitted";
  if (identity.name == "token") {
    if (route.instance != own_instance
        || (route.entry->operation != 'g' && route.entry->operation != 't'))
      return "a token gives access that it was not created for";
    if (request.header("x-functions-key") != own_token()
        && request.header("Authorization").empty()
        && !has_code(target, own_token()))
      return "an unknown token is accepted";
  } else if (identity.key == master
               ? identity.right != access::manage
               : identity.key != reader || needed != access::read
                   || identity.right != access::read) {
    return "a request is admitted without a sufficient key";
  }

  // The same request without its key must be refused.
  http_request bare = request;
  std::erase_if(bare.headers, [](const http_header& each) {
    return is_credential(each.name);
  });
  request_target keyless = target;
  std::erase_if(keyless.query, [](const auto& each) {
    return persistence::equal_ignoring_case(each.first, "code");
  });
  caller anonymous;
  if (!control().admit(bare, keyless, route, now, anonymous))
    return "the request is also admitted without its key";
  return {};
}

violation check_admission(const http_request& request,
                          const request_target& target,
                          const route_match& route) {
  caller identity;
  const auto refusal = control().admit(request, target, route, now, identity);
  if (!refusal)
    return check_admitted(request, target, route, identity);
  if (route.entry->needed == access::none)
    return "a route that needs no key is refused";
  if (refusal->status != 401 && refusal->status != 403)
    return "a refusal is neither 401 nor 403";
  if (refusal->status == 401 && !refusal->body.empty())
    return "a 401 has a body";
  if (request.header("Host").empty() && request.header("Origin").empty()
      && request.header("x-functions-key") == master)
    return "a valid key is refused";
  return {};
}

// --- The URL in the log ------------------------------------------------------

violation check_redacted(const std::string& sent) {
  const std::string shown = redacted(sent);
  if (redacted(shown) != shown)
    return "redacting a redacted URL changes it";
  if (const auto again = parse_target(shown))
    for (const auto& [name, value] : again->query)
      if (persistence::equal_ignoring_case(name, "code") && !value.empty()
          && value != "...")
        return "the URL in the log contains a key: " + shown;
  // A URL that cannot be parsed must not show the key in the log, either.
  const std::string planted = "code=" + std::string(master);
  if (shown.find(planted) != shown.npos
      && (shown.starts_with(planted) || shown.find('?' + planted) != shown.npos
          || shown.find('&' + planted) != shown.npos))
    return "the URL in the log contains the key: " + shown;
  return {};
}

} // namespace

violation fuzz_routing(std::string_view bytes) {
  const http_request request = read_request(bytes);
  if (auto found = check_redacted(request.target); !found.empty())
    return found;
  for (const http_header& each : request.headers)
    if (control().is_own_host(each.value) && !is_plain_authority(each.value))
      return "an accepted host contains characters that end the authority of a "
             "URL";
  const auto target = parse(request.target);
  if (auto found = check_target(request.target, target); !found.empty())
    return found;
  if (!target)
    return {};
  const route_match route = find_route(request.method, target->segments);
  if (auto found = check_route(request, *target, route); !found.empty())
    return found;
  return check_admission(request, *target, route);
}

} // namespace perdura::tests
