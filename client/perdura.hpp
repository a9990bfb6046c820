/// The one header of those who use Perdura: the public names, flat.
///
///   perdura::task<std::string> hello(perdura::orchestration_context& ctx,
///                                    std::string name) {
///     std::string text
///       = co_await ctx.call_activity<std::string>("SayHello", name);
///     co_return text;
///   }
#pragma once

#include <perdura/actors/activity_context.hpp>
#include <perdura/actors/management_payload.hpp>
#include <perdura/actors/orchestration_context.hpp>
#include <perdura/actors/payload.hpp>
#include <perdura/actors/registry.hpp>
#include <perdura/actors/retry_options.hpp>
#include <perdura/actors/task.hpp>
#include <perdura/actors/when.hpp>
#include <perdura/client/cluster_client.hpp>
#include <perdura/client/node_host.hpp>
#include <perdura/client/orchestration_client.hpp>
#include <perdura/client/orchestration_status.hpp>
#include <perdura/cluster/node.hpp>
#include <perdura/cluster/node_config.hpp>
#include <perdura/persistence/error.hpp>
#include <perdura/persistence/history_event.hpp>
#include <perdura/persistence/ids.hpp>

#include <chrono>

namespace perdura {

// Writing orchestrations and activities.
using actors::activity_context;
using actors::activity_limits;
using actors::activity_options;
using actors::external_event_policy;
using actors::first_of;
using actors::json_text;
using actors::limit_exceeded;
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

// Managing instances.
using actors::management_payload;
using client::call_options;
using client::cluster_client;
using client::cluster_client_config;
using client::completion_or_check_status;
using client::counted_instances;
using client::failure_kind;
using client::instance_filter;
using client::is_finished;
using client::kind_of;
using client::orchestration_client;
using client::orchestration_status;
using client::parse_iso;
using client::parse_runtime_status;
using client::parse_start_bindings;
using client::runtime_status;
using client::start_binding;
using client::start_options;
using client::status_options;
using client::status_page;
using client::to_iso;
using client::to_iso_seconds;
using client::to_json;
using client::to_string;

// Running a node.
using client::node_host;
using client::node_host_config;
using cluster::node;
using cluster::node_config;
using cluster::node_statistics;

// What went wrong, and the words in which all of this is told.
using persistence::duration;
using persistence::errc;
using persistence::error;
using persistence::error_exception;
using persistence::execution_id;
using persistence::failure_details;
using persistence::history_event;
using persistence::instance_id;
using persistence::result;
using persistence::sentence_of;
using persistence::timestamp;
using persistence::to_string;

// Durations are std::chrono's; `perdura::seconds(5)` is the same.
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

} // namespace perdura
