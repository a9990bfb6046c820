// SPDX-License-Identifier: Apache-2.0
#include "client/cli/cluster_status.hpp"

#include "client/cli/json_view.hpp"
#include "client/cli/table.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <ostream>
#include <set>

namespace perdura::client {

namespace {

using persistence::without_terminal_escapes;

// All statuses, in the order of their columns; see shown_statuses.
constexpr const char* statuses[]
  = {"Pending",   "Running", "Suspended",  "ContinuedAsNew",
     "Completed", "Failed",  "Terminated", "Canceled"};

// The node responds with {"nodes": […], "differingFunctions": […]}. The
// functions below read one entry of "nodes".

/// True if the node that was asked can reach this node.
bool is_up(std::string_view node) {
  return json_text_member(node, "isUp") == "true";
}

/// The name of a node; "-" for a single node, which has no name.
std::string name_of(std::string_view node) {
  const std::string name = json_text_member(node, "node");
  return name.empty() ? "-" : name;
}

/// The number of instances with this status on a node.
std::uint64_t count_of(std::string_view node, const char* status) {
  const auto counts = json_member(node, "instances").value_or("{}");
  const std::string count = json_text_member(counts, status);
  return count.empty() ? 0 : std::stoull(count);
}

/// The number of all instances on a node.
std::uint64_t total_of(std::string_view node) {
  std::uint64_t sum = 0;
  for (const char* status : statuses)
    sum += count_of(node, status);
  return sum;
}

/// Joins ascending numbers into ranges, e.g. "0-4,9,12-14".
std::string ranges(const std::vector<std::string_view>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size()
           && std::stoul(std::string(numbers[end]))
                == std::stoul(std::string(numbers[i])) + (end - i))
      ++end;
    text += (text.empty() ? "" : ",") + std::string(numbers[i]);
    if (end - i > 1)
      text += '-' + std::string(numbers[end - 1]);
    i = end;
  }
  return text.empty() ? "-" : text;
}

/// The statuses Running and Failed, and each other status that at least one
/// instance has.
std::vector<const char*>
shown_statuses(const std::vector<std::string_view>& nodes) {
  std::vector<const char*> shown;
  for (const char* status : statuses) {
    const std::string_view name = status;
    if (name == "Running" || name == "Failed"
        || std::any_of(nodes.begin(), nodes.end(), [&](std::string_view node) {
             return count_of(node, status) != 0;
           }))
      shown.push_back(status);
  }
  return shown;
}

/// "up", "not ready" or "unreachable". A node of an earlier version does not
/// report whether it is ready.
const char* state_of(std::string_view node) {
  if (!is_up(node))
    return "unreachable";
  return json_member(node, "isReady").value_or("true") == "false" ? "not ready"
                                                                  : "up";
}

/// Prints the table. A node that cannot be reached has "-" in the columns that
/// only the node itself knows.
void print_nodes(const std::vector<std::string_view>& nodes, bool partitions,
                 terminal& io) {
  const auto shown = shown_statuses(nodes);
  table_rows rows{{"NODE", "STATE", "PARTITIONS", "INSTANCES"}};
  std::vector<column_kind> kinds{column_kind::text, column_kind::status,
                                 column_kind::text, column_kind::fixed};
  for (const char* status : shown) {
    rows.front().push_back(persistence::to_upper(status));
    kinds.push_back(column_kind::fixed);
  }
  for (const auto& [head, kind] :
       {std::pair("OUTBOX", column_kind::fixed),
        std::pair("STARTED", column_kind::optional),
        std::pair("VERSION", column_kind::optional),
        std::pair("LAST ERROR", column_kind::detail)}) {
    rows.front().emplace_back(head);
    kinds.push_back(kind);
  }
  for (const std::string_view node : nodes) {
    std::vector<std::string>& row = rows.emplace_back();
    row = {name_of(node), state_of(node)};
    const auto owned = json_items(json_member(node, "partitions").value_or(""));
    row.push_back(partitions ? ranges(owned) : std::to_string(owned.size()));
    if (!is_up(node)) {
      row.resize(rows.front().size(), "-");
      continue;
    }
    row.push_back(std::to_string(total_of(node)));
    for (const char* status : shown)
      row.push_back(std::to_string(count_of(node, status)));
    row.push_back(json_text_member(node, "outboxMessages"));
    row.push_back(json_text_member(node, "startedAt"));
    row.push_back(json_text_member(node, "version"));
    const auto error = json_member(node, "lastError").value_or("null");
    row.push_back(error == "null" ? "-"
                                  : json_text_member(node, "lastErrorAt") + "  "
                                      + json_unquoted(error));
  }
  print_table(io, rows, kinds);
}

