#include "actors/authoring/payload.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "actors/authoring/retry_options.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <typeinfo>

namespace perdura::actors {

static_assert(payload_bytes_max == json_bytes_max
                && payload_depth_max == json_depth_max,
              "what code may produce is what the doors take");

namespace {

/// "[json.exception.type_error.302] type must be …" without the brackets.
std::string_view without_tag(std::string_view text) {
  if (text.starts_with('['))
    if (auto end = text.find("] "); end != std::string_view::npos)
      return text.substr(end + 2);
  return text;
}

std::string spoken(const payload_place& place) {
  std::string text = place.role;
  if (!place.name.empty())
    text.append(" ").append(place.name);
  return text;
}

bool is_deeper_than(const json& value, std::size_t levels) {
  if (!value.is_structured())
    return false;
  if (levels == 0)
    return true;
  for (const json& child : value)
    if (is_deeper_than(child, levels - 1))
      return true;
  return false;
}

[[noreturn]] void throw_too_deep(const payload_place& place) {
  throw limit_exceeded("payload_depth_max: " + spoken(place)
                       + " nests arrays and objects deeper than "
                       + std::to_string(payload_depth_max) + " levels");
}

/// Length of the UTF-8 sequence at the front, 0 if it is none.
/// @source RFC 3629, section 4.
std::size_t sequence_length(std::string_view text) {
  auto byte
    = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80)
    return 1;
  if (first >= 0xC2 && first <= 0xDF)
    return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF; // no surrogates
    return follows(1, low, high) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF; // up to U+10FFFF
    return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

/// What stands in history is UTF-8 of bounded length, whatever was thrown.
std::string readable(std::string_view message) {
  std::string text;
  text.reserve(std::min(message.size(), failure_message_bytes_max));
  while (!message.empty()) {
    const std::size_t length = sequence_length(message);
    const std::string_view piece
      = length == 0 ? std::string_view("\xEF\xBF\xBD") // U+FFFD
                    : message.substr(0, length);
    if (text.size() + piece.size() > failure_message_bytes_max)
      break;
    text.append(piece);
    message.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

std::string readable_type(const std::type_info& type) {
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> name(
    abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  std::string text = status == 0 && name ? name.get() : type.name();
  // Ours are known by their flat names.
  for (std::string_view room : {"perdura::actors::", "perdura::persistence::"})
    if (text.starts_with(room))
      text.erase(0, room.size());
  return text;
}

} // namespace

failure_details failure_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const task_failed& failure) {
    return {std::string(failure.kind()), readable(failure.what())};
  } catch (const std::exception& failure) {
    return {readable_type(typeid(failure)), readable(failure.what())};
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return {type ? readable_type(*type) : "unknown", "unknown exception"};
  }
}

bool is_valid_name(std::string_view name) {
  if (name.empty() || name.size() > name_bytes_max)
    return false;
  while (!name.empty()) {
    const auto first = static_cast<unsigned char>(name[0]);
    const std::size_t length = sequence_length(name);
    if (length == 0 || first < 0x20 || first == 0x7F)
      return false;
    if (first == 0xC2 && static_cast<unsigned char>(name[1]) < 0xA0)
      return false; // C1 control characters
    name.remove_prefix(length);
  }
  return true;
}

namespace detail {

void throw_unreadable(const payload_place& place, const char* reason) {
  throw payload_error(spoken(place) + " does not fit its type: "
                      + std::string(without_tag(reason)));
}

void throw_unwritable(const payload_place& place, const char* reason) {
  throw payload_error(spoken(place) + " cannot be written as JSON: "
                      + std::string(without_tag(reason)));
}

void check_bytes(const std::string& text, const payload_place& place,
                 std::size_t limit, const char* limit_name) {
  if (text.size() > limit)
    throw limit_exceeded(std::string(limit_name) + ": " + spoken(place)
                         + " takes " + std::to_string(text.size()) + " bytes, "
                         + std::to_string(limit) + " are allowed");
}

void check_verbatim(const std::string& text, const payload_place& place) {
  check_bytes(text, place);
  auto checked = check_json(text);
  if (checked)
    return;
  if (checked.code() == persistence::errc::json_too_deep)
    throw_too_deep(place);
  throw_unwritable(place, checked.error().message.c_str());
}

std::string dump(const json& value, const payload_place& place) {
  if (is_deeper_than(value, payload_depth_max))
    throw_too_deep(place);
  try {
    return value.dump();
  } catch (const json::exception& failure) {
    throw_unwritable(place, failure.what());
  }
}

bool is_plain_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c <= 0x7E && c != '"' && c != '\\';
  });
}

json parse(const std::string& text, const payload_place& place) {
  if (text.empty())
    return nullptr;
  try {
    return json::parse(text);
  } catch (const json::exception& failure) {
    throw_unreadable(place, failure.what());
  }
}

} // namespace detail

} // namespace perdura::actors
