// SPDX-License-Identifier: Apache-2.0
/// Parses the filter of a query or a purge from URL parameters.
#pragma once

#include "client/http/url.hpp"
#include <perdura/client/api/orchestration_client.hpp>

namespace perdura::client {

/// Reads createdTimeFrom, createdTimeTo, runtimeStatus (repeated, or separated
/// by commas), instanceIdPrefix, name, showInput, partial and top. A missing
/// parameter does not limit the result. The range of `top` is checked by
/// `check_filter`.
/// @error errc::invalid_argument  A value is not a time, status or number.
result<instance_filter> parse_filter(const request_target& target);

} // namespace perdura::client
