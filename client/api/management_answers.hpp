// SPDX-License-Identifier: Apache-2.0
/// Turns the answers of the gateway and the rows of its queries into the
/// results of the client API.
///
/// All functions are pure and thread-safe. An answer whose code is not errc::ok
/// becomes an error with that code and its sentence. The functions copy the
/// payloads and the history, which may have many megabytes, so they are not
/// called on a thread that runs partitions.
#pragma once

#include "actors/interface/management.hpp"
#include <perdura/client/api/instance_description.hpp>
#include <perdura/client/api/orchestration_status.hpp>
#include <perdura/client/api/request_options.hpp>
#include <perdura/client/api/request_results.hpp>

namespace perdura::client {

/// The result of a request whose answer carries no value.
result<void> to_done(const actors::management_answer& answer);

/// The result of a start.
result<started_instance> to_started(const actors::management_answer& answer);

/// The status in the answer to a get_status or wait_instance request, with the
/// parts that `options` select.
/// @error errc::internal  The answer holds no status.
result<orchestration_status> to_status(const actors::management_answer& answer,
                                       const status_options& options);

/// The description in the answer to a get_status request with `show_details`.
/// @error errc::internal     The answer holds no status.
/// @error errc::unsupported  The owner runs a program that cannot describe
///                           instances.
result<instance_description>
to_description(const actors::management_answer& answer);

/// Makes a status from a row of the views. The history and the names of unread
/// events stay empty, because a row does not contain them.
orchestration_status to_status(const persistence::instance_row& row);

} // namespace perdura::client
