// SPDX-License-Identifier: Apache-2.0
/// Converts C++ values to the JSON text that history stores, and back.
///
/// Any type with nlohmann's `to_json` and `from_json` can be an input, an
/// output, an event's data or a custom status, within the limits below.
#pragma once

#include <perdura/persistence/records/history_event.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace perdura::actors {

using json = nlohmann::json;
using persistence::failure_details;

/// Maximum size of one input, output or event as JSON text, in bytes, so that a
/// turn fits the journal.
inline constexpr std::size_t payload_bytes_max = 1024 * 1024;

/// Maximum number of levels of nested arrays and objects; nlohmann::json
/// recurses once for each level.
inline constexpr std::size_t payload_depth_max = 64;

/// Maximum size of a custom status as JSON text, in bytes. It is small because
/// every read of a status includes the custom status.
inline constexpr std::size_t custom_status_bytes_max = 16 * 1024;

/// Maximum number of requests (activities, sub-orchestrations, timers, sent
/// events) in one turn. The number is limited because a turn is committed as a
/// whole.
inline constexpr std::size_t decisions_per_turn_max = 10'000;

/// Maximum size of a failure's message in bytes; the rest is cut off.
inline constexpr std::size_t failure_message_bytes_max = 16 * 1024;

/// JSON text that is passed on unchanged, with its key order, large numbers and
/// spelling (nlohmann::json sorts keys and rounds numbers). Can be used as the
/// type of any input, output or event. The text is checked when it is used, not
/// by the constructor.
class json_text {
public:
  /// The text "null".
  json_text() : text_("null") {}

  explicit json_text(std::string text) : text_(std::move(text)) {}

  const std::string& text() const& {
    return text_;
  }

  /// Moves the text out.
  std::string text() && {
    return std::move(text_);
  }

  bool operator==(const json_text&) const = default;

private:
  std::string text_;
};

/// Represents `void` where a value is needed. Written as null.
struct unit {
  bool operator==(const unit&) const = default;
};

/// Thrown if a value or a turn exceeds a limit; the message begins with the
/// name of the limit.
class limit_exceeded : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Thrown if JSON text does not match the C++ type, or if a value cannot be
/// written as JSON.
class payload_error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Names a value in error messages, such as "the input of activity Charge".
struct payload_label {
  const char* role = "the value";
  std::string_view name = {};
};

/// Converts an exception to the failure that the history records: the C++ type
/// of the exception and its `what()`. For task_failed the type is `kind()`. A
/// thrown text (`const char*`, std::string or std::string_view) is its own
/// message; an exception of another type has the message "unknown exception".
/// The message names the exceptions that std::throw_with_nested has nested:
/// "outer; caused by std::runtime_error: inner".
failure_details failure_of(const std::exception_ptr& thrown);

/// Returns the exception and those that std::throw_with_nested has nested in
/// it, outermost first. The number of levels that are followed is limited.
std::vector<std::exception_ptr> nested_in(const std::exception_ptr& thrown);

/// `what()`, or a sentence if an exception of the program returns null.
const char* text_of(const std::exception& failure);

namespace detail {

/// Both functions throw payload_error. The message of throw_unreadable states
/// that the JSON text named by `label` does not match its C++ type. The message
/// of throw_unwritable states that the value cannot be written as JSON.
[[noreturn]] void throw_unreadable(const payload_label& label,
                                   const char* reason);
[[noreturn]] void throw_unwritable(const payload_label& label,
                                   const char* reason);

/// @throws limit_exceeded  The text is longer than `limit`.
void check_bytes(const std::string& text, const payload_label& label,
                 std::size_t limit = payload_bytes_max,
                 const char* limit_name = "payload_bytes_max");

/// Checks that the text is valid JSON within the limits.
/// @throws limit_exceeded, payload_error
void check_verbatim(const std::string& text, const payload_label& label);

/// Writes `value` as text, after checking its depth.
/// @throws limit_exceeded, payload_error
std::string dump(const json& value, const payload_label& label);

/// Parses the text. An empty text means null.
/// @throws payload_error
json parse(const std::string& text, const payload_label& label);

/// True if the text is printable ASCII without quotes and backslashes. Such a
/// text in quotes is a JSON string, so the conversion needs no JSON library.
bool is_plain_text(std::string_view text);

/// Appends the text as a JSON string if it needs no JSON library.
/// @return False if it needs one; nothing was appended then.
bool append_plain(std::string& out, std::string_view text);

/// True for the types that are written as a JSON string.
template <class T>
inline constexpr bool is_text_value
  = std::is_same_v<
      T,
      std::
        string> || std::is_same_v<T, std::string_view> || std::is_same_v<std::decay_t<T>, const char*> || std::is_same_v<std::decay_t<T>, char*>;

/// Appends the texts as a JSON array of strings.
/// @return False if one of them needs a JSON library; `out` is to be discarded
///         then.
bool append_plain_array(std::string& out,
                        const std::vector<std::string>& texts);

/// True for std::optional<T>.
template <class T>
struct optional_value : std::false_type {};

template <class T>
struct optional_value<std::optional<T>> : std::true_type {};

} // namespace detail

