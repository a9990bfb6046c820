// SPDX-License-Identifier: Apache-2.0
/// Includes the client API and exports its names to namespace perdura. A
/// program uses the client API to start, query, signal and end orchestration
/// instances of a running cluster. Include this header as <perdura/client.hpp>.
///
///   perdura::cluster_client_config config;
///   config.nodes = {"node-1=10.0.0.1:7171", "node-2=10.0.0.2:7171"};
///   auto cluster = perdura::cluster_client::connect(config).value();
///   auto client = cluster->client();
///   std::string id = client.start_new("HelloSequence").value();
///   auto ended = client.wait_for_completion(id, perdura::minutes(1)).value();
///
/// The header needs no coroutines and no networking library. A program that
/// also writes orchestrations or runs a node includes <perdura/perdura.hpp>.
#pragma once

#include <perdura/actors/authoring/management_payload.hpp>
#include <perdura/client/api/cluster_client.hpp>
#include <perdura/client/api/instance_description.hpp>
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
using client::described_events;
using client::described_task;
using client::described_wait;
using client::failure_kind;
using client::instance_description;
using client::instance_filter;
using client::is_finished;
using client::kind_of;
using client::open_task_kind;
using client::orchestration_client;
using client::orchestration_status;
using client::parse_iso;
using client::parse_runtime_status;
using client::parse_start_bindings;
using client::runtime_status;
using client::start_binding;
using client::start_options;
using client::started_instance;
using client::status_options;
using client::status_page;
using client::to_iso;
using client::to_iso_seconds;
using client::to_json;
using client::to_string;

// Errors, times and history events.
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

// The durations of std::chrono, so that `perdura::seconds(5)` can be written.
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

} // namespace perdura
