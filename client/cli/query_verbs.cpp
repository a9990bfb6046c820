// SPDX-License-Identifier: Apache-2.0
#include "client/cli/query_verbs.hpp"

#include "client/cli/json_view.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <ostream>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;
using persistence::without_terminal_escapes;

namespace {

// Instances per request; a longer list is fetched page by page.
constexpr std::size_t page_max = 1000;
// A response has this header if more instances follow. The request for the next
// page has the same header with the same value.
// @source Durable Functions, HTTP API reference.
constexpr const char* token_header = "x-ms-continuation-token";
// This header of a partial response lists the partitions whose instances the
// response does not include.
constexpr const char* missing_header = "x-perdura-missing-partitions";

/// Prints a JSON value, indented or on one line.
void print_json(std::string_view text, output_format format, terminal& io) {
  io.out << (format == output_format::json ? json_pretty(text)
                                           : json_compact(text))
         << '\n';
}

/// Prints items as one indented array, or as one item per line.
void print_items(const std::vector<std::string_view>& items,
                 output_format format, terminal& io) {
  if (format == output_format::jsonl) {
    for (const std::string_view each : items)
      io.out << json_compact(each) << '\n';
    return;
  }
  std::string all = "[";
  for (const std::string_view each : items) {
    all += all.size() > 1 ? "," : "";
    all += each;
  }
  io.out << json_pretty(all + ']') << '\n';
}

/// Prints the events of a history as a table.
void print_history(std::string_view events, terminal& io) {
  std::vector<std::vector<std::string>> rows{
    {"TIME", "EVENT", "WHAT", "DETAIL"}};
  for (const std::string_view event : json_items(events))
    rows.push_back(history_cells(event));
  print_table(io.out, rows);
}

/// Prints the instances that cannot make progress, and the reason of each.
int list_stuck(node_connection& node, output_format format, terminal& io) {
  auto reply = node.call_site("GET", "/perdura/stuck");
  if (!reply)
    return fail(io, reply.error());
  const auto items = json_items(reply->body);
  if (format != output_format::table) {
    print_items(items, format, io);
    return exit_ok;
  }
  std::vector<std::vector<std::string>> rows{{"ID", "WHY"}};
  for (const std::string_view each : items)
    rows.push_back({json_text_member(each, "instanceId"),
                    json_text_member(each, "message")});
  print_table(io.out, rows);
  return exit_ok;
}

} // namespace

std::vector<std::string> history_cells(std::string_view event) {
  // The name of the activity or sub-orchestration, or of the event that was
  // raised. Other events have no name.
  std::string what = json_text_member(event, "FunctionName");
  if (what.empty())
    what = json_text_member(event, "Name");
  // If the event has a reason or the due time of a timer, only that is shown.
  // Otherwise the status, the result and the input are shown, if the event has
  // them.
  std::string detail;
  for (const char* member :
       {"Reason", "FireAt", "OrchestrationStatus", "Result", "Input"}) {
    const std::string value = json_text_member(event, member);
    if (value.empty())
      continue;
    detail += (detail.empty() ? "" : "  ") + value;
    if (std::string_view(member) == "Reason"
        || std::string_view(member) == "FireAt")
      break;
  }
  return {json_text_member(event, "Timestamp"),
          json_text_member(event, "EventType"), what, shortened(detail, 80)};
}

std::vector<std::string> instance_cells(std::string_view instance) {
  if (const std::string error = json_text_member(instance, "error");
      !error.empty())
    return {json_text_member(instance, "instanceId"), "", "Damaged", "",
            shortened(error, 60)};
  std::vector<std::string> cells;
  for (const char* member : {"instanceId", "name", "runtimeStatus",
                             "createdTime", "lastUpdatedTime"})
    cells.push_back(json_text_member(instance, member));
  return cells;
}

void print_instances(std::ostream& out, const std::vector<std::string>& found) {
  std::vector<std::vector<std::string>> rows{
    {"ID", "NAME", "STATUS", "CREATED", "UPDATED"}};
  for (const std::string& each : found)
    rows.push_back(instance_cells(each));
  print_table(out, rows);
}

bool filter_options::empty() const {
  return statuses.empty() && created_from.empty() && created_to.empty()
         && prefix.empty() && name.empty();
}

query_parameters filter_options::to_parameters() const {
  std::string joined;
  for (const std::string& each : statuses)
    joined += (joined.empty() ? "" : ",") + each;
  return {{"runtimeStatus", joined},
          {"createdTimeFrom", created_from},
          {"createdTimeTo", created_to},
          {"instanceIdPrefix", prefix},
          {"name", name}};
}

void print_status(const std::string& status, output_format format,
                  terminal& io) {
  if (format != output_format::table) {
    print_json(status, format, io);
    return;
  }
  // Inputs and outputs are shown as JSON on one line. A missing value is shown
  // as null.
  const auto raw = [&](const char* member) {
    return json_compact(json_member(status, member).value_or("null"));
  };
  std::vector<std::pair<std::string, std::string>> pairs{
    {"ID", json_text_member(status, "instanceId")},
    {"Name", json_text_member(status, "name")},
    {"Status", json_text_member(status, "runtimeStatus")},
    {"Created", json_text_member(status, "createdTime")},
    {"Updated", json_text_member(status, "lastUpdatedTime")},
    {"Input", raw("input")},
  };
  if (raw("customStatus") != "null")
    pairs.emplace_back("Custom status", raw("customStatus"));
  pairs.emplace_back("Output", raw("output"));
  print_pairs(io.out, pairs);
  if (const auto events = json_member(status, "historyEvents")) {
    io.out << '\n';
    print_history(*events, io);
  }
}

