#include "client/cli/cluster_status.hpp"

#include "client/cli/json_view.hpp"
#include "persistence/records/steering_text.hpp"

#include <algorithm>
#include <ostream>
#include <set>

namespace perdura::client {

namespace {

using persistence::without_steering;

constexpr std::size_t error_width = 60;

// As they are lived through; a column each where some node has one of them.
constexpr const char* statuses[]
  = {"Pending",   "Running", "Suspended",  "ContinuedAsNew",
     "Completed", "Failed",  "Terminated", "Canceled"};

std::string plain_member(std::string_view object, std::string_view name) {
  return json_plain(json_member(object, name));
}

bool is_up(std::string_view node) {
  return plain_member(node, "isUp") == "true";
}

/// A node alone has none.
std::string name_of(std::string_view node) {
  const std::string name = plain_member(node, "node");
  return name.empty() ? "-" : name;
}

std::uint64_t count_of(std::string_view node, const char* status) {
  const auto counts = json_member(node, "instances").value_or("{}");
  const std::string count = plain_member(counts, status);
  return count.empty() ? 0 : std::stoull(count);
}

std::uint64_t total_of(std::string_view node) {
  std::uint64_t sum = 0;
  for (const char* status : statuses)
    sum += count_of(node, status);
  return sum;
}

/// "0-4,9,12-14": they come in order.
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

/// Always these two, and whatever else there is.
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

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z')
      c = static_cast<char>(c - 'a' + 'A');
  return text;
}

void print_nodes(const std::vector<std::string_view>& nodes, bool partitions,
                 terminal& io) {
  const auto shown = shown_statuses(nodes);
  std::vector<std::vector<std::string>> rows{
    {"NODE", "STATE", "PARTITIONS", "INSTANCES"}};
  for (const char* status : shown)
    rows.front().push_back(upper(status));
  for (const char* head : {"OUTBOX", "STARTED", "VERSION", "LAST ERROR"})
    rows.front().emplace_back(head);
  for (const std::string_view node : nodes) {
    std::vector<std::string>& row = rows.emplace_back();
    row = {name_of(node), is_up(node) ? "up" : "away"};
    const auto owned = json_items(json_member(node, "partitions").value_or(""));
    row.push_back(partitions ? ranges(owned) : std::to_string(owned.size()));
    if (!is_up(node)) {
      row.resize(rows.front().size(), "-");
      continue;
    }
    row.push_back(std::to_string(total_of(node)));
    for (const char* status : shown)
      row.push_back(std::to_string(count_of(node, status)));
    row.push_back(plain_member(node, "outboxMessages"));
    row.push_back(plain_member(node, "startedAt"));
    row.push_back(plain_member(node, "version"));
    const auto error = json_member(node, "lastError").value_or("null");
    row.push_back(
      error == "null"
        ? "-"
        : plain_member(node, "lastErrorAt") + "  "
            + shortened(without_steering(json_plain(error)), error_width));
  }
  print_table(io.out, rows);
}

using names = std::set<std::string>;

names names_in(std::string_view node, const char* member) {
  names all;
  for (const auto each : json_items(json_member(node, member).value_or("")))
    all.insert(json_plain(each));
  return all;
}

/// The nodes that are there without what others of them have by that name.
std::string who_lacks(const std::string& function,
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

/// What wants somebody's eye; nothing if all is well.
void print_remarks(std::string_view body,
                   const std::vector<std::string_view>& nodes, terminal& io) {
  std::string text;
  for (const std::string_view node : nodes)
    if (!is_up(node))
      text += name_of(node) + " is away: "
              + without_steering(plain_member(node, "message")) + '\n';
  for (const auto each :
       json_items(json_member(body, "differingFunctions").value_or(""))) {
    const std::string function = json_plain(each);
    text += without_steering(function)
            + " is not on every node; it is missing on "
            + without_steering(who_lacks(function, nodes)) + ".\n";
  }
  if (!text.empty())
    io.out << '\n' << text;
}

} // namespace

int cluster_status_verb(node_connection& node, bool partitions,
                        output_format format, terminal& io) {
  auto reply = node.ask_site("GET", "/perdura/cluster");
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
    print_remarks(reply->body, nodes, io);
    break;
  }
  return std::all_of(nodes.begin(), nodes.end(), is_up) ? exit_ok
                                                        : exit_unavailable;
}

} // namespace perdura::client
