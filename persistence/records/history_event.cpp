// SPDX-License-Identifier: Apache-2.0
#include <perdura/persistence/records/history_event.hpp>

#include <array>

namespace perdura::persistence {

namespace {

// The names are in the order of the types in `history_body`.
constexpr std::array<const char*, std::variant_size_v<history_body>>
  event_names{
    "OrchestratorStarted",
    "ExecutionStarted",
    "TaskScheduled",
    "TaskCompleted",
    "TaskFailed",
    "TimerCreated",
    "TimerFired",
    "SubOrchestrationInstanceCreated",
    "SubOrchestrationInstanceCompleted",
    "SubOrchestrationInstanceFailed",
    "EventRaised",
    "EventSent",
    "ExecutionSuspended",
    "ExecutionResumed",
    "ExecutionTerminated",
    "ExecutionRewound",
    "ExecutionCompleted",
    "ContinueAsNew",
    "OrchestratorCompleted",
  };

} // namespace

const char* name_of(const history_body& body) {
  return event_names.at(body.index());
}

} // namespace perdura::persistence
