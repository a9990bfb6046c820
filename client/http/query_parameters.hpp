// SPDX-License-Identifier: Apache-2.0
/// Parses the values of URL parameters, by one rule for all routes.
#pragma once

#include "client/http/url.hpp"
#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace perdura::client {

/// Checks the parameters of a request that changes something: a misspelt
/// parameter must not have the effect of a missing one.
/// @error errc::invalid_argument  A parameter has a name that no route knows,
///                                or a boolean parameter is neither true,
///                                false, 1 nor 0.
persistence::result<void> check_parameters(const request_target& target);

/// Parses a number of seconds, which may have decimals. No value if the
/// parameter is missing or empty.
/// @error errc::invalid_argument  The value is not a decimal number, or is
///                                outside of -1e9 to 1e9.
persistence::result<std::optional<std::chrono::milliseconds>>
parse_seconds(const request_target& target, const char* parameter);

/// Whether a time is the begin or the end of a range.
enum class time_bound : std::uint8_t { begin, end };

/// Parses an ISO 8601 time. A `+` that was sent without percent-encoding is
/// accepted. No value if the parameter is missing or empty.
/// @param bound  Responses show times in whole seconds, so the end of a range
///               that has no fraction includes its whole second.
/// @error errc::invalid_argument  The value is not a time.
persistence::result<std::optional<persistence::timestamp>>
parse_time(const request_target& target, const char* parameter,
           time_bound bound = time_bound::begin);

} // namespace perdura::client
