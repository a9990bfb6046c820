// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/json_text_check.hpp"

#include "persistence/records/text.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bitset>

namespace perdura::actors {
namespace {

using persistence::errc;
using persistence::error;
using persistence::first_character;
using persistence::is_digit;
using persistence::result;

// Size of the bit set that records which open levels are objects.
constexpr std::size_t levels_max = 256;

/// Checks the grammar of JSON in one pass, without converting values. A payload
/// may contain numbers beyond 64 bits or beyond the range of a double; the
/// parser of simdjson refuses these. UTF-8 is checked separately, by simdjson.
class grammar {
public:
  grammar(std::string_view text, std::size_t depth_max)
    : text_(text), depth_max_(std::min(depth_max, levels_max)) {}

  /// Returns true if the text is one JSON value; otherwise sets `failure()`.
  bool read() {
    for (;;) {
      // At the beginning of a value.
      skip_blanks();
      const char c = peek();
      if (c == '[' || c == '{') {
        if (depth_ == depth_max_)
          return too_deep();
        in_object_[depth_++] = c == '{';
        ++at_;
        skip_blanks();
        if (peek() == (c == '{' ? '}' : ']')) {
          ++at_;
          --depth_;
        } else if (c == '{') {
          if (!name_and_colon())
            return false;
          continue;
        } else {
          continue;
        }
      } else if (!scalar(c)) {
        return false;
      }
      // At the end of a value: close arrays and objects, or continue after a
      // comma.
      for (;;) {
        skip_blanks();
        if (depth_ == 0)
          return at_ == text_.size() || expected("the end of the text");
        const bool in_object = in_object_[depth_ - 1];
        if (peek() == (in_object ? '}' : ']')) {
          ++at_;
          --depth_;
          continue;
        }
        if (peek() != ',')
          return expected(in_object ? "',' or '}'" : "',' or ']'");
        ++at_;
        if (in_object && !name_and_colon())
          return false;
        break;
      }
    }
  }

  error failure() const {
    return failure_;
  }

private:
  /// Returns the next byte, or NUL at the end: no rule accepts NUL.
  char peek() const {
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  /// Skips the four blank characters that JSON allows between tokens.
  void skip_blanks() {
    while (at_ < text_.size()
           && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r'
               || text_[at_] == '\t'))
      ++at_;
  }

  /// Sets the failure at the current byte. Returns false.
  bool expected(std::string_view what) {
    failure_
      = {errc::invalid_json, "invalid JSON at byte " + std::to_string(at_)
                               + ": expected " + std::string(what)};
    return false;
  }

  /// Sets the failure for a value that is nested too deeply. Returns false.
  bool too_deep() {
    failure_ = {errc::json_too_deep,
                "JSON nested deeper than " + std::to_string(depth_max_)
                  + " levels at byte " + std::to_string(at_)};
    return false;
  }

  // The following functions read one token at `at_`, move `at_` behind it and
  // return true; or they set the failure and return false.

  /// Reads a string, number, true, false or null that begins with `c`.
  bool scalar(char c) {
    switch (c) {
    case '"':
      return string();
    case 't':
      return literal("true");
    case 'f':
      return literal("false");
    case 'n':
      return literal("null");
    default:
      return c == '-' || is_digit(c) ? number() : expected("a value");
    }
  }

  bool literal(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted)
      return expected("a value");
    at_ += wanted.size();
    return true;
  }

  /// Reads one or more digits.
  bool digits() {
    if (!is_digit(peek()))
      return expected("a digit");
    while (is_digit(peek()))
      ++at_;
    return true;
  }

  /// Reads a number of any size and precision.
  bool number() {
    if (peek() == '-')
      ++at_;
    if (peek() == '0')
      ++at_; // only a fraction or an exponent may follow a leading zero
    else if (!digits())
      return false;
    if (peek() == '.') {
      ++at_;
      if (!digits())
        return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-')
        ++at_;
      return digits();
    }
    return true;
  }

  /// Reads the name of an object's member and the colon after it.
  bool name_and_colon() {
    skip_blanks();
    if (peek() != '"')
      return expected("a name in quotes");
    if (!string())
      return false;
    skip_blanks();
    if (peek() != ':')
      return expected("':'");
    ++at_;
    return true;
  }

  /// Reads a string whose opening quote is at `at_`.
  bool string() {
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20)
        return expected("an escape, not a control character");
      if (c == '\\' && !escape())
        return false;
    }
    return expected("'\"'");
  }

  /// Checks an escape; leaves `at_` on its last byte.
  bool escape() {
    ++at_;
    if (peek() != 'u') {
      constexpr std::string_view known = "\"\\/bfnrt";
      return known.find(peek()) != known.npos
             || expected("one of \"\\/bfnrtu after '\\'");
    }
    // A UTF-16 code unit. A high surrogate must be followed by the escape of a
    // low one; a low surrogate alone is refused.
    unsigned unit = 0;
    if (!hex4(unit))
      return false;
    if (unit < 0xD800 || unit > 0xDFFF)
      return true;
    unsigned low = 0;
    if (unit < 0xDC00 && text_.substr(at_ + 1, 2) == "\\u") {
      at_ += 2;
      if (!hex4(low))
        return false;
    }
    return (low >= 0xDC00 && low <= 0xDFFF) || expected("a surrogate pair");
  }

  /// Reads four hexadecimal digits after the `u` at `at_`.
  bool hex4(unsigned& unit) {
    for (int i = 0; i < 4; ++i) {
      ++at_;
      const int value = persistence::hex_value(peek());
      if (value < 0)
        return expected("four hexadecimal digits");
      unit = (unit << 4U) + static_cast<unsigned>(value);
    }
    return true;
  }

  std::string_view text_;
  std::size_t depth_max_;
  std::size_t at_ = 0;                ///< Offset of the next byte.
  std::size_t depth_ = 0;             ///< Number of open arrays and objects.
  std::bitset<levels_max> in_object_; ///< One bit for each open level.
  error failure_;
};

} // namespace

result<void> check_json(std::string_view text, std::size_t bytes_max,
                        std::size_t depth_max) {
  if (text.size() > bytes_max)
    return error{errc::payload_too_large,
                 "the JSON text has " + std::to_string(text.size())
                   + " bytes; at most " + std::to_string(bytes_max)
                   + " are allowed"};
  grammar rules(text, depth_max);
  if (!rules.read())
    return rules.failure();
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    // Finds the first byte that is not valid, for the message.
    std::size_t at = 0;
    while (const std::size_t length = first_character(text.substr(at)).size)
      at += length;
    return error{errc::invalid_json, "invalid JSON at byte "
                                       + std::to_string(at)
                                       + ": expected UTF-8"};
  }
  return {};
}

std::string json_string(std::string_view text) {
  std::string quoted;
  quoted.reserve(text.size() + 2);
  quoted += '"';
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    const std::size_t length = first_character(text).size;
    if (length == 0) {
      quoted += persistence::replacement_character;
    } else if (c >= 0x20 && c != '"' && c != '\\') {
      quoted += text.substr(0, length);
    } else {
      // Characters with a short escape, and the letters of these escapes.
      constexpr std::string_view plain = "\"\\\b\f\n\r\t";
      constexpr std::string_view letter = "\"\\bfnrt";
      quoted += '\\';
      if (const auto i = plain.find(text.front()); i != plain.npos) {
        quoted += letter[i];
      } else {
        quoted += "u00";
        persistence::append_hex(quoted, c);
      }
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  quoted += '"';
  return quoted;
}

} // namespace perdura::actors