result<found_instances> fetch_instances(node_connection& node,
                                        const list_verb_options& options,
                                        bool show_input) {
  found_instances found;
  // If `top` is 0, there is no limit, and each request asks for a whole page.
  const std::size_t top = options.top;
  std::string token;
  do {
    const std::size_t left = top == 0 ? page_max : top - found.instances.size();
    query_parameters parameters = options.filter.to_parameters();
    parameters.emplace_back("top", std::to_string(std::min(left, page_max)));
    if (!show_input)
      parameters.emplace_back("showInput", "false");
    if (options.partial)
      parameters.emplace_back("partial", "true");
    std::vector<http_header> headers;
    if (!token.empty())
      headers.push_back({token_header, token});
    auto reply
      = node.call_api("GET", "/instances" + to_query(parameters), {}, headers);
    if (!reply)
      return reply.error();
    for (const std::string_view each : json_items(reply->body))
      found.instances.emplace_back(each);
    token = reply->header(token_header);
    // Nodes can become reachable or unreachable between two pages, so the pages
    // can have different lists of missing partitions; the longest list is kept.
    const std::string missing(reply->header(missing_header));
    if (missing.size() > found.missing.size())
      found.missing = missing;
  } while (!token.empty() && (top == 0 || found.instances.size() < top));
  found.more = !token.empty();
  return found;
}

void report_missing_partitions(const std::string& partitions, terminal& io) {
  if (partitions.empty())
    return;
  std::string list;
  for (const char c : partitions)
    list += c == ',' ? ", " : std::string(1, c);
  io.err << "perdura: The instances of these partitions are missing: "
         << without_terminal_escapes(list)
         << ". Their nodes cannot be reached; see `perdura cluster status`."
         << std::endl;
}

int get_verb(node_connection& node, const std::string& id, bool history,
             bool outputs, output_format format, terminal& io) {
  auto status
    = node.status_of(id, {{"showHistory", history || outputs ? "true" : ""},
                          {"showHistoryOutput", outputs ? "true" : ""}});
  if (!status)
    return fail(io, status.error());
  print_status(*status, format, io);
  return exit_ok;
}

int list_verb(node_connection& node, const list_verb_options& options,
              output_format format, terminal& io) {
  if (options.stuck)
    return list_stuck(node, format, io);
  auto found = fetch_instances(node, options, format != output_format::table);
  if (!found)
    return fail(io, found.error());
  if (format != output_format::table)
    print_items({found->instances.begin(), found->instances.end()}, format, io);
  else
    print_instances(io.out, found->instances);
  // Notes go to the error stream, so that the output stream can be parsed.
  if (found->more)
    io.err << "There are more instances; --top N shows more, --top 0 all."
           << std::endl;
  report_missing_partitions(found->missing, io);
  return exit_ok;
}

int count_verb(node_connection& node, bool partial, output_format format,
               terminal& io) {
  auto reply = node.call_site(
    "GET", "/perdura/count" + to_query({{"partial", partial ? "true" : ""}}));
  if (!reply)
    return fail(io, reply.error());
  std::string missing;
  for (const std::string_view each :
       json_items(json_member(reply->body, "missingPartitions").value_or("")))
    missing += (missing.empty() ? "" : ",") + std::string(each);
  report_missing_partitions(missing, io);
  if (format != output_format::table) {
    print_json(reply->body, format, io);
    return exit_ok;
  }
  // Statuses that no instance has are left out; the total is always shown.
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const char* name :
       {"Pending", "Running", "Suspended", "ContinuedAsNew", "Completed",
        "Failed", "Terminated", "Canceled", "total"}) {
    const std::string count = json_text_member(reply->body, name);
    if (std::string_view(name) == "total")
      pairs.emplace_back("Total", count);
    else if (count != "0")
      pairs.emplace_back(name, count);
  }
  print_pairs(io.out, pairs);
  return exit_ok;
}

int history_verb(node_connection& node, const std::string& id,
                 output_format format, terminal& io) {
  auto status = node.status_of(
    id, {{"showHistory", "true"}, {"showHistoryOutput", "true"}});
  if (!status)
    return fail(io, status.error());
  const auto events = json_member(*status, "historyEvents").value_or("[]");
  if (format == output_format::table)
    print_history(events, io);
  else
    print_items(json_items(events), format, io);
  return exit_ok;
}

int urls_verb(node_connection& node, const std::string& id,
              output_format format, terminal& io) {
  auto reply = node.call_site("GET", "/perdura" + instance_path(id) + "/urls");
  if (!reply)
    return fail(io, reply.error());
  if (format != output_format::table) {
    print_json(reply->body, format, io);
    return exit_ok;
  }
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const char* name :
       {"statusQueryGetUri", "sendEventPostUri", "terminatePostUri",
        "rewindPostUri", "purgeHistoryDeleteUri", "restartPostUri",
        "suspendPostUri", "resumePostUri"})
    pairs.emplace_back(name, json_text_member(reply->body, name));
  print_pairs(io.out, pairs);
  return exit_ok;
}

} // namespace perdura::client
