/// How a call may be repeated, timed out and named, and what it throws when
/// it has failed for good.
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

/// An activity or a sub-orchestration failed, after all its attempts.
/// `what()` is a sentence: "Activity function 'Charge' failed: card declined".
class task_failed : public std::runtime_error {
public:
  enum class callee : std::uint8_t { activity, sub_orchestration };

  task_failed(callee what, std::string name, std::string type,
              std::string message);

  /// Of the activity or orchestrator that was called.
  const std::string& name() const {
    return name_;
  }

  /// As it was thrown there.
  const std::string& message() const {
    return message_;
  }

  /// The type that was thrown there, e.g. "std::runtime_error".
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

/// A timer or a wait was awaited that the code had cancelled before.
class task_cancelled : public std::runtime_error {
public:
  task_cancelled() : std::runtime_error("the awaited task was cancelled") {}
};

// The options are trivially destructible on purpose: g++ 12 destroys other
// aggregate temporaries in a co_await expression twice.

/// Attempt k + 1 begins `interval_first · backoff_coefficient^(k−1)`, at most
/// `interval_max`, after attempt k has failed.
struct retry_options {
  int attempts_max = 1; ///< In all; 1: no retry.
  duration interval_first = std::chrono::seconds(1);
  double backoff_coefficient = 1.0;
  duration interval_max = std::chrono::hours(1);
  /// No attempt begins later than this after the first; 0: no such limit.
  duration time_out{0};
  /// Whether this failure is worth another attempt; null: each is. Must
  /// always answer the same. A function pointer or a lambda without captures.
  bool (*handle)(const task_failed&) = nullptr;
};

struct activity_options {
  retry_options retry = {};
  duration time_out{0};       ///< Of an attempt, start to close; 0: none.
  duration start_time_out{0}; ///< Until a worker takes it; 0: none.
};

struct sub_orchestration_options {
  /// Empty: `<execution id of the parent>:<sequence>`.
  std::string_view instance_id = {};
  std::string_view version = {}; ///< Empty: the newest there is.
  retry_options retry = {};
};

static_assert(
  std::is_trivially_destructible_v<
    activity_options> && std::is_trivially_destructible_v<sub_orchestration_options>);

/// @throws std::invalid_argument
void check(const retry_options& options);

/// The pause after attempt `attempt` (from 1) has failed.
duration interval_after(const retry_options& options, std::uint32_t attempt);

} // namespace perdura::actors
