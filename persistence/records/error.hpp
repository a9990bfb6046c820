// SPDX-License-Identifier: Apache-2.0
/// Error codes and `result<T>`. Every layer uses them to report errors that a
/// caller, a peer node, the disk or user code has caused. The enumeration of
/// codes serves the whole project; each code has a general sentence.
///
/// A defect of Perdura itself usually ends the process; errc::internal stands
/// for a defect that only affects one request.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace perdura::persistence {

/// The numbers are stored with the answers to requests on disk and sent between
/// nodes. New codes get new numbers; an existing code is never renumbered.
enum class errc : std::uint16_t {
  ok = 0,

  // The request is valid, but the state of the instance or the set of
  // registered functions does not allow it.
  not_found = 1,            ///< No instance has this ID.
  already_exists = 2,       ///< A live instance has this ID.
  already_finished = 3,     ///< The instance has ended.
  not_failed = 4,           ///< Only a failed instance can be rewound.
  not_finished = 5,         ///< Only a finished instance can be purged.
  unknown_orchestrator = 6, ///< No orchestrator of this name is registered.
  unknown_activity = 7,     ///< No activity of this name is registered.
  /// The request ID was used for another request to the instance.
  request_id_reused = 8,

  // The request is not valid; repeating it cannot succeed.
  invalid_instance_id = 20, ///< See `check_instance_id`.
  invalid_name = 21,        ///< A name is empty or too long.
  invalid_json = 22,        ///< A payload is not JSON text.
  json_too_deep = 23,       ///< A payload is nested too deeply.
  payload_too_large = 24,   ///< A payload has too many bytes.
  invalid_argument = 25,    ///< A filter, token, number or time is not valid.

  // The request cannot be carried out now; a repeat may succeed.
  timed_out = 40,      ///< The time allowed for the request has passed.
  cancelled = 41,      ///< The caller cancelled the request.
  unavailable = 42,    ///< The partition's owner cannot be reached.
  shutting_down = 43,  ///< The node is shutting down.
  overloaded = 44,     ///< A limit on concurrent work is reached.
  limit_exceeded = 45, ///< The instance exceeds the limit in the message.
  storage_full = 46,   ///< The node refuses new starts and events.
  /// The connection to the partition's owner was lost before the answer
  /// arrived, so the request may or may not have been carried out. A repeat
  /// with the same request_id is safe.
  unknown_outcome = 47,

  // The store cannot be opened or used.
  storage_failed = 60,  ///< The disk or LMDB reported an error.
  storage_damaged = 61, ///< Stored data cannot be read as it was written.
  storage_format = 62,  ///< Another format version wrote the data.
  storage_in_use = 63,  ///< Another process uses the directory.
  storage_missing = 64, ///< The directory contains no hub.
  storage_foreign = 65, ///< The directory contains another hub than expected.
  epoch_fenced = 66,    ///< The partition has a newer owner.

  // The caller does not have the necessary permission.
  unauthorized = 70, ///< The request has no key or an unknown key.
  forbidden = 71,    ///< The key, or the endpoint, does not permit the request.

  // User code has failed or does not match the history.
  nondeterministic = 80, ///< A replay's decisions differ from the history.
  task_failed = 81,      ///< An activity or a child instance failed.

  unsupported = 90, ///< The request is known but not implemented.
  internal = 99,    ///< A defect of Perdura.
};

/// The name of the code, as HTTP answers and log lines show it, e.g.
/// "not_found"; "unknown" for a number that is not an error code.
std::string_view to_string(errc code);

/// A sentence for the code in general, with a full stop. An `error` carries
/// the sentence for the individual case.
std::string_view sentence_of(errc code);

/// An error code and a sentence for the user.
struct error {
  errc code = errc::ok;
  /// States the problem and, where they apply, the instance, the node and the
  /// steps that the user can take.
  std::string message;

  /// True if the code is not `ok`.
  explicit operator bool() const {
    return code != errc::ok;
  }
};

/// The exception that the accessors of `result` throw if the result is an
/// error. No other code throws it.
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

/// A value of type T or an error, never both.
///
/// `value()`, `*` and `->` return the value and throw `error_exception` if the
/// result is an error. `error()` may be called only if the result is an error;
/// otherwise it throws std::bad_variant_access. `code()` is errc::ok for a
/// value.
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

/// Success or an error. `value()` throws `error_exception` if the result is an
/// error. If it is a success, `error()` returns an `error` with the code
/// errc::ok.
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
