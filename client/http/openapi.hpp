// SPDX-License-Identifier: Apache-2.0
/// The OpenAPI document of the HTTP API, from which client programs can be
/// generated.
#pragma once

#include <string_view>

namespace perdura::client {

/// The content of client/http/openapi.json (OpenAPI 3.1), embedded by the
/// build.
extern const std::string_view openapi_document;

} // namespace perdura::client
