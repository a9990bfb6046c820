// SPDX-License-Identifier: Apache-2.0
#include "client/http/api_call.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/records/text.hpp"

namespace perdura::client {

namespace {

/// True if the request gets a line in the audit log.
bool is_audited(const route_match& route) {
  return route.entry->is_audited
         && persistence::is_logged(persistence::log_channel::audit,
                                   persistence::log_level::info);
}

} // namespace

// The times in the metrics begin here, when the request has been received and
// admitted.
api_call::api_call(std::shared_ptr<api_context> api, http_request received,
                   request_target parsed_target, route_match matched_route,
                   caller admitted, http_responder responder)
  : context(std::move(api)),
    request(std::move(received)),
    target(std::move(parsed_target)),
    route(std::move(matched_route)),
    requester(std::move(admitted)),
    responder_(std::move(responder)),
    began_(std::chrono::steady_clock::now()) {}

void api_call::respond(http_response response) const {
  // If a wait ends at the moment at which its time-out elapses, there are two
  // responses. The second one is dropped and not counted.
  if (answered_.exchange(true))
    return;
  // The response is recorded before it is sent, so that a caller that has
  // received it finds it in the metrics and in the audit log.
  record_response(response.status);
  responder_.respond(std::move(response));
}

// Values are written as JSON strings, so that a value from the caller cannot
// add a field or a line to the log.
void api_call::add_audit_field(std::string_view name,
                               std::string_view value) const {
  if (!is_audited(route))
    return;
  const std::lock_guard lock(audit_mutex_);
  audit_fields_ += ' ';
  audit_fields_ += name;
  audit_fields_ += '=';
  audit_fields_ += actors::json_string(value);
}

// The lock is needed because another thread may still add a field.
void api_call::record_response(int status) const {
  const auto took = std::chrono::steady_clock::now() - began_;
  const std::lock_guard lock(audit_mutex_);
  client::record_response(
    *context, request, route, requester, status,
    static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(took).count()),
    audit_fields_);
}

void record_response(api_context& context, const http_request& request,
                     const route_match& route, const caller& requester,
                     int status, std::uint64_t time_us,
                     std::string_view audit_fields) {
  using persistence::log_channel;
  using persistence::log_level;
  // Counters are updated for every response, logged or not.
  context.metrics.count(route.entry->id, status, time_us);
  // The level is checked first, so that the line is made only if it is logged.
  // `redacted` removes the key from the target.
  if (persistence::is_logged(log_channel::client, log_level::debug))
    persistence::log(log_channel::client, log_level::debug,
                     request.peer + ' ' + request.method + ' '
                       + redacted(request.target) + ' ' + std::to_string(status)
                       + ' ' + std::to_string(time_us) + " us");
  if (!is_audited(route))
    return;
  // The line has the form: ROUTE instance="…" by="…" from="…" status=CODE.
  // Empty fields are left out.
  std::string line(to_string(route.entry->id));
  const auto add = [&line](const char* name, std::string_view value) {
    if (value.empty())
      return;
    line += ' ';
    line += name;
    line += '=';
    line += actors::json_string(value);
  };
  add("function", route.function);
  add("instance", route.instance);
  add("event", route.event);
  line += audit_fields;
  add("by", requester.name);
  add("from", request.peer);
  line += " status=" + std::to_string(status);
  persistence::log(log_channel::audit, log_level::info, line);
}

void api_call::respond_empty(int status) const {
  respond({status, {}});
}

void api_call::respond_json(int status, std::string body,
                            std::vector<http_header> headers) const {
  respond({status, std::move(body), std::move(headers)});
}

void api_call::fail(const persistence::error& failure) const {
  respond(to_response(failure));
}

void api_call::fail_as_string(int status, std::string_view sentence) const {
  respond({status, actors::json_string(sentence)});
}

// The audit line contains the instance ID of the path. If `id` is a different
// one, it is added.
void api_call::respond_accepted(const std::string& id, timestamp created_at,
                                std::optional<bool> started) const {
  if (id != route.instance)
    add_audit_field(route.instance.empty() ? "instance" : "new_instance", id);
  // Retry-After is the interval in seconds that Durable Functions proposes.
  const actors::management_payload payload = payload_of(id, created_at);
  std::string body = to_json(payload);
  if (started) {
    body.pop_back(); // the closing bracket
    body += *started ? ",\"started\":true}" : ",\"started\":false}";
  }
  respond_json(
    202, std::move(body),
    {{"Location", payload.status_query_get_uri}, {"Retry-After", "10"}});
}

actors::management_payload api_call::payload_of(const std::string& id,
                                                timestamp created_at) const {
  return cluster::make_management_payload(link_base(created_at), id);
}

void accept(const api_call_ptr& call, const std::string& id,
            timestamp created_at) {
  with_created_time(call, id, created_at, [call, id](timestamp created) {
    call->respond_accepted(id, created);
  });
}

std::string api_call::url() const {
  // The URL that this function returns is sent in the header Location while the
  // instance is live, so that the caller requests the same URL again.
  std::string url = link_base().origin;
  std::string_view path = request.target;
  // If the target has the absolute form, only its path is used, because the
  // caller may have put any host into the target.
  if (!path.starts_with('/')) {
    const std::size_t scheme = path.find("://");
    path.remove_prefix(scheme == path.npos
                         ? 0
                         : std::min(path.find('/', scheme + 3), path.size()));
    if (!path.starts_with('/'))
      url += '/';
  }
  // A header may hold printable ASCII only, so all other bytes are encoded.
  // @source RFC 3986, section 2.1.
  for (const char c : path)
    if (persistence::is_graphic(c))
      url += c;
    else
      url += cluster::encode_url_part(std::string_view(&c, 1));
  return url;
}

std::string api_call::text(std::string_view parameter) const {
  const std::string* value = target.find(parameter);
  return value == nullptr ? std::string() : *value;
}

// Empty if the header is missing; then `orchestration_client` generates an ID.
std::string api_call::request_id() const {
  return std::string(request.header("Idempotency-Key"));
}

void run_blocking(const api_call_ptr& call, std::function<void()> work) {
  run_blocking(call->context->blocking_calls, call, std::move(work));
}

void run_blocking(blocking_call_pool& pool, const api_call_ptr& call,
                  std::function<void()> work) {
  // `submit` also fails while the API stops.
  if (!pool.submit(std::move(work)))
    call->fail({errc::overloaded,
                "Too many queries are in progress on this node; try again."});
}

} // namespace perdura::client
