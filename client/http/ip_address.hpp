/// What kind of address a text is; opens no sockets.
#pragma once

#include <string>

namespace perdura::client {

/// Is this an address that only this machine can reach, or its name?
bool is_loopback(const std::string& address);

/// Is it an address at all, and no name?
bool is_address(const std::string& text);

/// 0.0.0.0 or ::, which stand for all of this machine's.
bool is_any_address(const std::string& address);

} // namespace perdura::client
