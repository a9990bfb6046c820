#include "client/http/management_api.hpp"

#include "client/http/api_call.hpp"
#include "client/http/http_server.hpp"

#include <array>

namespace perdura::client {

namespace {

using segment_list = std::vector<std::string>;
using operation = orchestration_client::operation;

constexpr std::array<std::array<const char*, 3>, 3> prefixes{{
  {"runtime", "webhooks", "durabletask"},
  {"admin", "extensions", "DurableTaskExtension"},
  {"runtime", "webhooks", "DurableTaskExtension"},
}};

/// Takes the webhook's prefix off, as it was sent; empty: there is none.
std::string take_prefix(segment_list& segments) {
  for (const auto& prefix : prefixes) {
    if (segments.size() < prefix.size())
      continue;
    std::string sent;
    bool fits = true;
    for (std::size_t i = 0; i < prefix.size(); ++i) {
      fits = fits && same_letters(segments[i], prefix[i]);
      sent += '/' + segments[i];
    }
    if (!fits)
      continue;
    segments.erase(segments.begin(),
                   segments.begin()
                     + static_cast<std::ptrdiff_t>(prefix.size()));
    return sent;
  }
  return {};
}

/// Host without port; empty if there is anything odd about it.
std::string host_of(std::string_view authority) {
  for (const char c : authority) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                       || (c >= '0' && c <= '9') || c == '.' || c == ':'
                       || c == '-' || c == '[' || c == ']';
    if (!plain)
      return {};
  }
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    return end == authority.npos ? std::string()
                                 : std::string(authority.substr(1, end - 1));
  }
  return std::string(authority.substr(0, authority.find(':')));
}

/// Where links point to: the address that the caller used, if it is this
/// machine's for sure.
std::string origin_of(const http_request& request,
                      const management_api_config& config) {
  const std::string_view authority = request.header("Host");
  const std::string host = host_of(authority);
  if (!host.empty()
      && (is_loopback(host) || same_letters(host, config.bind_address)))
    return "http://" + std::string(authority);
  return config.origin;
}

bool is_word(const std::string& segment, std::string_view word) {
  return same_letters(segment, word);
}

void route_control(const api_call_ptr& call, const std::string& id,
                   const std::string& word) {
  if (is_word(word, "terminate"))
    control_instance(call, id, operation::terminate);
  else if (is_word(word, "suspend"))
    control_instance(call, id, operation::suspend);
  else if (is_word(word, "resume"))
    control_instance(call, id, operation::resume);
  else if (is_word(word, "rewind"))
    control_instance(call, id, operation::rewind);
  else if (is_word(word, "restart"))
    restart_orchestration(call, id);
  else
    call->empty(404);
}

void route_instances(const api_call_ptr& call, const segment_list& path) {
  const std::string& method = call->request.method;
  if (path.size() == 1 && method == "GET")
    list_instances(call);
  else if (path.size() == 1 && method == "DELETE")
    purge_instances(call);
  else if (path.size() == 2 && method == "GET")
    get_instance(call, path[1]);
  else if (path.size() == 2 && method == "DELETE")
    control_instance(call, path[1], operation::purge);
  else if (path.size() == 3 && method == "POST")
    route_control(call, path[1], path[2]);
  else if (path.size() == 4 && method == "POST"
           && is_word(path[2], "raiseEvent"))
    raise_event(call, path[1], path[3]);
  else
    call->empty(404);
}

void route_webhook(const api_call_ptr& call, const segment_list& path) {
  const bool post = call->request.method == "POST";
  if (path.empty())
    call->empty(404);
  else if (is_word(path[0], "instances"))
    route_instances(call, path);
  else if (is_word(path[0], "orchestrators") && post && path.size() == 1)
    start_bindings(call);
  else if (is_word(path[0], "orchestrators") && post && path.size() <= 3)
    start_orchestration(call, path[1], path.size() == 3 ? path[2] : "");
  else if (is_word(path[0], "entities"))
    call->fail({errc::unsupported, "Entities are not supported."});
  else if (is_word(path[0], "makeprimary") && path.size() == 1)
    call->empty(200); // Nothing to lease: a partition has one owner.
  else
    call->empty(404);
}

/// The seed's sample routes, /healthz and the like, and Perdura's own.
void route_site(const api_call_ptr& call, const segment_list& path) {
  const bool get = call->request.method == "GET";
  const bool post = call->request.method == "POST";
  const std::size_t size = path.size();
  if (size == 0) {
    call->empty(404);
  } else if (is_word(path[0], "orchestrators") && post && size == 1) {
    start_bindings(call);
  } else if (is_word(path[0], "orchestrators") && post && size == 2) {
    start_orchestration(call, path[1], "");
  } else if (is_word(path[0], "orchestrators") && post && size == 3
             && is_word(path[2], "wait")) {
    start_and_wait(call, path[1]);
  } else if (is_word(path[0], "healthz") && get && size == 1) {
    call->json(200, R"({"status":"ok"})");
  } else if (is_word(path[0], "readyz") && get && size == 1) {
    const auto& is_ready = call->context->config.is_ready;
    const bool ready = !is_ready || is_ready();
    call->json(ready ? 200 : 503,
               ready ? R"({"status":"ready"})" : R"({"status":"not ready"})");
  } else if (is_word(path[0], "perdura") && get && size == 2
             && is_word(path[1], "count")) {
    count_instances(call);
  } else if (is_word(path[0], "perdura") && get && size == 2
             && is_word(path[1], "stuck")) {
    list_stuck(call);
  } else if (is_word(path[0], "perdura") && get && size == 4
             && is_word(path[1], "instances") && is_word(path[3], "urls")) {
    get_instance_urls(call, path[2]);
  } else {
    call->empty(404);
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
  auto target = parse_target(request.target);
  if (!target) {
    responder.respond(to_response(
      {errc::invalid_argument,
       "In the URL, a % is not followed by two hexadecimal digits."}));
    return;
  }
  cluster::management_base base;
  base.origin = origin_of(request, context_->config);
  base.task_hub = context_->config.task_hub;
  segment_list path = target->segments;
  const std::string prefix = take_prefix(path);
  if (!prefix.empty())
    base.prefix = prefix;
  const auto call = std::make_shared<const api_call>(
    context_, std::move(request), std::move(*target), std::move(responder),
    std::move(base));
  if (prefix.empty())
    route_site(call, path);
  else
    route_webhook(call, path);
}

actors::management_payload
management_api::payload_of(const std::string& id) const {
  cluster::management_base base;
  base.origin = context_->config.origin;
  base.task_hub = context_->config.task_hub;
  return cluster::make_management_payload(base, id);
}

} // namespace perdura::client
