// SPDX-License-Identifier: Apache-2.0
// The part of a partition that deals with code that does not return, that must
// not run, or that has failed.
#include "actors/partition/partition_processor.hpp"

#include <utility>

namespace perdura::actors {

using namespace persistence;

namespace {

/// The instance that a message concerns; empty if there is none, or if the
/// message has been moved from.
instance_id instance_of_message(const inbound& message) {
  if (const auto* request = std::get_if<management_inbound>(&message))
    return instance_of(request->request);
  if (const auto* outcome = std::get_if<turn_outcome>(&message))
    return outcome->instance;
  if (const auto* activity = std::get_if<activity_result>(&message))
    return activity->instance;
  if (const auto* unread = std::get_if<activity_unread>(&message))
    return unread->instance;
  if (const auto* from = std::get_if<partition_message>(&message))
    return from->message.to_instance;
  return {};
}

} // namespace

void partition_processor::handle_guarded(inbound& message, timestamp at) {
  try {
    handle(message, at);
  } catch (...) {
    // The process ends. Its next start knows which instance was concerned.
    if (const instance_id id = instance_of_message(message); !id.empty())
      host_.note_fault(id);
    throw;
  }
}

std::vector<std::pair<instance_id, std::string>>
partition_processor::stuck() const {
  auto found = damage_.list();
  for (const auto& [id, instance] : live_.instances) {
    if (damage_.set_aside(id) != nullptr)
      continue;
    const stored_instance* stored = durable().find(id);
    if (instance.turn_out && instance.stuck_reported)
      found.emplace_back(id, "one turn has been running for a long time");
    else if (stored != nullptr && !stored->record.held.empty())
      found.emplace_back(id, stored->record.held);
  }
  list_outbox_waits(found);
  for (std::string& sentence : pair_faults())
    found.emplace_back("", std::move(sentence));
  return found;
}

} // namespace perdura::actors
