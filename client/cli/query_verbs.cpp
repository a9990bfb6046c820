// SPDX-License-Identifier: Apache-2.0
#include "client/cli/query_verbs.hpp"

#include "client/cli/counted_noun.hpp"
#include "client/cli/filter_check.hpp"
#include "client/cli/json_view.hpp"
#include "client/cli/text_width.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <map>
#include <ostream>

namespace perdura::client {

using persistence::result;
using persistence::without_terminal_escapes;

namespace {

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
  table_rows rows{history_titles()};
  for (const std::string_view event : json_items(events))
    rows.push_back(history_cells(event));
  print_table(io, rows,
              {column_kind::fixed, column_kind::fixed, column_kind::text,
               column_kind::detail});
}

/// Prints the names and values of a status. The status is in its colour.
void print_status_pairs(
  const std::vector<std::pair<std::string, std::string>>& pairs, terminal& io,
  bool cuts_values) {
  std::size_t width = 0;
  for (const auto& [name, value] : pairs)
    width = std::max(width, display_width(name) + 2);
  for (const auto& [name, value] : pairs) {
    std::string shown = without_terminal_escapes(value);
    if (cuts_values && io.size)
      shown = shortened(std::move(shown),
                        std::max(io.size().columns, width + 1) - width);
    if (name == "Status" && io.has_colors)
      shown = colored_status(value, shown);
    io.out << name << std::string(width - display_width(name), ' ') << shown
           << '\n';
  }
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
  table_rows rows{{"ID", "WHY"}};
  for (const std::string_view each : items)
    rows.push_back({json_text_member(each, "instanceId"),
                    json_text_member(each, "message")});
  print_table(io, rows, {column_kind::text, column_kind::detail});
  return exit_ok;
}

/// The statuses in the order in which they are shown, and the total.
constexpr const char* counted_names[]
  = {"Pending", "Running",    "Suspended", "ContinuedAsNew", "Completed",
     "Failed",  "Terminated", "Canceled",  "total"};

/// Counts the instances that match by reading them, and returns the counts in
/// the form of the HTTP API.
result<std::string> count_matching(node_connection& node,
                                   const filter_options& filter, bool partial,
                                   terminal& io) {
  list_verb_options wanted{filter, 0};
  wanted.partial = partial;
  const auto found = fetch_instances(node, wanted, false);
  if (!found)
    return found.error();
  std::map<std::string, std::size_t> counts;
  for (const std::string& each : found->instances)
    ++counts[json_text_member(each, "runtimeStatus")];
  // It is not known whether the filter applies to a damaged instance, which has
  // no status.
  const std::size_t damaged = counts[""];
  if (damaged > 0)
    io.err << counted(damaged, "damaged instance")
           << " left out; `perdura list` shows all.\n";
  counts["total"] = found->instances.size() - damaged;
  std::string body;
  for (const char* name : counted_names)
    body += (body.empty() ? "{\"" : ",\"") + std::string(name)
            + "\":" + std::to_string(counts[name]);
  if (partial)
    body += ",\"missingPartitions\":[" + found->missing + ']';
  return body + '}';
}

/// The counts that the nodes have.
result<std::string> count_all(node_connection& node, bool partial) {
  auto reply = node.call_site(
    "GET", "/perdura/count" + to_query({{"partial", partial ? "true" : ""}}));
  if (!reply)
    return reply.error();
  return std::move(reply->body);
}

} // namespace

std::vector<std::string> history_titles() {
  return {"TIME", "EVENT", "WHAT", "DETAIL"};
}

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
          json_text_member(event, "EventType"), what, detail};
}

std::vector<std::string> instance_titles() {
  return {"ID", "NAME", "STATUS", "CREATED", "UPDATED"};
}

std::vector<std::string> instance_cells(std::string_view instance) {
  if (const std::string error = json_text_member(instance, "error");
      !error.empty())
    return {json_text_member(instance, "instanceId"), "", "Damaged", "", error};
  std::vector<std::string> cells;
  for (const char* member : {"instanceId", "name", "runtimeStatus",
                             "createdTime", "lastUpdatedTime"})
    cells.push_back(json_text_member(instance, member));
  if (json_member(instance, "held"))
    cells[2] += " (held)";
  return cells;
}

void print_instances(terminal& io, const std::vector<std::string>& found) {
  table_rows rows{instance_titles()};
  // The last column also shows why an instance cannot be read.
  auto last = column_kind::optional;
  for (const std::string& each : found) {
    rows.push_back(instance_cells(each));
    if (json_member(each, "error"))
      last = column_kind::detail;
  }
  print_table(io, rows,
              {column_kind::text, column_kind::detail, column_kind::status,
               column_kind::fixed, last});
}

void print_status(const std::string& status, output_format format, terminal& io,
                  bool cuts_values) {
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
  };
  // Members that an instance need not have.
  for (const auto& [title, member] :
       {std::pair("Held", "held"), std::pair("Version", "version"),
        std::pair("Parent", "parentInstanceId")})
    if (json_member(status, member))
      pairs.emplace_back(title, json_text_member(status, member));
  const std::vector<std::pair<std::string, std::string>> rest{
    {"Created", json_text_member(status, "createdTime")},
    {"Updated", json_text_member(status, "lastUpdatedTime")},
    {"Input", raw("input")},
  };
  pairs.insert(pairs.end(), rest.begin(), rest.end());
  if (raw("customStatus") != "null")
    pairs.emplace_back("Custom status", raw("customStatus"));
  pairs.emplace_back("Output", raw("output"));
  print_status_pairs(pairs, io, cuts_values);
  if (const auto events = json_member(status, "historyEvents")) {
    io.out << '\n';
    print_history(*events, io);
  }
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
  if (options.stuck && !options.filter.empty())
    return fail(io, error{errc::invalid_argument,
                          "--stuck cannot be combined with a filter: it lists "
                          "all instances that cannot continue."});
  if (options.stuck)
    return list_stuck(node, format, io);
  if (const auto ok = check_range(options.filter); !ok)
    return fail(io, ok.error());
  const bool is_table = format == output_format::table;
  auto found = is_table ? fetch_newest(node, options)
                        : fetch_instances(node, options, true);
  if (!found)
    return fail(io, found.error());
  if (is_table)
    print_instances(io, found->instances);
  else
    print_items({found->instances.begin(), found->instances.end()}, format, io);
  // Notes go to the error stream, so that the output stream can be parsed.
  if (found->more)
    io.err << "There are more" << (is_table ? " and older" : "")
           << " instances; --top N shows more, --top 0 all." << std::endl;
  report_missing_partitions(found->missing, io);
  return exit_ok;
}

int count_verb(node_connection& node, const filter_options& filter,
               bool partial, output_format format, terminal& io) {
  if (const auto ok = check_range(filter); !ok)
    return fail(io, ok.error());
  const auto counts = filter.empty()
                        ? count_all(node, partial)
                        : count_matching(node, filter, partial, io);
  if (!counts)
    return fail(io, counts.error());
  std::string missing;
  for (const std::string_view each :
       json_items(json_member(*counts, "missingPartitions").value_or("")))
    missing += (missing.empty() ? "" : ",") + std::string(each);
  report_missing_partitions(missing, io);
  if (format != output_format::table) {
    print_json(*counts, format, io);
    return exit_ok;
  }
  // Statuses that no instance has are left out; the total is always shown.
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const char* name : counted_names) {
    const std::string count = json_text_member(*counts, name);
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
