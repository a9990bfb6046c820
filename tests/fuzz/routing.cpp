// A stranger's request line and headers. The URL is read a second time here,
// in another way; what is let in is asked for its key once more.
#include "client/http/gatekeeper.hpp"
#include "client/http/routes.hpp"
#include "client/http/url.hpp"
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

const gatekeeper& keeper() {
  static const gatekeeper made = [] {
    gatekeeper_config config;
    const std::string lines = "manage " + std::string(master) + "\nread "
                              + std::string(reader) + '\n';
    if (!config.keys.add_lines(lines, "keys"))
      std::abort();
    config.hub_id = hub;
    config.hosts = {"ship.example"};
    return gatekeeper(std::move(config));
  }();
  return made;
}

/// Allows to get and to terminate `own_instance`; stands in the seeds.
const std::string& own_token() {
  static const std::string made = keeper().token(own_instance, "gt", later);
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
        || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2)
      return std::nullopt;
    out += static_cast<char>(value);
    text.remove_prefix(3);
  }
  return out;
}

/// Wrong if planted: a slash that was escaped separates like any other.
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

broken_promise check_target(const std::string& sent,
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

  // Empty segments count, but for the one behind a closing slash.
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
  bool is_sound = true;
  for (const std::string_view each : raw) {
    auto segment = decoded(each, false);
    is_sound = is_sound && segment.has_value();
    segments.push_back(segment.value_or(""));
  }
  for (const std::string_view each : split(query, '&')) {
    if (each.empty())
      continue;
    const std::size_t equals = std::min(each.find('='), each.size());
    auto name = decoded(each.substr(0, equals), true);
    auto value = decoded(each.substr(std::min(equals + 1, each.size())), true);
    is_sound = is_sound && name && value;
    parameters.emplace_back(name.value_or(""), value.value_or(""));
  }
  if (is_sound != parsed.has_value())
    return is_sound ? "a sound target is refused" : "a broken escape passes";
  if (!parsed)
    return {};
  if (parsed->path != path)
    return "the path is not the one that was sent";
  if (parsed->segments != segments)
    return "the segments are not those between the slashes that were sent";
  if (parsed->query != parameters)
    return "the parameters are not those that were sent";
  return {};
}

// --- The route --------------------------------------------------------------

constexpr std::array<std::string_view, 4> prefixes{
  "/runtime/webhooks/durabletask", "/admin/extensions/DurableTaskExtension",
  "/runtime/webhooks/DurableTaskExtension", "/durabletask"};

std::size_t words_of_prefix(const std::vector<std::string>& segments) {
  for (const std::string_view prefix : prefixes) {
    const auto words = split(prefix.substr(1), '/');
    if (words.size() <= segments.size()
        && std::equal(words.begin(), words.end(), segments.begin(),
                      same_letters))
      return words.size();
  }
  return 0;
}

broken_promise check_route(const http_request& request,
                           const request_target& target,
                           const route_match& found) {
  const std::size_t skipped = words_of_prefix(target.segments);
  const route* expected = nullptr;
  route_match parts;
  for (const route& each : all_routes()) {
    const auto words = split(each.pattern.substr(1), '/');
    if ((each.base == route_base::webhook) != (skipped > 0)
        || (!each.method.empty() && each.method != request.method)
        || words.size() + skipped != target.segments.size())
      continue;
    parts = {};
    bool fits = true;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string& segment = target.segments[skipped + i];
      if (words[i] == "{instanceId}")
        parts.instance = segment;
      else if (words[i] == "{functionName}")
        parts.function = segment;
      else if (words[i] == "{eventName}")
        parts.event = segment;
      else
        fits
          = fits
            && (words[i].starts_with('{') || same_letters(words[i], segment));
    }
    if (fits) {
      expected = &each;
      break;
    }
  }
  if (found.taken == nullptr)
    return "no route at all, not even the one to nowhere";
  if (expected == nullptr)
    return found.taken->id == route_id::unknown
             ? broken_promise()
             : "a route is found where none leads";
  if (found.taken != expected)
    return "it is not the first route that fits";
  if (found.instance != parts.instance || found.function != parts.function
      || found.event != parts.event)
    return "instance, function or event is not the segment in its place";
  return {};
}

