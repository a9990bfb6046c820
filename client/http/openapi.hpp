/// What the HTTP door offers, for programs that write clients.
#pragma once

#include <string_view>

namespace perdura::client {

/// OpenAPI 3.1: client/http/openapi.json, as it was when this was built.
extern const std::string_view openapi_document;

} // namespace perdura::client
