// SPDX-License-Identifier: Apache-2.0
/// Checks the arguments of the client API and turns them into requests for the
/// gateway.
///
/// A request has the request ID of the caller, if the caller gives one. The
/// owner executes requests with the same ID only once. The request ID begins
/// with the kind of operation, so a start and an event for which the caller
/// gives the same ID are two different requests. A gateway that may send a
/// request twice adds an ID itself.
///
/// All functions are thread-safe. They send nothing.
#pragma once

#include "actors/interface/management.hpp"
#include <perdura/client/api/request_options.hpp>

#include <string>
#include <string_view>

namespace perdura::client {

/// The ID of the instance that a start with these options makes. If they have
/// no instance ID, it is derived from the caller's request ID, so that a repeat
/// finds the instance of the first request. If there is no request ID either,
/// each call returns another, generated ID.
std::string instance_id_of(const start_options& options);

/// Makes the request to start an instance, with the ID of `instance_id_of`.
/// `input` is moved into the request.
/// @error errc::invalid_instance_id  The instance ID breaks the rules for IDs.
/// @error errc::invalid_name         `name` is not a valid function name.
/// @error errc::invalid_json, json_too_deep, payload_too_large  `input` is
///        not JSON, or exceeds a limit.
/// @error errc::invalid_argument     The request ID is too long or not UTF-8.
result<actors::start_instance> start_request(std::string_view name,
                                             std::string input,
                                             const start_options& options);

/// Makes the request to send an event to an instance.
/// @error errc::invalid_name, invalid_json, json_too_deep, payload_too_large,
///        invalid_argument  As for `start_request`.
result<actors::management_request> event_request(std::string_view instance_id,
                                                 std::string_view event_name,
                                                 std::string data,
                                                 const std::string& request_id);

/// Makes the request to send an event to an instance, which is started if it is
/// not live. `options.version` and `options.request_id` apply.
/// @error errc::invalid_argument  `options.scheduled_at` is set, or
///        `options.instance_id` is another ID; or as for `start_request`.
/// @error errc::invalid_instance_id, invalid_name, invalid_json,
///        json_too_deep, payload_too_large  As for `start_request`.
result<actors::start_or_raise>
start_or_raise_request(std::string_view name, std::string_view instance_id,
                       std::string_view event_name, std::string input,
                       std::string data, const start_options& options);

/// The body of a start-or-raise request of the HTTP API:
/// `{"input": …, "data": …}`.
struct start_or_raise_body {
  std::string input = "null"; ///< JSON text.
  std::string data = "null";  ///< JSON text.
};

/// Parses the body; the values keep their exact bytes. Both members may be
/// missing; an empty text has none.
/// @error errc::invalid_json      The text is not JSON.
/// @error errc::invalid_argument  It is not an object, or a member is unknown.
result<start_or_raise_body> parse_start_or_raise(std::string_view text);

/// Makes the request to terminate, suspend, resume, rewind or purge an
/// instance. A purge has no reason, and only a terminate uses `recursive`.
/// @error errc::invalid_argument  The reason or the request ID is too long or
///                                not UTF-8.
result<actors::management_request>
control_request(control_operation kind, std::string_view instance_id,
                std::string_view reason, bool recursive,
                const std::string& request_id);

/// Makes the request to pause an orchestrator by name, or to let it run again,
/// without an ID.
/// @error errc::invalid_name      `name` is not a valid function name.
/// @error errc::invalid_argument  The reason is too long or not UTF-8.
result<actors::pause_orchestrator>
pause_request(std::string_view name, bool is_paused, std::string_view reason);

} // namespace perdura::client
