// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/text.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

/// Returns errc::invalid_instance_id; `rule` completes the sentence "an
/// instance ID must …".
error invalid_id(const char* rule) {
  return {errc::invalid_instance_id,
          std::string("an instance ID must ") + rule};
}

/// True for the C0 and C1 control characters and U+007F.
bool is_control(char32_t point) {
  return point < 0x20 || (point >= 0x7F && point <= 0x9F);
}

/// Returns the text with `map` applied to each byte.
std::string mapped(std::string_view text, char (*map)(char)) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), map);
  return out;
}

} // namespace

utf8_character first_character(std::string_view text) {
  if (text.empty())
    return {};
  // A position beyond the end gives 0, which is not a continuation byte.
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80)
    return {1, lead};
  std::size_t size = 0;
  std::uint32_t point = 0;
  // The smallest code point that needs `size` bytes. If `size` bytes encode a
  // smaller code point, the encoding is overlong and refused.
  std::uint32_t least = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    size = 2;
    point = lead & 0x1FU;
    least = 0x80;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    size = 3;
    point = lead & 0x0FU;
    least = 0x800;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    size = 4;
    point = lead & 0x07U;
    least = 0x10000;
  } else {
    return {};
  }
  // Each continuation byte is 10xxxxxx and contributes six bits.
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U)
      return {};
    point = (point << 6U) | (byte(i) & 0x3FU);
  }
  const bool is_surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (point < least || point > 0x10FFFF || is_surrogate)
    return {};
  return {size, point};
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = first_character(text).size;
    if (size == 0)
      return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string to_lower(std::string_view text) {
  return mapped(text, to_lower);
}

std::string to_upper(std::string_view text) {
  return mapped(text, to_upper);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_lower(x) == to_lower(y); });
}

void append_hex(std::string& text, unsigned char byte) {
  text += hex_digit(byte >> 4U);
  text += hex_digit(byte);
}

std::string to_hex(std::string_view bytes) {
  std::string text(2 * bytes.size(), '0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text[2 * i] = hex_digit(byte >> 4U);
    text[2 * i + 1] = hex_digit(byte);
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0)
    return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    // Upper-case digits are refused, so that each text has one form only.
    const bool is_lower
      = to_lower(text[i]) == text[i] && to_lower(text[i + 1]) == text[i + 1];
    if (high < 0 || low < 0 || !is_lower)
      return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

bool is_hex32(std::string_view text) {
  return text.size() == 32
         && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::size_t terminal_escape_size(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t ahead) -> unsigned {
    return at + ahead < text.size()
             ? static_cast<unsigned char>(text[at + ahead])
             : 0U;
  };
  const auto is_between = [](unsigned value, unsigned low, unsigned high) {
    return value >= low && value <= high;
  };
  // C0 control characters and U+007F.
  if (byte(0) < 0x20 || byte(0) == 0x7F)
    return 1;
  // C1 control characters: C2 80 to C2 9F in UTF-8.
  if (byte(0) == 0xC2 && is_between(byte(1), 0x80, 0x9F))
    return 2;
  // Line separators and direction marks: E2 80 A8 to E2 80 AE, and E2 81 A6 to
  // E2 81 A9.
  const bool is_separator_or_direction
    = (byte(1) == 0x80 && is_between(byte(2), 0xA8, 0xAE))
      || (byte(1) == 0x81 && is_between(byte(2), 0xA6, 0xA9));
  return byte(0) == 0xE2 && is_separator_or_direction ? 3 : 0;
}

std::string without_terminal_escapes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = terminal_escape_size(text, at);
    out += size == 0 ? text[at] : '?';
    at += size == 0 ? 1 : size;
  }
  return out;
}

result<void> check_instance_id(std::string_view id) {
  if (id.empty())
    return invalid_id("not be empty");
  if (id.size() > instance_id_size_max)
    return invalid_id("not be longer than 256 bytes");
  if (id == "." || id == "..")
    return invalid_id("not be . or .., which cannot be a part of a URL");
  if (id.front() == '@')
    return invalid_id("not begin with @");
  while (!id.empty()) {
    const auto [size, point] = first_character(id);
    if (size == 0)
      return invalid_id("be valid UTF-8");
    if (is_control(point))
      return invalid_id("not contain control characters");
    if (point == '/' || point == '\\' || point == '#' || point == '?')
      return invalid_id("not contain / \\ # or ?");
    id.remove_prefix(size);
  }
  return {};
}

// The size is checked first, so that the loop below is bounded.
name_fault fault_of_name(std::string_view name) {
  if (name.empty())
    return name_fault::empty;
  if (name.size() > name_size_max)
    return name_fault::too_long;
  while (!name.empty()) {
    const auto [size, point] = first_character(name);
    if (size == 0)
      return name_fault::not_utf8;
    if (is_control(point))
      return name_fault::control_character;
    name.remove_prefix(size);
  }
  return name_fault::none;
}

} // namespace perdura::persistence
