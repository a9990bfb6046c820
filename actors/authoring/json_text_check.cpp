#include "actors/authoring/json_text_check.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bitset>

namespace perdura::actors {
namespace {

using persistence::errc;
using persistence::error;
using persistence::result;

constexpr std::size_t levels_max = 256;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// How many bytes the UTF-8 sequence at the front has; 0 if there is none
/// (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF).
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows
    = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80)
    return text.empty() ? 0 : 1;
  if (lead >= 0xC2 && lead <= 0xDF)
    return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool too_far = lead == 0xF4 && byte(1) > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !too_far ? 4
                                                                           : 0;
  }
  return 0;
}

/// Reads the grammar once from left to right and computes nothing: simdjson's
/// own parser refuses numbers beyond 64 bits and beyond a double's range,
/// which a payload may hold. UTF-8 is simdjson's to check, after the grammar.
class grammar {
public:
  grammar(std::string_view text, std::size_t depth_max)
    : text_(text), depth_max_(std::min(depth_max, levels_max)) {}

  /// False with `failure()` set if this is not one whole value.
  bool read() {
    for (;;) {
      // A value is due.
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
      // A value has ended: close what it ends, or go on after a comma.
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
  /// NUL at the end, which no rule accepts.
  char peek() const {
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  void skip_blanks() {
    while (at_ < text_.size()
           && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r'
               || text_[at_] == '\t'))
      ++at_;
  }

  bool expected(std::string_view what) {
    failure_
      = {errc::invalid_json, "invalid JSON at byte " + std::to_string(at_)
                               + ": expected " + std::string(what)};
    return false;
  }

  bool too_deep() {
    failure_ = {errc::json_too_deep,
                "JSON nested deeper than " + std::to_string(depth_max_)
                  + " levels at byte " + std::to_string(at_)};
    return false;
  }

  bool scalar(char c) {
    switch (c) {
    case '"':
      return string();
    case 't':
      return word("true");
    case 'f':
      return word("false");
    case 'n':
      return word("null");
    default:
      return c == '-' || is_digit(c) ? number() : expected("a value");
    }
  }

  bool word(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted)
      return expected("a value");
    at_ += wanted.size();
    return true;
  }

  bool digits() {
    if (!is_digit(peek()))
      return expected("a digit");
    while (is_digit(peek()))
      ++at_;
    return true;
  }

  bool number() {
    if (peek() == '-')
      ++at_;
    if (peek() == '0')
      ++at_; // nothing may follow a leading zero but a fraction or exponent
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

  /// Leaves `at_` on the last byte of the escape.
  bool escape() {
    ++at_;
    if (peek() != 'u') {
      constexpr std::string_view known = "\"\\/bfnrt";
      return known.find(peek()) != known.npos
             || expected("one of \"\\/bfnrtu after '\\'");
    }
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

  /// Four hexadecimal digits after the `u` that `at_` is on.
  bool hex4(unsigned& unit) {
    for (int i = 0; i < 4; ++i) {
      ++at_;
      const char c = peek();
      unit <<= 4U;
      if (is_digit(c))
        unit += static_cast<unsigned>(c - '0');
      else if (c >= 'a' && c <= 'f')
        unit += static_cast<unsigned>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        unit += static_cast<unsigned>(c - 'A' + 10);
      else
        return expected("four hexadecimal digits");
    }
    return true;
  }

  std::string_view text_;
  std::size_t depth_max_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::bitset<levels_max> in_object_; ///< For each open level.
  error failure_;
};

} // namespace

result<void> check_json(std::string_view text, std::size_t bytes_max,
                        std::size_t depth_max) {
  if (text.size() > bytes_max)
    return error{errc::payload_too_large,
                 "the JSON text has " + std::to_string(text.size())
                   + " bytes; at most " + std::to_string(bytes_max)
                   + " are taken"};
  grammar rules(text, depth_max);
  if (!rules.read())
    return rules.failure();
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    std::size_t at = 0;
    while (const std::size_t length = utf8_sequence(text.substr(at)))
      at += length;
    return error{errc::invalid_json, "invalid JSON at byte "
                                       + std::to_string(at)
                                       + ": expected UTF-8"};
  }
  return {};
}

std::string json_string(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string quoted;
  quoted.reserve(text.size() + 2);
  quoted += '"';
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    const std::size_t length = utf8_sequence(text);
    if (length == 0) {
      quoted += "\xEF\xBF\xBD"; // U+FFFD
    } else if (c >= 0x20 && c != '"' && c != '\\') {
      quoted += text.substr(0, length);
    } else {
      constexpr std::string_view plain = "\"\\\b\f\n\r\t";
      constexpr std::string_view letter = "\"\\bfnrt";
      quoted += '\\';
      if (const auto i = plain.find(text.front()); i != plain.npos) {
        quoted += letter[i];
      } else {
        quoted += "u00";
        quoted += hex[c >> 4U];
        quoted += hex[c & 0xFU];
      }
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  quoted += '"';
  return quoted;
}

} // namespace perdura::actors
