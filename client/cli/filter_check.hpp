// SPDX-License-Identifier: Apache-2.0
/// Checks the values of filter options before a request is sent, so that an
/// error names the option and not the parameter of the HTTP API.
#pragma once

#include "client/cli/instance_search.hpp"

#include <CLI/CLI.hpp>

namespace perdura::client {

/// Accepts an ISO 8601 time.
CLI::Validator iso_time();

/// Accepts the name of a status in any case, or its number from 0 to 7.
CLI::Validator status_name();

/// @error errc::invalid_argument  The time of --created-from or --since is
/// after
///                                that of --created-to.
persistence::result<void> check_range(const filter_options& filter);

} // namespace perdura::client
