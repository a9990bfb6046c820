/// What get_status returns.
#pragma once

#include <perdura/persistence/records/history_event.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// @source Durable Functions' OrchestrationRuntimeStatus, with its numbers.
enum class runtime_status : std::uint8_t {
  running = 0,
  completed = 1,
  continued_as_new = 2,
  failed = 3,
  canceled = 4,
  terminated = 5,
  pending = 6,
  suspended = 7,
};

/// "Running", "Completed", …
const char* to_string(runtime_status status);

/// Any case. Nothing else is a status.
bool parse_runtime_status(std::string_view text, runtime_status& into);

bool is_finished(runtime_status status);

/// JSON values are JSON text, verbatim as they were given.
struct orchestration_status {
  std::string name;
  std::string version; ///< Empty: the unversioned orchestrator.
  std::string instance_id;
  std::string execution_id;
  persistence::timestamp created_time{};      ///< When it was accepted.
  persistence::timestamp last_updated_time{}; ///< The last committed turn.
  std::string input = "null"; ///< "null" also if it was not asked for.
  std::string custom_status = "null";
  /// The result, or the failure's sentence, or the reason of the terminate.
  std::string output = "null";
  runtime_status status = runtime_status::pending;
  bool has_history = false;
  bool has_history_input = true;
  bool has_history_output = false;
  std::vector<persistence::history_event> history; ///< If asked for.
  std::vector<std::string> unread_events;          ///< Raised, not taken yet.
  std::string held; ///< Why it cannot go on (its code does not fit); empty.
};

/// The object of Durable Functions' HTTP API: name, instanceId,
/// runtimeStatus, input, customStatus, output, createdTime, lastUpdatedTime,
/// and historyEvents if there is history.
/// @source reference: HTTP contract §2.2 and §2.3.
std::string to_json(const orchestration_status& status);

/// "2026-11-22T10:00:00Z": whole seconds, as statuses show times.
std::string to_iso_seconds(persistence::timestamp time);

/// "2026-11-22T10:00:00.1234567Z": as history shows times.
std::string to_iso(persistence::timestamp time);

/// ISO 8601 with `Z` or an offset; date alone is midnight UTC.
bool parse_iso(std::string_view text, persistence::timestamp& into);

} // namespace perdura::client
