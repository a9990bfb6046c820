// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/json_text_check.hpp"
#include "actors/interface/management.hpp"
#include "client/api/request_checks.hpp"
#include "client/http/api_call.hpp"
#include "client/http/query_filter.hpp"

#include <limits>

namespace perdura::client {

namespace {

using actors::json_string;

// The name that Durable Functions uses for its continuation token.
constexpr const char* token_header = "x-ms-continuation-token";
// The header that lists the partitions whose instances are missing in the page.
constexpr const char* missing_header = "x-perdura-missing-partitions";

/// Partition numbers separated by commas, e.g. "3,7,12".
std::string comma_separated(const std::vector<std::uint32_t>& partitions) {
  std::string text;
  for (const std::uint32_t each : partitions)
    text += (text.empty() ? "" : ",") + std::to_string(each);
  return text;
}

} // namespace

void list_instances(const api_call_ptr& call) {
  auto filter = parse_filter(call->target);
  if (!filter) {
    call->fail(filter.error());
    return;
  }
  // A query is sent to all nodes. The call blocks until they have answered, or
  // until the client's deadline.
  run_blocking(call, [call, wanted = std::move(*filter)] {
    auto page = call->context->blocking_client.list_instances(
      wanted, std::string(call->request.header(token_header)));
    if (!page) {
      call->fail(page.error());
      return;
    }
    std::vector<http_header> headers;
    if (!page->continuation_token.empty())
      headers.push_back({token_header, page->continuation_token});
    if (!page->missing_partitions.empty())
      headers.push_back(
        {missing_header, comma_separated(page->missing_partitions)});
    call->respond_json(200, to_json(page->instances), std::move(headers));
  });
}

void purge_instances(const api_call_ptr& call) {
  auto filter = parse_filter(call->target);
  if (!filter) {
    call->fail(filter.error());
    return;
  }
  // The parameter is required, so that a request without a filter does not
  // delete everything. The sentence is part of the contract of Durable
  // Functions.
  if (!filter->created_from) {
    call->fail_as_string(
      400, "Please provide value for 'createdTimeFrom' parameter.");
    return;
  }
  // Without `top` all matching instances are purged.
  const std::size_t most = call->text("top").empty()
                             ? std::numeric_limits<std::size_t>::max()
                             : filter->top;
  if (auto ok = check_filter(*filter); !ok) {
    call->fail(ok.error());
    return;
  }
  run_blocking(call, [call, wanted = std::move(*filter), most] {
    // Purges the instances one after the other; many instances take long. If a
    // purge fails, the instances that were purged before stay purged.
    auto purged = call->context->blocking_client.purge_all(wanted, {}, most);
    if (!purged)
      call->fail(purged.error());
    else if (*purged == 0)
      call->respond_empty(404);
    else {
      // The audit line has no instance ID, so it shows the number of purged
      // instances.
      call->add_audit_field("deleted", std::to_string(*purged));
      call->respond_json(200, "{\"instancesDeleted\":" + std::to_string(*purged)
                                + '}');
    }
  });
}

void count_instances(const api_call_ptr& call) {
  const bool partial = call->target.flag("partial", false);
  run_blocking(call, [call, partial] {
    // Sends a request to all nodes; blocks for at most `query_time_max`.
    auto counted = call->context->client.gateway()->count(partial);
    if (!counted) {
      call->fail(counted.error());
      return;
    }
    std::string body = "{";
    // One member for each status, also for those without instances.
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < counted->counts.size(); ++i) {
      body += json_string(to_string(static_cast<runtime_status>(i))) + ':'
              + std::to_string(counted->counts[i]) + ',';
      total += counted->counts[i];
    }
    body += "\"total\":" + std::to_string(total);
    if (partial)
      body
        += ",\"missingPartitions\":[" + comma_separated(counted->missing) + ']';
    call->respond_json(200, body + '}');
  });
}

// Shows the instances of this node only.
void list_stuck(const api_call_ptr& call) {
  run_blocking(call->context->report_calls, call, [call] {
    std::string body = "[";
    for (const auto& [id, why] : call->context->client.gateway()->stuck()) {
      body += body.size() > 1 ? "," : "";
      body += "{\"instanceId\":" + json_string(id)
              + ",\"message\":" + json_string(why) + '}';
    }
    call->respond_json(200, body + ']');
  });
}

} // namespace perdura::client
