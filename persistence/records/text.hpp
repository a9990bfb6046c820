// SPDX-License-Identifier: Apache-2.0
/// The rules for text that all layers share: UTF-8, letter case, hexadecimal
/// digits, control characters, and which IDs and names are valid.
///
/// Letter case and digits are those of ASCII; no locale is consulted. All
/// functions are pure and thread-safe.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace perdura::persistence {

// --- UTF-8 -------------------------------------------------------------------

/// The character at the front of a text.
struct utf8_character {
  std::size_t size = 0;    ///< Bytes, 1 to 4; 0 if the text is malformed.
  char32_t code_point = 0; ///< 0 also if the text is malformed.
};

/// Decodes the character at the front of `text`. Overlong forms, surrogates
/// and code points above U+10FFFF are not well formed, and neither is an empty
/// text.
/// @source RFC 3629, section 4; The Unicode Standard, table 3-7.
utf8_character first_character(std::string_view text);

/// True if all of `text` is well-formed UTF-8. An empty text is well formed.
bool is_utf8(std::string_view text);

/// U+FFFD, which replaces bytes that are not well formed.
inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

// --- ASCII -------------------------------------------------------------------

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr bool is_letter_or_digit(char c) {
  return is_letter(c) || is_digit(c);
}

/// True for U+0000 to U+001F and for U+007F.
constexpr bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

/// True for U+0021 to U+007E, the visible characters of ASCII.
constexpr bool is_graphic(char c) {
  return c > 0x20 && c < 0x7F;
}

constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr char to_upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

bool equal_ignoring_case(std::string_view a, std::string_view b);

// --- Hexadecimal digits ------------------------------------------------------

/// The lower-case digit of a value from 0 to 15.
constexpr char hex_digit(unsigned value) {
  return "0123456789abcdef"[value & 0xFU];
}

/// The value of a lower-case or upper-case digit; -1 for other characters.
constexpr int hex_value(char c) {
  if (is_digit(c))
    return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Appends the two lower-case digits of a byte.
void append_hex(std::string& text, unsigned char byte);

/// Writes each byte as two lower-case digits.
std::string to_hex(std::string_view bytes);

/// Reads the bytes from a text that `to_hex` wrote. Returns no value if the
/// text contains upper-case digits or other characters, or an odd number of
/// digits.
std::optional<std::string> from_hex(std::string_view text);

/// True if `text` is 32 lower-case hexadecimal digits, as the IDs of hubs are.
bool is_hex32(std::string_view text);

// --- Characters that lines and terminals must not receive --------------------

/// Returns the size in bytes of the character at offset `at` if that character
/// must be escaped before the text is written to a line or a terminal, and 0
/// otherwise. The characters that must be escaped are the C0 and C1 control
/// characters, U+007F, the line separators U+2028 and U+2029, and the
/// characters that change the direction of text: U+202A to U+202E and U+2066 to
/// U+2069.
std::size_t terminal_escape_size(std::string_view text, std::size_t at);

/// Returns `text` with a `?` in place of each character that must be escaped
/// (see `terminal_escape_size`).
std::string without_terminal_escapes(std::string_view text);

// --- IDs and names -----------------------------------------------------------

/// Largest size of an instance ID in bytes.
inline constexpr std::size_t instance_id_size_max = 256;

/// Checks the ID of an instance or child instance. It must have 1 to 256 bytes
/// of UTF-8. It must not contain / \ # ? or control characters (U+0000 to
/// U+001F, U+007F to U+009F), must not begin with @, and must not be `.` or
/// `..`, which cannot be a segment of a URL.
/// @error errc::invalid_instance_id  The message names the rule that `id`
///                                   violates.
/// @source Azure Durable Functions, "Manage instances". The rule about `.` and
///         `..` is an addition of this project.
result<void> check_instance_id(std::string_view id);

/// Largest size in bytes of the name of an orchestrator, activity or event.
inline constexpr std::size_t name_size_max = 256;

/// The first rule that a name violates; `none` if the name is valid.
enum class name_fault : std::uint8_t {
  none,
  empty,
  too_long, ///< More than `name_size_max` bytes.
  not_utf8,
  control_character, ///< U+0000 to U+001F, U+007F to U+009F.
};

/// Checks the name of an orchestrator, activity or event.
name_fault fault_of_name(std::string_view name);

} // namespace perdura::persistence
