// SPDX-License-Identifier: Apache-2.0
/// Options of the calls that an orchestrator makes (retries, time-outs, IDs),
/// and the exceptions that awaiting a call can throw.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace perdura::actors {

using persistence::duration;
using persistence::timestamp;

/// Thrown by awaiting an activity or a sub-orchestration whose last attempt has
/// failed. `what()` is a sentence, for example "Activity function 'Charge'
/// failed: card declined".
class task_failed : public std::runtime_error {
public:
  enum class callee : std::uint8_t { activity, sub_orchestration };

  task_failed(callee what, std::string name, std::string type,
              std::string message);

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

private:
  callee callee_;
  std::string name_;
  std::string type_;
  std::string message_;
};

/// Thrown by awaiting a timer or an event wait that the code has cancelled.
class task_cancelled : public std::runtime_error {
public:
  task_cancelled() : std::runtime_error("the awaited task was cancelled") {}
};

// The option types are trivially destructible, because g++ 12 calls the
// destructor of an aggregate temporary in a co_await expression twice.

/// The retry policy of a call. The default is one attempt.
///
/// Attempt k + 1 begins after attempt k has failed and a pause of
/// `interval_first · backoff_coefficient^(k−1)`, at most `interval_max`, has
/// passed. The pauses are durable timers.
struct retry_options {
  int attempts_max = 1; ///< At least 1; 1 means no retry.
  duration interval_first = std::chrono::seconds(1); ///< Not negative.
  double backoff_coefficient = 1.0;                  ///< Greater than 0.
  duration interval_max = std::chrono::hours(1);     ///< Not negative.
  /// Not negative. A further attempt is made only if it is due within this
  /// time after the request of the first attempt; 0 means no limit.
  duration time_out{0};
  /// Returns true if the failure may be retried. Null retries every failure.
  /// The function must give the same answer in a replay. An exception counts
  /// as false; it is logged and counted. Use a function or a lambda without captures.
  bool (*handle)(const task_failed&) = nullptr;
};

/// Options of call_activity.
struct activity_options {
  retry_options retry = {};
  /// Time limit of each attempt, from its start on a worker to its end; 0
  /// means none. An attempt that exceeds it fails with the type "timed_out".
  duration time_out{0};
  /// Time limit of each attempt until a worker starts it; 0 means none.
  duration start_time_out{0};
};

/// Options of call_sub_orchestration, which copies the texts.
struct sub_orchestration_options {
  /// The ID of the new instance. If empty, the ID is
  /// `<execution id of the parent>:<sequence>`.
  std::string_view instance_id = {};
  std::string_view version = {}; ///< Empty means the greatest registered one.
  retry_options retry = {};
};

static_assert(
  std::is_trivially_destructible_v<
    activity_options> && std::is_trivially_destructible_v<sub_orchestration_options>);

/// Checks that each value is in the range that its comment in retry_options
/// states.
/// @throws std::invalid_argument  A value is outside its range.
void check(const retry_options& options);

/// Returns the pause that follows a failure of attempt number `attempt`. The
/// first attempt has number 1.
duration interval_after(const retry_options& options, std::uint32_t attempt);

} // namespace perdura::actors
