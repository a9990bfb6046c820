/// How a C++ value becomes the JSON text that history stores, and back: by
/// nlohmann's `to_json` and `from_json`, within the limits named here.
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

namespace perdura::actors {

using json = nlohmann::json;
using persistence::failure_details;

/// One input, output or event: a turn has to fit a journal record.
inline constexpr std::size_t payload_bytes_max = 1024 * 1024;
/// Levels of arrays and objects; nlohmann recurses once a level.
inline constexpr std::size_t payload_depth_max = 64;
/// It is read with every status, so it stays small.
inline constexpr std::size_t custom_status_bytes_max = 16 * 1024;
/// What one turn may ask for: it is committed as one record.
inline constexpr std::size_t decisions_per_turn_max = 10'000;
/// Names of orchestrators, activities, events and instances.
inline constexpr std::size_t name_bytes_max = 256;
/// Of a failure's message; the rest is cut off.
inline constexpr std::size_t failure_message_bytes_max = 16 * 1024;

/// JSON text that crosses unread and unchanged: key order, large numbers and
/// spelling stay as they came (nlohmann::json sorts keys and rounds numbers).
/// May stand wherever a value goes in or comes out.
class json_text {
public:
  json_text() : text_("null") {}

  explicit json_text(std::string text) : text_(std::move(text)) {}

  const std::string& text() const {
    return text_;
  }

  bool operator==(const json_text&) const = default;

private:
  std::string text_;
};

/// Stands for `void` where a value is needed.
struct unit {
  bool operator==(const unit&) const = default;
};

/// A limit was met; the message begins with the limit's name.
class limit_exceeded : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// A value does not fit its type or cannot be written as JSON.
class payload_error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Which value, for messages: "the input of activity Charge".
struct payload_place {
  const char* role = "the value";
  std::string_view name = {};
};

/// What a failure is reported as: the C++ type, readable, and `what()`. For a
/// failed task the type is its kind. Never throws for what user code throws.
failure_details failure_of(const std::exception_ptr& thrown);

namespace detail {

[[noreturn]] void throw_unreadable(const payload_place& place,
                                   const char* reason);
[[noreturn]] void throw_unwritable(const payload_place& place,
                                   const char* reason);

/// @throws limit_exceeded payload_bytes_max, or `limit` by its name.
void check_bytes(const std::string& text, const payload_place& place,
                 std::size_t limit = payload_bytes_max,
                 const char* limit_name = "payload_bytes_max");

/// @throws limit_exceeded, payload_error
void check_verbatim(const std::string& text, const payload_place& place);

/// `value` as text, its depth checked first.
/// @throws limit_exceeded, payload_error
std::string dump(const json& value, const payload_place& place);

/// An empty text stands for null.
json parse(const std::string& text, const payload_place& place);

/// Printable ASCII that stands in a JSON string as it is: no quote, no
/// backslash. What nearly all texts are, and what needs no parser.
bool is_plain_text(std::string_view text);

template <class T>
struct optional_value : std::false_type {};

template <class T>
struct optional_value<std::optional<T>> : std::true_type {};

} // namespace detail

/// The value as JSON text.
/// @throws limit_exceeded  payload_bytes_max or payload_depth_max
/// @throws payload_error   No valid JSON comes of it, e.g. bad UTF-8.
template <class T>
std::string to_payload(const T& value, const payload_place& place = {}) {
  std::string text;
  if constexpr (std::is_same_v<T, json_text>) {
    detail::check_verbatim(value.text(), place);
    return value.text();
  } else if constexpr (std::is_same_v<
                         T, unit> || std::is_same_v<T, std::nullptr_t>) {
    return "null";
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (detail::is_plain_text(value)) {
      text.reserve(value.size() + 2);
      text += '"';
      text += value;
      text += '"';
    } else {
      text = detail::dump(json(value), place);
    }
  } else if constexpr (detail::optional_value<T>::value) {
    return value ? to_payload(*value, place) : std::string("null");
  } else if constexpr (std::is_same_v<T, json>) {
    text = detail::dump(value, place);
  } else {
    static_assert(std::is_constructible_v<json, const T&>,
                  "this type has no to_json: see NLOHMANN_DEFINE_TYPE_*");
    try {
      const json written(value);
      text = detail::dump(written, place);
    } catch (const json::exception& failure) {
      detail::throw_unwritable(place, failure.what());
    }
  }
  detail::check_bytes(text, place);
  return text;
}

/// The value that the text stands for.
/// @throws payload_error  The text does not fit the type.
template <class T>
T from_payload(const std::string& text, const payload_place& place = {}) {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>);
  if constexpr (std::is_same_v<T, json_text>) {
    return text.empty() ? json_text() : json_text(text);
  } else if constexpr (std::is_same_v<
                         T, unit> || std::is_same_v<T, std::nullptr_t>) {
    return T();
  } else if constexpr (detail::optional_value<T>::value) {
    if (text.empty() || text == "null")
      return std::nullopt;
    return from_payload<typename T::value_type>(text, place);
  } else if constexpr (std::is_same_v<T, json>) {
    return detail::parse(text, place);
  } else {
    if constexpr (std::is_same_v<T, std::string>) {
      const std::string_view whole(text);
      if (whole.size() >= 2 && whole.front() == '"' && whole.back() == '"'
          && detail::is_plain_text(whole.substr(1, whole.size() - 2)))
        return T(whole.substr(1, whole.size() - 2));
    }
    const json read = detail::parse(text, place);
    try {
      return read.template get<T>();
    } catch (const json::exception& failure) {
      detail::throw_unreadable(place, failure.what());
    }
  }
}

/// 1 to 256 bytes of UTF-8 without control characters?
bool is_valid_name(std::string_view name);

} // namespace perdura::actors
