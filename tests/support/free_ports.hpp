/// Ports for servers that a test starts, where they must be known before.
#pragma once

#include <cstdint>

namespace perdura::tests {

/// The first of so many free ports in a row on 127.0.0.1, of a range that
/// belongs to this process and from which the kernel gives none to clients.
/// Never the same twice.
/// @throws std::runtime_error
std::uint16_t free_ports(std::uint16_t count);

} // namespace perdura::tests
