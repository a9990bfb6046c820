/// Names: random ones, and which ones an instance may have.
#pragma once

#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <string>
#include <string_view>

namespace perdura::persistence {

/// 128 random bits from the kernel, as 32 lower case hex digits.
std::string random_hex32();

/// The same with the milliseconds of `now` in the first 48 bits: what is made
/// at one time lies side by side in rows that are ordered by it.
/// @source RFC 9562, section 5.7, for the idea.
std::string ordered_hex32(timestamp now);

/// 32 lower case hex digits, the same for the same text: XXH3-128.
std::string hash_hex32(std::string_view text);

inline constexpr std::size_t instance_id_size_max = 256;

/// 1 to 256 bytes of valid UTF-8, none of / \ # ?, no control characters
/// (U+0000 to U+001F, U+007F to U+009F), no leading @.
/// @error errc::invalid_instance_id  Says which rule is broken.
result<void> check_instance_id(std::string_view id);

/// Whether the bytes are well-formed UTF-8: no overlong forms, no surrogates,
/// nothing above U+10FFFF.
bool is_utf8(std::string_view text);

} // namespace perdura::persistence
