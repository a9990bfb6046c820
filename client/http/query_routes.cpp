#include "actors/json_text_check.hpp"
#include "actors/management.hpp"
#include "client/http/api_call.hpp"

#include <algorithm>
#include <charconv>

namespace perdura::client {

namespace {

using actors::json_string;

constexpr const char* token_header = "x-ms-continuation-token";

result<void> parse_time(const api_call& call, const char* parameter,
                        std::optional<timestamp>& into) {
  const std::string text = call.text(parameter);
  if (text.empty())
    return {};
  timestamp time{};
  if (!parse_iso(text, time)) {
    // "+01:00", not encoded, has arrived as " 01:00".
    std::string with_plus = text;
    if (const auto blank = with_plus.rfind(' ');
        blank != with_plus.npos && blank > 10)
      with_plus[blank] = '+';
    if (!parse_iso(with_plus, time))
      return error{errc::invalid_argument, std::string(parameter)
                                             + " is not an ISO 8601 time: \""
                                             + text + "\"."};
  }
  // Nothing is older than the epoch; some clients send the year 1.
  into = std::max(time, timestamp{});
  return {};
}

result<void> parse_statuses(const api_call& call,
                            std::vector<runtime_status>& into) {
  for (const auto& [name, value] : call.target.query) {
    if (!same_letters(name, "runtimeStatus"))
      continue;
    std::string_view left = value;
    while (!left.empty()) {
      const std::size_t end = left.find(',');
      std::string_view word = left.substr(0, end);
      left.remove_prefix(end == left.npos ? left.size() : end + 1);
      while (word.starts_with(' '))
        word.remove_prefix(1);
      while (word.ends_with(' '))
        word.remove_suffix(1);
      if (word.empty())
        continue;
      runtime_status status{};
      if (word.size() == 1 && word[0] >= '0' && word[0] <= '7')
        status = static_cast<runtime_status>(word[0] - '0');
      else if (!parse_runtime_status(word, status))
        return error{errc::invalid_argument,
                     "runtimeStatus \"" + std::string(word)
                       + "\" is not known; there are Running, Completed, "
                         "ContinuedAsNew, Failed, Canceled, Terminated, "
                         "Pending and Suspended."};
      into.push_back(status);
    }
  }
  return {};
}

result<instance_filter> parse_filter(const api_call& call) {
  instance_filter filter;
  if (auto ok = parse_time(call, "createdTimeFrom", filter.created_from); !ok)
    return ok.error();
  if (auto ok = parse_time(call, "createdTimeTo", filter.created_to); !ok)
    return ok.error();
  if (auto ok = parse_statuses(call, filter.statuses); !ok)
    return ok.error();
  filter.instance_id_prefix = call.text("instanceIdPrefix");
  filter.name = call.text("name");
  filter.show_input = call.target.flag("showInput", true);
  const std::string top = call.text("top");
  if (!top.empty()) {
    const char* end = top.data() + top.size();
    const auto [rest, failure] = std::from_chars(top.data(), end, filter.top);
    if (failure != std::errc() || rest != end)
      return error{errc::invalid_argument,
                   "top is a number from 1 to 1,000; this is \"" + top + "\"."};
  }
  return filter;
}

} // namespace

void list_instances(const api_call_ptr& call) {
  auto filter = parse_filter(*call);
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
  auto filter = parse_filter(*call);
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