// --- The key ----------------------------------------------------------------

bool is_credential(std::string_view header) {
  return same_letters(header, "x-functions-key")
         || same_letters(header, "Authorization");
}

bool has_code(const request_target& target, std::string_view wanted) {
  return std::count_if(
           target.query.begin(), target.query.end(),
           [](const auto& each) { return same_letters(each.first, "code"); })
           == 1
         && *target.find("code") == wanted;
}

broken_promise check_admitted(const http_request& request,
                              const request_target& target,
                              const route_match& route, const caller& who) {
  const access needed = route.taken->needed;
  if (needed == access::none)
    return who.right == access::none ? "" : "nobody asked, and got a right";
  const std::string_view host = request.header("Host");
  if (!host.empty() && !keeper().is_own_host(host))
    return "a foreign host is let in";
  const std::string_view origin = request.header("Origin");
  if (!origin.empty()
      && (host.empty() || origin.size() < host.size()
          || !same_letters(origin.substr(origin.size() - host.size()), host)))
    return "a foreign origin is let in";
  if (who.name == "token") {
    if (route.instance != own_instance
        || (route.taken->operation != 'g' && route.taken->operation != 't'))
      return "a token opens what it was not made for";
    if (request.header("x-functions-key") != own_token()
        && request.header("Authorization").empty()
        && !has_code(target, own_token()))
      return "a token that nobody made is taken";
  } else if (who.key == master ? who.right != access::manage
                               : who.key != reader || needed != access::read
                                   || who.right != access::read) {
    return "somebody is let in without a key that is good for it";
  }

  // Whoever was let in is not without the key.
  http_request bare = request;
  std::erase_if(bare.headers, [](const http_header& each) {
    return is_credential(each.name);
  });
  request_target keyless = target;
  std::erase_if(keyless.query, [](const auto& each) {
    return same_letters(each.first, "code");
  });
  caller nobody;
  if (!keeper().admit(bare, keyless, route, now, nobody))
    return "it is let in without its key, too";
  return {};
}

broken_promise check_admission(const http_request& request,
                               const request_target& target,
                               const route_match& route) {
  caller who;
  const auto refusal = keeper().admit(request, target, route, now, who);
  if (!refusal)
    return check_admitted(request, target, route, who);
  if (route.taken->needed == access::none)
    return "a route that needs no key is refused";
  if (refusal->status != 401 && refusal->status != 403)
    return "a refusal is 401 or 403";
  if (refusal->status == 401 && !refusal->body.empty())
    return "a 401 tells something";
  if (request.header("Host").empty() && request.header("Origin").empty()
      && request.header("x-functions-key") == master)
    return "the key does not open";
  return {};
}

// --- What the log shows -----------------------------------------------------

broken_promise check_redacted(const std::string& sent) {
  const std::string shown = redacted(sent);
  if (redacted(shown) != shown)
    return "what is redacted is redacted anew";
  if (const auto again = parse_target(shown))
    for (const auto& [name, value] : again->query)
      if (same_letters(name, "code") && !value.empty() && value != "...")
        return "a code is shown: " + shown;
  // Also of what cannot be parsed.
  const std::string planted = "code=" + std::string(master);
  if (shown.find(planted) != shown.npos
      && (shown.starts_with(planted) || shown.find('?' + planted) != shown.npos
          || shown.find('&' + planted) != shown.npos))
    return "the key is shown: " + shown;
  return {};
}

} // namespace

broken_promise fuzz_routing(std::string_view bytes) {
  const http_request request = read_request(bytes);
  if (auto broken = check_redacted(request.target); !broken.empty())
    return broken;
  for (const http_header& each : request.headers)
    if (keeper().is_own_host(each.value) && !is_plain_authority(each.value))
      return "an own host can end a URL's authority";
  const auto target = parse(request.target);
  if (auto broken = check_target(request.target, target); !broken.empty())
    return broken;
  if (!target)
    return {};
  const route_match route = find_route(request.method, target->segments);
  if (auto broken = check_route(request, *target, route); !broken.empty())
    return broken;
  return check_admission(request, *target, route);
}

} // namespace perdura::tests
