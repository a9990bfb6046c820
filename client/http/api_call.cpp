#include "client/http/api_call.hpp"

#include "actors/json_text_check.hpp"

namespace perdura::client {

api_call::api_call(std::shared_ptr<api_context> around, http_request asked,
                   request_target where, http_responder answer_to,
                   cluster::management_base links)
  : context(std::move(around)),
    request(std::move(asked)),
    target(std::move(where)),
    base(std::move(links)),
    responder_(std::move(answer_to)) {}

void api_call::respond(http_response response) const {
  responder_.respond(std::move(response));
}

void api_call::empty(int status) const {
  responder_.respond({status, {}});
}

void api_call::json(int status, std::string body,
                    std::vector<http_header> headers) const {
  responder_.respond({status, std::move(body), std::move(headers)});
}

void api_call::fail(const persistence::error& failure) const {
  responder_.respond(to_response(failure));
}

void api_call::fail_as_string(int status, std::string_view sentence) const {
  responder_.respond({status, actors::json_string(sentence)});
}

void api_call::accepted(const std::string& id) const {
  const actors::management_payload payload = payload_of(id);
  json(202, to_json(payload),
       {{"Location", payload.status_query_get_uri}, {"Retry-After", "10"}});
}

actors::management_payload api_call::payload_of(const std::string& id) const {
  return cluster::make_management_payload(base, id);
}

std::string api_call::url() const {
  std::string url = base.origin;
  if (!request.target.starts_with('/'))
    return request.target; // It came whole.
  for (const char c : request.target)
    if (c > 0x20 && c < 0x7F)
      url += c;
    else
      url += cluster::encode_url_part(std::string_view(&c, 1));
  return url;
}

std::string api_call::text(std::string_view parameter) const {
  const std::string* value = target.find(parameter);
  return value == nullptr ? std::string() : *value;
}

std::string api_call::request_id() const {
  return std::string(request.header("Idempotency-Key"));
}

void run_blocking(const api_call_ptr& call, std::function<void()> work) {
  if (!call->context->blocking.submit(std::move(work)))
    call->fail({errc::overloaded,
                "Too many queries are under way on this node; try again."});
}

} // namespace perdura::client
