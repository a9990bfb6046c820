/// What the world did wrong, as a value: one enum of codes for the whole
/// house, each with a sentence.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace perdura::persistence {

/// Stands in request records on disk and in answers between nodes. Append;
/// never renumber.
enum class errc : std::uint16_t {
  ok = 0,
  // What was asked for does not fit what is there.
  not_found = 1,        ///< No such instance.
  already_exists = 2,   ///< A live instance has this ID.
  already_finished = 3, ///< The instance has ended; nothing can reach it.
  not_failed = 4,       ///< Only a failed instance can be rewound.
  not_finished = 5,     ///< Only a finished instance can be purged.
  unknown_orchestrator = 6,
  unknown_activity = 7,
  // What was asked is not well formed.
  invalid_instance_id = 20,
  invalid_name = 21,
  invalid_json = 22,
  json_too_deep = 23,
  payload_too_large = 24,
  invalid_argument = 25, ///< A filter, token, number or time out of range.
  // It could not be done now.
  timed_out = 40,
  cancelled = 41,
  unavailable = 42, ///< The owner cannot be reached; try again.
  shutting_down = 43,
  overloaded = 44,     ///< A limit on work under way; try again.
  limit_exceeded = 45, ///< A limit on an instance, named in the message.
  storage_full = 46,
  /// The owner was lost before it answered: done or not. A repeat with the
  /// same request_id is safe.
  unknown_outcome = 47,
  // The store refuses to be opened or used.
  storage_failed = 60,
  storage_damaged = 61,
  storage_format = 62, ///< Written by another format version.
  storage_in_use = 63,
  storage_missing = 64, ///< No hub in this directory.
  storage_foreign = 65, ///< A hub, but not the one that was expected.
  epoch_fenced = 66,
  // Who asked may not.
  unauthorized = 70, ///< No key, or none that is known.
  forbidden = 71,    ///< The key is good for less, or the way is not allowed.
  // The code does not fit.
  nondeterministic = 80,
  task_failed = 81,
  unsupported = 90,
  internal = 99,
};

/// The code's name as it stands in answers and logs, e.g. "not_found".
std::string_view to_string(errc code);

/// What the code means in general; an `error` says what happened this time.
std::string_view sentence_of(errc code);

struct error {
  errc code = errc::ok;
  std::string message; ///< What happened, to which instance, what to do.

  explicit operator bool() const {
    return code != errc::ok;
  }
};

/// Thrown by `result::value()` and by nothing else.
class error_exception : public std::runtime_error {
public:
  explicit error_exception(error what)
    : std::runtime_error(what.message), error_(std::move(what)) {}

  const error& reason() const {
    return error_;
  }

private:
  error error_;
};

/// A value or an error, never both. `value()` throws `error_exception`.
template <class T>
class [[nodiscard]] result {
public:
  result(T value) : state_(std::move(value)) {}

  result(perdura::persistence::error reason) : state_(std::move(reason)) {}

  explicit operator bool() const {
    return state_.index() == 0;
  }

  T& value() & {
    check();
    return std::get<0>(state_);
  }

  const T& value() const& {
    check();
    return std::get<0>(state_);
  }

  T value() && {
    check();
    return std::get<0>(std::move(state_));
  }

  T& operator*() & {
    return value();
  }

  const T& operator*() const& {
    return value();
  }

  T* operator->() {
    return &value();
  }

  const T* operator->() const {
    return &value();
  }

  const perdura::persistence::error& error() const {
    return std::get<1>(state_);
  }

  errc code() const {
    return *this ? errc::ok : error().code;
  }

private:
  void check() const {
    if (state_.index() != 0)
      throw error_exception(std::get<1>(state_));
  }

  std::variant<T, perdura::persistence::error> state_;
};

template <>
class [[nodiscard]] result<void> {
public:
  result() = default;

  result(perdura::persistence::error reason) : error_(std::move(reason)) {}

  explicit operator bool() const {
    return error_.code == errc::ok;
  }

  void value() const {
    if (!*this)
      throw error_exception(error_);
  }

  const perdura::persistence::error& error() const {
    return error_;
  }

  errc code() const {
    return error_.code;
  }

private:
  perdura::persistence::error error_;
};

} // namespace perdura::persistence
