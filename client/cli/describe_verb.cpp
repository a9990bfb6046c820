// SPDX-License-Identifier: Apache-2.0
#include "client/cli/describe_verb.hpp"

#include "client/cli/json_view.hpp"
#include "client/cli/table.hpp"

#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

namespace perdura::client {

namespace {

/// The member as text; empty if it is missing or null.
std::string text_unless_null(std::string_view object, const char* member) {
  return json_member(object, member).value_or("null") == "null"
           ? std::string()
           : json_text_member(object, member);
}

/// A section of the description: its title, the member that is its array, and
/// the columns of its table.
struct described_section {
  const char* title;
  const char* member;
  /// The member with the number of all items, if the array may have fewer.
  const char* count = nullptr;
  /// The title and the member of each column. An item that is not an object is
  /// the cell itself.
  std::vector<std::pair<const char*, const char*>> columns;
  std::vector<column_kind> kinds;
};

const std::vector<described_section>& described_sections() {
  using kind = column_kind;
  static const std::vector<described_section> all{
    {"Open tasks",
     "openTasks",
     "openTaskCount",
     {{"KIND", "kind"},
      {"NAME", "name"},
      {"SINCE", "since"},
      {"ATTEMPT", "attempt"},
      {"FIRES AT", "firesAt"},
      {"INSTANCE", "instanceId"}},
     {kind::fixed, kind::text, kind::fixed, kind::optional, kind::fixed,
      kind::detail}},
    {"Waits",
     "waits",
     "waitCount",
     {{"EVENT", "name"}, {"SINCE", "since"}},
     {kind::text, kind::fixed}},
    {"Unread events",
     "unreadEvents",
     nullptr,
     {{"EVENT", "name"}, {"COUNT", "count"}},
     {kind::text, kind::fixed}},
    {"Children", "children", nullptr, {{"ID", nullptr}}, {kind::text}},
  };
  return all;
}

void print_described_section(std::string_view description,
                             const described_section& section, terminal& io) {
  const auto items
    = json_items(json_member(description, section.member).value_or("[]"));
  if (items.empty()) {
    io.out << '\n' << section.title << ": none\n";
    return;
  }
  table_rows rows(1);
  for (const auto& [title, member] : section.columns)
    rows.front().emplace_back(title);
  for (const std::string_view item : items) {
    std::vector<std::string>& cells = rows.emplace_back();
    for (const auto& [title, member] : section.columns) {
      std::string cell = member == nullptr ? json_unquoted(item)
                                           : text_unless_null(item, member);
      if (member != nullptr && std::string_view(member) == "kind"
          && json_text_member(item, "isLeft") == "true")
        cell += " (left)";
      cells.push_back(cell.empty() ? "-" : std::move(cell));
    }
  }
  io.out << '\n' << section.title << '\n';
  print_table(io, rows, section.kinds);
  if (section.count != nullptr)
    if (const std::string count = json_text_member(description, section.count);
        count != std::to_string(items.size()))
      io.out << "The first " << items.size() << " of " << count << ".\n";
}

/// The state of the turns in words.
std::string turn_state(std::string_view description) {
  if (json_text_member(description, "isTurnRunning") == "true")
    return "running";
  return json_text_member(description, "isTurnDue") == "true" ? "due" : "none";
}

} // namespace

int describe_verb(node_connection& node, const std::string& id,
                  output_format format, terminal& io) {
  auto reply = node.call_site("GET", "/perdura" + instance_path(id));
  if (!reply && reply.code() == persistence::errc::not_found)
    return fail(io, {persistence::errc::not_found,
                     "There is no instance \"" + id + "\"."});
  if (!reply)
    return fail(io, reply.error());
  const std::string& description = reply->body;
  if (format != output_format::table) {
    io.out << (format == output_format::json ? json_pretty(description)
                                             : json_compact(description))
           << '\n';
    return exit_ok;
  }
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto add = [&](const char* title, const char* member) {
    if (std::string text = text_unless_null(description, member); !text.empty())
      pairs.emplace_back(title, std::move(text));
  };
  add("ID", "instanceId");
  add("Name", "name");
  add("Status", "runtimeStatus");
  add("Held", "held");
  add("Paused", "paused");
  pairs.emplace_back("Turn", turn_state(description));
  add("Version", "version");
  add("Execution", "executionId");
  add("Parent", "parentInstanceId");
  add("Root", "rootInstanceId");
  if (json_text_member(description, "depth") != "0")
    add("Depth", "depth");
  add("Created", "createdTime");
  add("Updated", "lastUpdatedTime");
  const std::string custom
    = json_compact(json_member(description, "customStatus").value_or("null"));
  if (custom != "null")
    pairs.emplace_back("Custom status", custom);
  add("Partition", "partition");
  add("Node", "node");
  if (const std::string left = json_text_member(description, "treeLeftIn");
      left != "[]" && !left.empty())
    pairs.emplace_back("Tree left in",
                       "partitions " + left.substr(1, left.size() - 2));
  print_pairs(io.out, pairs);
  for (const described_section& section : described_sections())
    print_described_section(description, section, io);
  return exit_ok;
}

} // namespace perdura::client
