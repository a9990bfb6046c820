/// Which instances a query or a purge is about, as the URL says it.
#pragma once

#include "client/http/url.hpp"
#include <perdura/client/api/orchestration_client.hpp>

namespace perdura::client {

/// createdTimeFrom, createdTimeTo, runtimeStatus (repeated, or with commas),
/// instanceIdPrefix, name, showInput and top; what is not there does not
/// limit. Whether `top` is in range is for `check_filter` to say.
/// @error errc::invalid_argument  A text that is no time, status or number.
result<instance_filter> parse_filter(const request_target& target);

} // namespace perdura::client
