// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/payload.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "actors/authoring/retry_options.hpp"
#include "persistence/records/text.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cmath>
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

[[noreturn]] void throw_too_deep(const payload_label& label) {
  throw limit_exceeded("payload_depth_max: " + describe(label)
                       + " nests arrays and objects deeper than "
                       + std::to_string(payload_depth_max) + " levels");
}

/// Checks the values that nlohmann::json would write without an error.
/// @throws limit_exceeded  Arrays and objects are nested in more than `levels`
///                         levels. Recurses at most `levels` + 1 times.
/// @throws payload_error   A number is not finite: it would become null.
void check_values(const json& value, std::size_t levels,
                  const payload_label& label) {
  if (value.is_number_float() && !std::isfinite(value.get<double>()))
    detail::throw_unwritable(label, "JSON has no infinity and no NaN");
  if (!value.is_structured())
    return;
  if (levels == 0)
    throw_too_deep(label);
  for (const json& child : value)
    check_values(child, levels - 1, label);
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

// So many nested exceptions are named in a failure.
constexpr std::size_t nested_failures_max = 16;

/// Returns the name of a C++ type as it is written in source code.
std::string readable_type(const std::type_info& type) {
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> name(
    abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  std::string text = status == 0 && name ? name.get() : type.name();
  // The type that std::throw_with_nested makes of the program's type.
  constexpr std::string_view nested = "std::_Nested_exception<";
  if (text.starts_with(nested) && text.ends_with('>'))
    text = text.substr(nested.size(), text.size() - nested.size() - 1);
  // User code names the types of Perdura without their inner namespaces.
  for (std::string_view prefix :
       {"perdura::actors::", "perdura::persistence::"})
    if (text.starts_with(prefix))
      text.erase(0, prefix.size());
  return text;
}

/// The exception with which the thrown one was nested by
/// std::throw_with_nested, of whatever type the thrown one is.
std::exception_ptr cause_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::nested_exception& outer) {
    return outer.nested_ptr();
  } catch (...) {
    return nullptr;
  }
}

/// Returns type and message of the exception, without those that are nested in
/// it. The type is taken from the object that was thrown, not from the type
/// in the catch clause.
failure_details read_failure(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const task_failed& failure) {
    return {std::string(failure.kind()), text_of(failure)};
  } catch (const std::exception& failure) {
    return {readable_type(typeid(failure)), text_of(failure)};
  } catch (const std::string& text) {
    return {"std::string", text};
  } catch (std::string_view text) {
    return {"std::string_view", std::string(text)};
  } catch (const char* text) {
    return {"const char*", text == nullptr ? "" : text};
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return {type ? readable_type(*type) : "unknown", "unknown exception"};
  }
}

} // namespace

const char* text_of(const std::exception& failure) {
  const char* text = failure.what();
  return text == nullptr ? "an exception without a text" : text;
}

std::vector<std::exception_ptr> nested_in(const std::exception_ptr& thrown) {
  std::vector<std::exception_ptr> levels;
  for (std::exception_ptr next = thrown;
       next && levels.size() <= nested_failures_max; next = cause_of(next))
    levels.push_back(next);
  return levels;
}

failure_details failure_of(const std::exception_ptr& thrown) {
  failure_details first;
  const std::vector<std::exception_ptr> levels = nested_in(thrown);
  for (std::size_t level = 0; level < levels.size(); ++level) {
    const failure_details one = read_failure(levels[level]);
    if (level == 0)
      first = one;
    else
      first.message += "; caused by " + one.type + ": " + one.message;
  }
  first.message = readable(first.message);
  return first;
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
  check_values(value, payload_depth_max, label);
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

bool append_plain(std::string& out, std::string_view text) {
  if (!is_plain_text(text))
    return false;
  out.reserve(out.size() + text.size() + 2);
  out += '"';
  out += text;
  out += '"';
  return true;
}

bool append_plain_array(std::string& out,
                        const std::vector<std::string>& texts) {
  std::size_t bytes = 2;
  for (const std::string& text : texts) {
    if (!is_plain_text(text))
      return false;
    bytes += text.size() + 3;
  }
  out.reserve(out.size() + bytes);
  out += '[';
  for (const std::string& text : texts) {
    if (out.back() != '[')
      out += ',';
    out += '"';
    out += text;
    out += '"';
  }
  out += ']';
  return true;
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
