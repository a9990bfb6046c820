/// Could somebody listen there? Asked before anything is started.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstdint>

namespace perdura::client {

/// Of 127.0.0.1.
/// @error errc::unavailable  It is in use; without what to do about it.
persistence::result<void> check_loopback_port(std::uint16_t port);

} // namespace perdura::client
