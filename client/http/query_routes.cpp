#include "actors/json_text_check.hpp"
#include "actors/management.hpp"
#include "client/http/api_call.hpp"
#include "client/http/query_filter.hpp"

namespace perdura::client {

namespace {

using actors::json_string;

constexpr const char* token_header = "x-ms-continuation-token";

} // namespace

void list_instances(const api_call_ptr& call) {
  auto filter = parse_filter(call->target);
  if (!filter) {
    call->fail(filter.error());
    return;
  }
  run_blocking(call, [call, wanted = std::move(*filter)] {
    auto page = call->context->client.list_instances(
      wanted, std::string(call->request.header(token_header)));
    if (!page) {
      call->fail(page.error());
      return;
    }
    std::vector<http_header> headers;
    if (!page->continuation_token.empty())
      headers.push_back({token_header, page->continuation_token});
    call->json(200, to_json(page->instances), std::move(headers));
  });
}

void purge_instances(const api_call_ptr& call) {
  auto filter = parse_filter(call->target);
  if (!filter) {
    call->fail(filter.error());
    return;
  }
  if (!filter->created_from) {
    call->fail_as_string(
      400, "Please provide value for 'createdTimeFrom' parameter.");
    return;
  }
  run_blocking(call, [call, wanted = std::move(*filter)] {
    auto purged = call->context->client.purge_all(wanted);
    if (!purged)
      call->fail(purged.error());
    else if (*purged == 0)
      call->empty(404);
    else {
      call->note("deleted", std::to_string(*purged));
      call->json(200, "{\"instancesDeleted\":" + std::to_string(*purged) + '}');
    }
  });
}

void count_instances(const api_call_ptr& call) {
  run_blocking(call, [call] {
    auto counts = call->context->client.count_instances();
    if (!counts) {
      call->fail(counts.error());
      return;
    }
    std::string body = "{";
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < counts->size(); ++i) {
      body += json_string(to_string(static_cast<runtime_status>(i))) + ':'
              + std::to_string((*counts)[i]) + ',';
      total += (*counts)[i];
    }
    call->json(200, body + "\"total\":" + std::to_string(total) + '}');
  });
}

void list_stuck(const api_call_ptr& call) {
  run_blocking(call, [call] {
    std::string body = "[";
    for (const auto& [id, why] : call->context->client.gateway()->stuck()) {
      body += body.size() > 1 ? "," : "";
      body += "{\"instanceId\":" + json_string(id)
              + ",\"message\":" + json_string(why) + '}';
    }
    call->json(200, body + ']');
  });
}

} // namespace perdura::client
