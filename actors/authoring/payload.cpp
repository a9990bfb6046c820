// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/payload.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "actors/authoring/retry_options.hpp"
#include "persistence/records/text.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <typeinfo>

namespace perdura::actors {

static_assert(payload_bytes_max == json_bytes_max
                && payload_depth_max == json_depth_max,
              "orchestrators and the HTTP API have the same payload limits");

namespace {

/// Removes the tag in brackets from a message of nlohmann::json, such as
/// "[json.exception.type_error.302] type must be string".
std::string_view without_tag(std::string_view text) {
  if (text.starts_with('['))
    if (auto end = text.find("] "); end != std::string_view::npos)
      return text.substr(end + 2);
  return text;
}

/// Returns the label as text, such as "the input of activity Charge".
std::string describe(const payload_label& label) {
  std::string text = label.role;
  if (!label.name.empty())
    text.append(" ").append(label.name);
  return text;
}

/// Returns true if arrays and objects are nested in more than `levels` levels.
/// Recurses at most `levels` + 1 times.
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

[[noreturn]] void throw_too_deep(const payload_label& label) {
  throw limit_exceeded("payload_depth_max: " + describe(label)
                       + " nests arrays and objects deeper than "
                       + std::to_string(payload_depth_max) + " levels");
}

/// Returns the message as UTF-8 of bounded length for the history. Invalid
/// bytes become U+FFFD.
std::string readable(std::string_view message) {
  std::string text;
  text.reserve(std::min(message.size(), failure_message_bytes_max));
  while (!message.empty()) {
    const std::size_t length = persistence::first_character(message).size;
    const std::string_view piece = length == 0
                                     ? persistence::replacement_character
                                     : message.substr(0, length);
    if (text.size() + piece.size() > failure_message_bytes_max)
      break;
    text.append(piece);
    message.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

/// Returns the name of a C++ type as it is written in source code.
std::string readable_type(const std::type_info& type) {
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> name(
    abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  std::string text = status == 0 && name ? name.get() : type.name();
  // User code names the types of Perdura without their inner namespaces.
  for (std::string_view prefix :
       {"perdura::actors::", "perdura::persistence::"})
    if (text.starts_with(prefix))
      text.erase(0, prefix.size());
  return text;
}

} // namespace

// The type is taken from the object that was thrown, not from the type in the
// catch clause.
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

namespace detail {

void throw_unreadable(const payload_label& label, const char* reason) {
  throw payload_error(describe(label) + " does not fit its type: "
                      + std::string(without_tag(reason)));
}

void throw_unwritable(const payload_label& label, const char* reason) {
  throw payload_error(describe(label) + " cannot be written as JSON: "
                      + std::string(without_tag(reason)));
}

void check_bytes(const std::string& text, const payload_label& label,
                 std::size_t limit, const char* limit_name) {
  if (text.size() > limit)
    throw limit_exceeded(std::string(limit_name) + ": " + describe(label)
                         + " takes " + std::to_string(text.size()) + " bytes, "
                         + std::to_string(limit) + " are allowed");
}

void check_verbatim(const std::string& text, const payload_label& label) {
  check_bytes(text, label);
  auto checked = check_json(text);
  if (checked)
    return;
  if (checked.code() == persistence::errc::json_too_deep)
    throw_too_deep(label);
  throw_unwritable(label, checked.error().message.c_str());
}

std::string dump(const json& value, const payload_label& label) {
  if (is_deeper_than(value, payload_depth_max))
    throw_too_deep(label);
  try {
    return value.dump();
  } catch (const json::exception& failure) {
    throw_unwritable(label, failure.what());
  }
}

bool is_plain_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c <= 0x7E && c != '"' && c != '\\';
  });
}

// The depth needs no check here: every stored text was checked when it was
// written.
json parse(const std::string& text, const payload_label& label) {
  if (text.empty())
    return nullptr;
  try {
    return json::parse(text);
  } catch (const json::exception& failure) {
    throw_unreadable(label, failure.what());
  }
}

} // namespace detail

} // namespace perdura::actors
