// SPDX-License-Identifier: Apache-2.0
/// The JSON objects and the error responses of the HTTP API.
#pragma once

#include "client/http/http_message.hpp"
#include <perdura/actors/authoring/management_payload.hpp>
#include <perdura/client/api/orchestration_status.hpp>
#include <perdura/cluster/node/readiness.hpp>
#include <perdura/persistence/records/error.hpp>

#include <string>
#include <vector>

namespace perdura::client {

/// The body of a 202: the instance ID and the management URLs.
std::string to_json(const actors::management_payload& payload);

/// The body of an error, e.g. `{"Message": "…", "Code": "not_found"}`.
std::string to_json(const persistence::error& failure);

std::string to_json(const std::vector<orchestration_status>& instances);

/// The response for an error. The HTTP status follows from `failure.code`, and
/// the body is the JSON object of the error. A 503 also has the header
/// Retry-After.
/// @source Durable Functions, "HTTP API reference".
http_response to_response(const persistence::error& failure);

/// One reason of /readyz and of a node's report.
std::string reason_json(const cluster::unready_reason& reason);

/// The response of /readyz: 200, or 503 with the reasons.
http_response
readiness_response(const std::vector<cluster::unready_reason>& reasons);

} // namespace perdura::client
