#include "client/http/api_call.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "persistence/process/logging.hpp"

namespace perdura::client {

api_call::api_call(std::shared_ptr<api_context> around, http_request asked,
                   request_target where, route_match taken, caller who_asks,
                   http_responder answer_to)
  : context(std::move(around)),
    request(std::move(asked)),
    target(std::move(where)),
    route(std::move(taken)),
    who(std::move(who_asks)),
    responder_(std::move(answer_to)),
    began_(std::chrono::steady_clock::now()) {}

void api_call::respond(http_response response) const {
  if (answered_.exchange(true))
    return;
  // Before the caller hears of it: who has an answer finds it accounted for.
  account_for(response.status);
  responder_.respond(std::move(response));
}

void api_call::note(std::string_view name, std::string_view value) const {
  const std::lock_guard lock(notes_mutex_);
  notes_ += ' ';
  notes_ += name;
  notes_ += '=';
  notes_ += actors::json_string(value);
}

void api_call::account_for(int status) const {
  const auto took = std::chrono::steady_clock::now() - began_;
  const std::lock_guard lock(notes_mutex_);
  client::account_for(
    *context, request, route, who, status,
    static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(took).count()),
    notes_);
}

void account_for(api_context& context, const http_request& request,
                 const route_match& route, const caller& who, int status,
                 std::uint64_t time_us, std::string_view notes) {
  using persistence::log_level;
  using persistence::log_room;
  context.metrics.count(route.taken->id, status, time_us);
  if (persistence::logs(log_room::client, log_level::debug))
    persistence::log(log_room::client, log_level::debug,
                     request.peer + ' ' + request.method + ' '
                       + redacted(request.target) + ' ' + std::to_string(status)
                       + ' ' + std::to_string(time_us) + " us");
  if (!route.taken->is_audited
      || !persistence::logs(log_room::audit, log_level::info))
    return;
  std::string line(to_string(route.taken->id));
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
  line += notes;
  add("by", who.name);
  add("from", request.peer);
  line += " status=" + std::to_string(status);
  persistence::log(log_room::audit, log_level::info, line);
}

void api_call::empty(int status) const {
  respond({status, {}});
}

void api_call::json(int status, std::string body,
                    std::vector<http_header> headers) const {
  respond({status, std::move(body), std::move(headers)});
}

void api_call::fail(const persistence::error& failure) const {
  respond(to_response(failure));
}

void api_call::fail_as_string(int status, std::string_view sentence) const {
  respond({status, actors::json_string(sentence)});
}

void api_call::accepted(const std::string& id) const {
  if (id != route.instance)
    note(route.instance.empty() ? "instance" : "new_instance", id);
  const actors::management_payload payload = payload_of(id);
  json(202, to_json(payload),
       {{"Location", payload.status_query_get_uri}, {"Retry-After", "10"}});
}

actors::management_payload api_call::payload_of(const std::string& id) const {
  return cluster::make_management_payload(links(), id);
}

std::string api_call::url() const {
  std::string url = links().origin;
  std::string_view path = request.target;
  if (!path.starts_with('/')) { // The absolute form may name any host.
    const std::size_t scheme = path.find("://");
    path.remove_prefix(scheme == path.npos
                         ? 0
                         : std::min(path.find('/', scheme + 3), path.size()));
    if (!path.starts_with('/'))
      url += '/';
  }
  for (const char c : path)
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
