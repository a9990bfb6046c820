// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/retry_options.hpp"

#include <cmath>
#include <utility>

namespace perdura::actors {

namespace {

/// The text of task_failed::what().
/// @source The wording of Durable Functions.
std::string sentence(task_failed::callee what, const std::string& name,
                     const std::string& message) {
  const char* kind = what == task_failed::callee::activity
                       ? "Activity function '"
                       : "Sub-orchestrator function '";
  return kind + name + "' failed: " + message;
}

/// Throws if the time is negative. `name` is that of the option.
void check_not_negative(const char* name, duration time) {
  if (time < duration::zero())
    throw std::invalid_argument(
      std::string(name) + " is negative: "
      + std::to_string(std::chrono::duration<double>(time).count()) + " s");
}

} // namespace

task_failed::task_failed(callee what, std::string name, std::string type,
                         std::string message,
                         persistence::task_sequence sequence)
  : std::runtime_error(sentence(what, name, message)),
    callee_(what),
    name_(std::move(name)),
    type_(std::move(type)),
    message_(std::move(message)),
    sequence_(sequence) {}

std::string_view task_failed::kind() const {
  return callee_ == callee::activity ? "activity_failed"
                                     : "sub_orchestration_failed";
}

// The comparison with `!(… > 0)` also refuses a NaN.
void check(const retry_options& options) {
  if (options.attempts_max < 1)
    throw std::invalid_argument("retry_options: attempts_max is "
                                + std::to_string(options.attempts_max)
                                + ", at least 1 is needed");
  check_not_negative("retry_options: interval_first", options.interval_first);
  check_not_negative("retry_options: interval_max", options.interval_max);
  check_not_negative("retry_options: time_out", options.time_out);
  if (!(options.backoff_coefficient > 0)
      || std::isinf(options.backoff_coefficient))
    throw std::invalid_argument(
      "retry_options: backoff_coefficient must be a number above 0");
}

void check(const activity_options& options) {
  check(options.retry);
  check_not_negative("activity_options: time_out", options.time_out);
  check_not_negative("activity_options: start_time_out",
                     options.start_time_out);
}

duration interval_after(const retry_options& options, std::uint32_t attempt) {
  const duration first = options.interval_first;
  const duration longest = options.interval_max;
  // No conversion to double is needed; with 0, the power below may be infinite.
  if (options.backoff_coefficient == 1.0 || first == duration::zero())
    return std::min(first, longest);
  const double wanted = static_cast<double>(first.count())
                        * std::pow(options.backoff_coefficient, attempt - 1.0);
  const auto most = static_cast<double>(longest.count());
  // Also true for infinity and NaN, which cannot be converted to an integer.
  if (!(wanted < most))
    return longest;
  return duration(static_cast<duration::rep>(wanted));
}

} // namespace perdura::actors
