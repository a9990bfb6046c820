// SPDX-License-Identifier: Apache-2.0
/// The public API for writing orchestrations and activities, in namespace
/// perdura. It does not contain the client.
///
///   perdura::task<std::string> hello(perdura::orchestration_context& ctx,
///                                    std::string name) {
///     std::string text
///       = co_await ctx.call_activity<std::string>("SayHello", name);
///     co_return text;
///   }
///
/// Include it as <perdura/workflow.hpp>.
#pragma once

#include <perdura/actors/authoring/activity_context.hpp>
#include <perdura/actors/authoring/management_payload.hpp>
#include <perdura/actors/authoring/orchestration_context.hpp>
#include <perdura/actors/authoring/payload.hpp>
#include <perdura/actors/authoring/registry.hpp>
#include <perdura/actors/authoring/retry_options.hpp>
#include <perdura/actors/authoring/task.hpp>
#include <perdura/actors/authoring/when.hpp>
#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <chrono>

namespace perdura {

using actors::activity_context;
using actors::activity_limits;
using actors::activity_options;
using actors::external_event_policy;
using actors::first_member;
using actors::first_of;
using actors::first_task;
using actors::json_text;
using actors::limit_exceeded;
using actors::management_payload;
using actors::orchestration_context;
using actors::orchestrator_options;
using actors::outcome;
using actors::payload_error;
using actors::pending;
using actors::registry;
using actors::retry_options;
using actors::sub_orchestration_options;
using actors::task;
using actors::task_cancelled;
using actors::task_failed;
using actors::unit;
using actors::when_all;
using actors::when_any;

// Errors, identifiers and times.
using persistence::duration;
using persistence::errc;
using persistence::error;
using persistence::error_exception;
using persistence::execution_id;
using persistence::instance_id;
using persistence::result;
using persistence::sentence_of;
using persistence::timestamp;
using persistence::to_string;

// Durations are those of std::chrono: perdura::seconds is std::chrono::seconds.
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

} // namespace perdura
