/// What the HTTP API sends, as JSON text.
#pragma once

#include "client/http/http_message.hpp"
#include <perdura/actors/authoring/management_payload.hpp>
#include <perdura/client/api/orchestration_status.hpp>
#include <perdura/persistence/records/error.hpp>

#include <string>
#include <vector>

namespace perdura::client {

/// The object of a 202: id and the management URLs.
std::string to_json(const actors::management_payload& payload);

/// `{"Message": sentence, "Code": "not_found"}`.
std::string to_json(const persistence::error& failure);

std::string to_json(const std::vector<orchestration_status>& instances);

/// The status code that says it best; 503 carries Retry-After.
/// @source reference: HTTP contract, column 3.x.
http_response to_response(const persistence::error& failure);

} // namespace perdura::client
