/// Everything to manage instances with from outside, without coroutines: the
/// public names in namespace perdura. Include it as <perdura/client.hpp>.
#pragma once

#include <perdura/actors/authoring/management_payload.hpp>
#include <perdura/client/api/cluster_client.hpp>
#include <perdura/client/api/orchestration_client.hpp>
#include <perdura/client/api/orchestration_status.hpp>
#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/history_event.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <chrono>

namespace perdura {

using actors::json_text;
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

// Errors, times and history.
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
