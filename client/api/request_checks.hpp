// SPDX-License-Identifier: Apache-2.0
/// The checks of arguments that the C++ client, the HTTP API and the command
/// line have in common. A request that fails a check is never sent.
///
/// All functions are pure and thread-safe. Each error message names the
/// argument and the rule that it breaks.
#pragma once

#include <perdura/client/api/request_options.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace perdura::client {

/// The largest size of the reason of a terminate, suspend, resume or rewind.
inline constexpr std::size_t reason_bytes_max = 1024;
/// The longest time-out of a wait for a completion.
inline constexpr std::chrono::milliseconds wait_time_max
  = std::chrono::seconds(300);

/// Accepts 1 to 256 bytes of UTF-8 without control characters.
/// @param what  The kind of name, for the error sentence: "orchestrator" or
///              "event".
/// @error errc::invalid_name  The name breaks the rule.
result<void> check_name(std::string_view name, std::string_view what);

/// Accepts JSON of at most 1 MiB and 64 levels of nesting.
/// @param place  Names the payload in the error sentence, e.g. `input of
///               "order-7"`.
/// @error errc::invalid_json       The text is not JSON.
/// @error errc::json_too_deep      More than 64 levels.
/// @error errc::payload_too_large  More than 1 MiB.
result<void> check_payload(std::string_view text, const std::string& place);

/// @error errc::invalid_argument  Longer than `reason_bytes_max`, or not UTF-8.
result<void> check_reason(std::string_view reason);

/// The largest size of a request ID.
inline constexpr std::size_t request_id_bytes_max = 256;

/// @error errc::invalid_argument  Longer than `request_id_bytes_max`, or not
///                                UTF-8.
result<void> check_request_id(const std::string& request);

/// @error errc::invalid_argument  `top` is not 1 to 1,000, or `created_from`
///                                is after `created_to`.
result<void> check_filter(const instance_filter& filter);

/// @error errc::invalid_argument  The time-out is negative.
result<void> check_time_out(std::chrono::milliseconds time_out);

/// @error errc::invalid_argument  A value is negative, the time-out is longer
///                                than `wait_time_max`, or the interval is
///                                longer than the time-out.
result<void> check_wait(std::chrono::milliseconds time_out,
                        std::chrono::milliseconds retry_interval);

} // namespace perdura::client
