// SPDX-License-Identifier: Apache-2.0
/// Checks whether a port is free, so that a command can fail before it has
/// started anything.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstdint>

namespace perdura::client {

/// Binds and releases a port of 127.0.0.1.
/// @error errc::unavailable  Another process uses the port, or the port cannot
///                           be bound. The error sentence contains no advice
///                           for the user; the caller must add it.
persistence::result<void> check_loopback_port(std::uint16_t port);

} // namespace perdura::client
