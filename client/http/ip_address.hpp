// SPDX-License-Identifier: Apache-2.0
/// Classifies IP addresses in text form. Nothing is resolved.
#pragma once

#include <string>

namespace perdura::client {

/// Whether only this machine can reach the address: a loopback address, or the
/// name "localhost".
bool is_loopback(const std::string& address);

/// Whether `text` is a numeric IPv4 or IPv6 address.
bool is_address(const std::string& text);

/// Whether the address is 0.0.0.0 or ::, which stand for all addresses of this
/// machine.
bool is_any_address(const std::string& address);

} // namespace perdura::client
