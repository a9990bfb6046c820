// SPDX-License-Identifier: Apache-2.0
/// The status of an orchestration instance, its JSON form, and the text form
/// of statuses and times.
#pragma once

#include <perdura/persistence/records/history_event.hpp>
#include <perdura/persistence/records/ids.hpp>
#include <perdura/persistence/records/runtime_status.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

// The states of an instance, their numbers and names.
using persistence::is_finished;
using persistence::parse_runtime_status;
using persistence::runtime_status;
using persistence::to_string;

/// The status of one instance at one moment. `input`, `custom_status` and
/// `output` are JSON text, byte for byte as the caller or the orchestrator has
/// given it.
struct orchestration_status {
  std::string name;         ///< Name of the orchestrator.
  std::string version;      ///< Empty for an orchestrator without a version.
  std::string instance_id;  ///< Chosen by the caller or generated.
  std::string execution_id; ///< Changes at each start and continue-as-new.
  /// When the start was accepted. Continue-as-new does not change it.
  persistence::timestamp created_time{};
  /// When the instance was last changed.
  persistence::timestamp last_updated_time{};
  /// "null" if the query did not request the input.
  std::string input = "null";
  std::string custom_status = "null";
  /// The orchestrator's result, the message of its failure, or the reason of
  /// the termination. "null" while the instance is live.
  std::string output = "null";
  runtime_status status = runtime_status::pending;
  bool has_history = false;        ///< `history` was requested.
  bool has_history_input = true;   ///< `to_json` shows inputs in the history.
  bool has_history_output = false; ///< `to_json` shows results in the history.
  std::vector<persistence::history_event> history; ///< Oldest event first.
  /// Names of the events that the orchestrator has not received yet.
  std::vector<std::string> unread_events;
  /// The ID of the parent; empty if no orchestration started the instance.
  std::string parent_instance_id;
  /// Why the instance is held, e.g. because the registered code does not match
  /// its history. Empty if the instance is not held.
  std::string held;
  /// In a list only: why the stored data of the instance cannot be read. Then
  /// only `instance_id` is set besides, and the filters may not apply to the
  /// instance. Empty if the instance is sound.
  std::string error;
};

/// The JSON object of the HTTP API, with the members name, instanceId,
/// runtimeStatus, input, customStatus, output, createdTime and
/// lastUpdatedTime, and with historyEvents if `has_history` is set. Perdura
/// adds version, parentInstanceId and held, each unless it is empty. The object
/// of a damaged instance has the members instanceId and error.
/// @source Durable Functions, "HTTP API reference", Get instance status.
std::string to_json(const orchestration_status& status);

/// UTC in whole seconds, e.g. "2026-11-22T10:00:00Z". The form of createdTime.
std::string to_iso_seconds(persistence::timestamp time);

/// UTC with up to six decimals of a second, e.g. "2026-11-22T10:00:00.25Z". The
/// form of the times in history events.
std::string to_iso(persistence::timestamp time);

/// Parses an ISO 8601 date and time with `Z`, an offset, or neither (then the
/// time is UTC). A date alone is midnight UTC. Decimals beyond microseconds
/// are cut off. Returns false, and leaves `into` as it is, if `text` is not a
/// time.
bool parse_iso(std::string_view text, persistence::timestamp& into);

} // namespace perdura::client