/// Returns the value as JSON text. `label` names it in error messages.
/// @throws limit_exceeded  The text is longer than payload_bytes_max, or is
///                         nested deeper than payload_depth_max.
/// @throws payload_error   The value cannot be written as JSON, for example
///                         because a string is not UTF-8.
template <class T>
std::string to_payload(const T& value, const payload_label& label = {}) {
  std::string text;
  if constexpr (std::is_same_v<T, json_text>) {
    detail::check_verbatim(value.text(), label);
    return value.text();
  } else if constexpr (std::is_same_v<
                         T, unit> || std::is_same_v<T, std::nullptr_t>) {
    return "null";
  } else if constexpr (detail::is_text_value<T>) {
    if (!detail::append_plain(text, value))
      text = detail::dump(json(value), label);
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    if (!detail::append_plain_array(text, value))
      text = detail::dump(json(value), label);
  } else if constexpr (std::is_integral_v<
                         T> && !std::is_same_v<T, bool> && sizeof(T) > 1) {
    text = std::to_string(value);
  } else if constexpr (detail::optional_value<T>::value) {
    return value ? to_payload(*value, label) : std::string("null");
  } else if constexpr (std::is_same_v<T, json>) {
    text = detail::dump(value, label);
  } else {
    static_assert(std::is_constructible_v<json, const T&>,
                  "this type has no to_json: see NLOHMANN_DEFINE_TYPE_*");
    try {
      const json written(value);
      text = detail::dump(written, label);
    } catch (const json::exception& failure) {
      detail::throw_unwritable(label, failure.what());
    }
  }
  detail::check_bytes(text, label);
  return text;
}

/// As above; moves the text instead of copying it.
inline std::string to_payload(json_text&& value,
                              const payload_label& label = {}) {
  detail::check_verbatim(value.text(), label);
  return std::move(value).text();
}

/// Returns the value of the JSON text. An empty text means null.
/// @throws payload_error  The text does not match the type.
template <class T>
T from_payload(const std::string& text, const payload_label& label = {}) {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>);
  if constexpr (std::is_same_v<T, json_text>) {
    return text.empty() ? json_text() : json_text(text);
  } else if constexpr (std::is_same_v<
                         T, unit> || std::is_same_v<T, std::nullptr_t>) {
    return T();
  } else if constexpr (detail::optional_value<T>::value) {
    if (text.empty() || text == "null")
      return std::nullopt;
    return from_payload<typename T::value_type>(text, label);
  } else if constexpr (std::is_same_v<T, json>) {
    return detail::parse(text, label);
  } else {
    if constexpr (std::is_same_v<T, std::string>) {
      const std::string_view whole(text);
      if (whole.size() >= 2 && whole.front() == '"' && whole.back() == '"'
          && detail::is_plain_text(whole.substr(1, whole.size() - 2)))
        return T(whole.substr(1, whole.size() - 2));
    }
    const json read = detail::parse(text, label);
    try {
      return read.template get<T>();
    } catch (const json::exception& failure) {
      detail::throw_unreadable(label, failure.what());
    }
  }
}

} // namespace perdura::actors
