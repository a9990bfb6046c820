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

} // namespace

task_failed::task_failed(callee what, std::string name, std::string type,
                         std::string message)
  : std::runtime_error(sentence(what, name, message)),
    callee_(what),
    name_(std::move(name)),
    type_(std::move(type)),
    message_(std::move(message)) {}

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
  if (options.interval_first < duration::zero()
      || options.interval_max < duration::zero()
      || options.time_out < duration::zero())
    throw std::invalid_argument("retry_options: a negative duration");
  if (!(options.backoff_coefficient > 0)
      || std::isinf(options.backoff_coefficient))
    throw std::invalid_argument(
      "retry_options: backoff_coefficient must be a number above 0");
}

duration interval_after(const retry_options& options, std::uint32_t attempt) {
  if (options.backoff_coefficient == 1.0) // no conversion to double is needed
    return std::min(options.interval_first, options.interval_max);
  const double wanted = static_cast<double>(options.interval_first.count())
                        * std::pow(options.backoff_coefficient, attempt - 1.0);
  const auto most = static_cast<double>(options.interval_max.count());
  // Also true for infinity and NaN, which cannot be converted to an integer.
  if (!(wanted < most))
    return options.interval_max;
  return duration(static_cast<duration::rep>(wanted));
}

} // namespace perdura::actors
