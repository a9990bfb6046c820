// SPDX-License-Identifier: Apache-2.0
/// Options of the calls that an orchestrator makes (retries, time-outs, IDs),
/// and the exceptions that awaiting a call can throw.
#pragma once

#include <perdura/persistence/records/ids.hpp>
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace perdura::actors {

using persistence::duration;
using persistence::time_span;
using persistence::timestamp;

/// Thrown by awaiting an activity or a sub-orchestration whose last attempt has
/// failed. `what()` is a sentence, for example "Activity function 'Charge'
/// failed: card declined".
class task_failed : public std::runtime_error {
public:
  enum class callee : std::uint8_t { activity, sub_orchestration };

  task_failed(callee what, std::string name, std::string type,
              std::string message, persistence::task_sequence sequence = 0);

  /// The name of the activity or orchestrator that was called.
  const std::string& name() const {
    return name_;
  }

  /// The message of the exception that the activity or orchestrator threw.
  const std::string& message() const {
    return message_;
  }

  /// The C++ type of that exception, for example "std::runtime_error", or a
  /// code such as "timed_out" if the failure was not an exception.
  const std::string& type() const {
    return type_;
  }

  /// "activity_failed" or "sub_orchestration_failed".
  std::string_view kind() const;

  /// The number of the failed attempt in the history of the instance; 0 if the
  /// exception was not thrown by awaiting a call. If the exception ends the
  /// orchestrator, also as a nested one, a rewind repeats this attempt.
  persistence::task_sequence sequence() const {
    return sequence_;
  }

private:
  callee callee_;
  std::string name_;
  std::string type_;
  std::string message_;
  persistence::task_sequence sequence_;
};

/// Thrown by awaiting a timer or an event wait that the code has cancelled.
class task_cancelled : public std::runtime_error {
public:
  task_cancelled() : std::runtime_error("the awaited task was cancelled") {}
};

/// A text that an option refers to until the call has returned. It can be made
/// from a literal, a string variable or a `std::string_view`, but not from a
/// temporary string: the call would read it after it is destroyed, if the
/// options are stored in a variable first.
class option_text {
public:
  constexpr option_text() = default;

  constexpr option_text(const char* text) // NOLINT(google-explicit-constructor)
    : text_(text) {}

  constexpr option_text( // NOLINT(google-explicit-constructor)
    std::string_view text)
    : text_(text) {}

  option_text(const std::string& text) // NOLINT(google-explicit-constructor)
    : text_(text) {}

  option_text(std::string&&) = delete;
  option_text(const std::string&&) = delete;

  constexpr std::string_view view() const {
    return text_;
  }

private:
  std::string_view text_;
};

// The option types are trivially destructible, because g++ 12 calls the
// destructor of an aggregate temporary in a co_await expression twice. A
// `time_span` accepts a duration of any unit; one that microseconds cannot hold
// becomes the longest that they can, about 292,000 years.

/// The retry policy of a call. The default is one attempt.
///
/// Attempt k + 1 begins after attempt k has failed and a pause of
/// `interval_first · backoff_coefficient^(k−1)`, at most `interval_max`, has
/// passed. The pauses are durable timers.
struct retry_options {
  int attempts_max = 1; ///< At least 1; 1 means no retry.
  time_span interval_first = std::chrono::seconds(1); ///< Not negative.
  double backoff_coefficient = 1.0;                   ///< Greater than 0.
  /// Not negative. By default the pauses have no limit.
  time_span interval_max = duration::max();
  /// Not negative. A further attempt is made only if it is due within this
  /// time after the request of the first attempt; 0 means no limit.
  time_span time_out = duration::zero();
  /// Returns true if the failure may be retried. Null retries every failure.
  /// The function must give the same answer in a replay. An exception counts
  /// as false; it is logged and counted. Use a function or a lambda without
  /// captures.
  bool (*handle)(const task_failed&) = nullptr;
};

/// Options of call_activity. The times are not negative.
struct activity_options {
  retry_options retry = {};
  /// Time limit of each attempt, from its start on a worker to its end; 0
  /// means none. An attempt that exceeds it fails with the type "timed_out".
  time_span time_out = duration::zero();
  /// Time limit of each attempt until a worker starts it; 0 means none.
  time_span start_time_out = duration::zero();
};

/// Options of call_sub_orchestration, which copies the texts.
struct sub_orchestration_options {
  /// The ID of the new instance. If empty, the ID is
  /// `<execution id of the parent>:<sequence>`. Store an ID that is put
  /// together in a variable first: `const std::string id = "order-" + number;`
  option_text instance_id = {};
  option_text version = {}; ///< Empty means the greatest registered one.
  retry_options retry = {};
};

static_assert(
  std::is_trivially_destructible_v<
    activity_options> && std::is_trivially_destructible_v<sub_orchestration_options>);

/// Checks that each value is in the range that its comment in retry_options or
/// activity_options states.
/// @throws std::invalid_argument  A value is outside its range; the message
///                                names it.
void check(const retry_options& options);
void check(const activity_options& options);

/// Returns the pause that follows a failure of attempt number `attempt`. The
/// first attempt has number 1.
duration interval_after(const retry_options& options, std::uint32_t attempt);

} // namespace perdura::actors
