/// Checked arguments of the client API, made into requests for a gateway. Each
/// can be repeated safely, also by those who gave it no number.
#pragma once

#include "actors/interface/management.hpp"
#include <perdura/client/api/orchestration_client.hpp>

#include <string>
#include <string_view>

namespace perdura::client {

/// @error errc::invalid_instance_id, invalid_name, invalid_json,
///        payload_too_large, invalid_argument
result<actors::start_instance> start_request(std::string_view name,
                                             std::string input,
                                             const start_options& options);

/// @error as start_request
result<actors::management_request> event_request(std::string_view instance_id,
                                                 std::string_view event_name,
                                                 std::string data,
                                                 const std::string& request_id);

/// @error errc::invalid_argument
result<actors::management_request>
control_request(orchestration_client::operation what,
                std::string_view instance_id, std::string_view reason,
                bool recursive, const std::string& request_id);

} // namespace perdura::client
