// SPDX-License-Identifier: Apache-2.0
/// Finds free TCP ports for tests that must know a port before the server
/// starts.
#pragma once

#include <cstdint>

namespace perdura::tests {

/// Returns the first of `count` consecutive free ports on 127.0.0.1. The range
/// begins at 12000, lies below the kernel's ephemeral ports and depends on the
/// process ID, so that test processes that run together use different ports.
/// A call never returns a port that an earlier call returned.
/// @throws std::runtime_error  No such ports are free.
std::uint16_t free_ports(std::uint16_t count);

} // namespace perdura::tests
