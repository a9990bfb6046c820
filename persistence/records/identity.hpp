// SPDX-License-Identifier: Apache-2.0
/// Generates IDs: random, ordered by time, or derived from a text.
#pragma once

#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <string>
#include <string_view>

namespace perdura::persistence {

// All functions return 32 lower-case hexadecimal digits and are thread-safe.

/// 128 random bits from the kernel.
/// @throws std::runtime_error  The kernel provides no random bytes.
std::string random_hex32();

/// The first 48 bits are the time `now` in milliseconds since the epoch; the
/// other 80 bits are random. IDs generated at about the same time are adjacent
/// in tables that are ordered by ID, so a flush writes few pages.
/// @source RFC 9562, section 5.7 (UUID version 7), for the layout; its
///         version and variant bits are not set.
std::string ordered_hex32(timestamp now);

/// The XXH3-128 hash of a text: the same text always gives the same ID.
std::string hash_hex32(std::string_view text);

} // namespace perdura::persistence