using function_names = std::set<std::string>;

/// The function names that a node lists in `member`, which is "orchestrators"
/// or "activities".
function_names names_in(std::string_view node, const char* member) {
  function_names all;
  for (const auto each : json_items(json_member(node, member).value_or("")))
    all.insert(json_unquoted(each));
  return all;
}

/// The reachable nodes on which this function is missing. An orchestrator and
/// an activity can have the same name, so each kind is compared separately: a
/// node is listed if another node has a function of this name and kind and the
/// node itself has none.
std::string nodes_missing_function(const std::string& function,
                                   const std::vector<std::string_view>& nodes) {
  std::string lacking;
  for (const std::string_view node : nodes) {
    bool lacks = false;
    for (const char* kind : {"orchestrators", "activities"})
      if (is_up(node) && !names_in(node, kind).contains(function))
        lacks |= std::any_of(nodes.begin(), nodes.end(), [&](const auto other) {
          return names_in(other, kind).contains(function);
        });
    if (lacks)
      lacking += (lacking.empty() ? "" : ", ") + name_of(node);
  }
  return lacking;
}

/// Prints the nodes that cannot be reached or are not ready, and the functions
/// that only some nodes have. Prints nothing if there are none.
void print_warnings(std::string_view body,
                    const std::vector<std::string_view>& nodes, terminal& io) {
  std::string text;
  for (const std::string_view node : nodes)
    if (!is_up(node))
      text += name_of(node) + " is unreachable: "
              + without_terminal_escapes(json_text_member(node, "message"))
              + '\n';
  for (const std::string_view node : nodes)
    for (const auto reason :
         json_items(json_member(node, "reasons").value_or("")))
      text += name_of(node) + " is not ready: "
              + without_terminal_escapes(json_text_member(reason, "message"))
              + '\n';
  // Several nodes can refuse the same process, with the same sentence.
  std::set<std::string> refused;
  for (const std::string_view node : nodes)
    for (const auto peer : json_items(json_member(node, "peers").value_or("")))
      if (is_up(peer))
        refused.insert(json_text_member(peer, "message"));
  refused.erase("");
  for (const std::string& sentence : refused)
    text
      += "A process is refused: " + without_terminal_escapes(sentence) + '\n';
  for (const auto each :
       json_items(json_member(body, "differingFunctions").value_or(""))) {
    const std::string function = json_unquoted(each);
    text += without_terminal_escapes(function)
            + " is not registered on every node; it is missing on "
            + without_terminal_escapes(nodes_missing_function(function, nodes))
            + ".\n";
  }
  if (!text.empty())
    io.out << '\n' << text;
}

} // namespace

int cluster_status_verb(node_connection& node, bool partitions,
                        output_format format, terminal& io) {
  auto reply = node.call_site("GET", "/perdura/cluster");
  if (!reply)
    return fail(io, reply.error());
  const auto nodes = json_items(json_member(reply->body, "nodes").value_or(""));
  switch (format) {
  case output_format::json:
    io.out << json_pretty(reply->body) << '\n';
    break;
  case output_format::jsonl:
    for (const std::string_view each : nodes)
      io.out << json_compact(each) << '\n';
    break;
  case output_format::table:
    print_nodes(nodes, partitions, io);
    print_warnings(reply->body, nodes, io);
    break;
  }
  return std::all_of(nodes.begin(), nodes.end(), is_up) ? exit_ok
                                                        : exit_unavailable;
}

} // namespace perdura::client
