// SPDX-License-Identifier: Apache-2.0
#include "actors/activities/stored_input.hpp"

#include <utility>

namespace perdura::actors {

using namespace persistence;

namespace {

error execution_is_gone(const activity_work_item& item) {
  return {errc::not_found, "Activity \"" + item.name + "\" of instance \""
                             + item.instance + "\" does not run: its execution "
                             + item.execution + " is gone."};
}

} // namespace

result<std::string> stored_input(const state_reader& reader,
                                 const activity_work_item& item) {
  auto events
    = reader.history(item.partition, item.instance, item.scheduled_event, 1);
  if (!events)
    return events.error();
  // The first event names the execution. It is read after the other one: no
  // execution returns, so both belong to the execution that it names.
  const auto first = reader.history(item.partition, item.instance, 0, 1);
  if (!first)
    return first.error();
  if (events->empty() || first->empty())
    return execution_is_gone(item);
  const auto* started = std::get_if<execution_started>(&first->front().body);
  auto* scheduled = std::get_if<task_scheduled>(&events->front().body);
  if (started == nullptr || started->execution != item.execution
      || scheduled == nullptr || scheduled->name != item.name)
    return execution_is_gone(item);
  return std::move(scheduled->input);
}

void put_input(activity_work_item& item, std::string input) {
  item.input = std::move(input);
  item.input_is_stored = false;
  item.scheduled_event = 0;
}

} // namespace perdura::actors
