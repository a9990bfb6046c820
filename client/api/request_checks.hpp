/// What is refused before it is asked: one place for all doors.
#pragma once

#include "client/api/orchestration_client.hpp"

namespace perdura::client {

/// Terminate, suspend, resume and rewind take a reason up to this long.
inline constexpr std::size_t reason_bytes_max = 1024;
inline constexpr std::chrono::milliseconds wait_time_max
  = std::chrono::seconds(300);

/// 1 to 256 bytes of UTF-8 without control characters.
/// @error errc::invalid_name
result<void> check_name(std::string_view name, std::string_view what);

/// JSON of at most 1 MiB and 64 levels. `place` says whose it is.
/// @error errc::invalid_json, json_too_deep, payload_too_large
result<void> check_payload(std::string_view text, const std::string& place);

/// @error errc::invalid_argument  Longer than `reason_bytes_max`, no UTF-8.
result<void> check_reason(std::string_view reason);

/// It is kept with the instance.
inline constexpr std::size_t request_id_bytes_max = 256;

/// @error errc::invalid_argument  Longer than `request_id_bytes_max`, no UTF-8.
result<void> check_request(const std::string& request);

/// @error errc::invalid_argument  `top` out of range, from after to.
result<void> check_filter(const instance_filter& filter);

/// @error errc::invalid_argument  Negative, longer than `wait_time_max`, or an
///                                interval longer than the time-out.
result<void> check_wait(std::chrono::milliseconds time_out,
                        std::chrono::milliseconds retry_interval);

} // namespace perdura::client
