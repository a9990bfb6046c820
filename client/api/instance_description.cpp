// SPDX-License-Identifier: Apache-2.0
#include "client/api/instance_description.hpp"

#include "actors/authoring/json_text_check.hpp"

#include <utility>

namespace perdura::client {

namespace {

std::string text_or_null(std::string_view text) {
  return text.empty() ? "null" : actors::json_string(text);
}

std::string described_time(persistence::timestamp time) {
  return time == persistence::timestamp{} ? "null"
                                          : actors::json_string(to_iso(time));
}

const char* json_bool(bool value) {
  return value ? "true" : "false";
}

std::string description_json(const described_task& task) {
  return "{\"kind\":" + actors::json_string(to_string(task.kind))
         + ",\"name\":" + text_or_null(task.name)
         + ",\"since\":" + described_time(task.since) + ",\"attempt\":"
         + (task.kind == open_task_kind::activity ? std::to_string(task.attempt)
                                                  : "null")
         + ",\"firesAt\":" + described_time(task.fires_at)
         + ",\"instanceId\":" + text_or_null(task.instance_id)
         + ",\"isLeft\":" + json_bool(task.is_left) + '}';
}

std::string description_json(const described_wait& wait) {
  return "{\"name\":" + actors::json_string(wait.name)
         + ",\"since\":" + described_time(wait.since) + '}';
}

std::string description_json(const described_events& events) {
  return "{\"name\":" + actors::json_string(events.name)
         + ",\"count\":" + std::to_string(events.count) + '}';
}

/// The IDs of the sub-orchestrations among the tasks.
std::string children_json(const std::vector<described_task>& tasks) {
  std::string out = "[";
  for (const described_task& each : tasks)
    if (each.kind == open_task_kind::sub_orchestration)
      out
        += (out.size() > 1 ? "," : "") + actors::json_string(each.instance_id);
  return out + ']';
}

template <class Items>
std::string descriptions_json(const Items& items) {
  std::string out = "[";
  for (const auto& each : items)
    out += (out.size() > 1 ? "," : "") + description_json(each);
  return out + ']';
}

} // namespace

std::string_view to_string(open_task_kind kind) {
  switch (kind) {
  case open_task_kind::activity:
    return "Activity";
  case open_task_kind::timer:
    return "Timer";
  case open_task_kind::sub_orchestration:
    return "SubOrchestration";
  case open_task_kind::scheduled_start:
    return "ScheduledStart";
  }
  return "";
}

namespace {

std::string numbers_json(const std::vector<std::uint32_t>& numbers) {
  std::string out = "[";
  for (const std::uint32_t number : numbers)
    out += (out.size() > 1 ? "," : "") + std::to_string(number);
  return out + ']';
}

} // namespace

std::string to_json(const instance_description& description) {
  const orchestration_status& status = description.status;
  const std::pair<const char*, std::string> members[] = {
    {"name", actors::json_string(status.name)},
    {"version", text_or_null(status.version)},
    {"instanceId", actors::json_string(status.instance_id)},
    {"executionId", actors::json_string(status.execution_id)},
    {"runtimeStatus", actors::json_string(to_string(status.status))},
    {"createdTime", actors::json_string(to_iso_seconds(status.created_time))},
    {"lastUpdatedTime",
     actors::json_string(to_iso_seconds(status.last_updated_time))},
    {"customStatus",
     status.custom_status.empty() ? "null" : status.custom_status},
    {"held", text_or_null(status.held)},
    {"paused", text_or_null(description.paused)},
    {"isTurnDue", json_bool(description.is_turn_due)},
    {"isTurnRunning", json_bool(description.is_turn_running)},
    {"parentInstanceId", text_or_null(status.parent_instance_id)},
    {"rootInstanceId", text_or_null(description.root_instance_id)},
    {"depth", std::to_string(description.depth)},
    {"openTaskCount", std::to_string(description.open_task_count)},
    {"openTasks", descriptions_json(description.open_tasks)},
    {"waitCount", std::to_string(description.wait_count)},
    {"waits", descriptions_json(description.waits)},
    {"unreadEvents", descriptions_json(description.unread_events)},
    {"children", children_json(description.open_tasks)},
    {"partition", std::to_string(description.partition)},
    {"node", actors::json_string(description.node)},
    {"treeLeftIn", numbers_json(description.tree_left_in)}};
  std::string out = "{";
  for (const auto& [name, value] : members)
    out += (out.size() > 1 ? ",\"" : "\"") + std::string(name) + "\":" + value;
  return out + '}';
}

} // namespace perdura::client
