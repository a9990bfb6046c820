// SPDX-License-Identifier: Apache-2.0
/// The states of an instance, with their names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace perdura::persistence {

/// The numbers are stored on disk, and HTTP clients may send them in a filter.
/// Append new states; never renumber.
/// @source Durable Functions, OrchestrationRuntimeStatus, with its numbers.
enum class runtime_status : std::uint8_t {
  running = 0,
  completed = 1,
  continued_as_new = 2, ///< The next execution has not run a turn yet.
  failed = 3,
  canceled = 4, ///< Known to clients of Durable Functions; not used here.
  terminated = 5,
  pending = 6, ///< The start is durable and no turn has run yet.
  suspended = 7,
};

inline constexpr std::size_t runtime_status_count = 8;

/// Completed, failed, terminated or canceled: no turn runs any more.
constexpr bool is_finished(runtime_status status) {
  return status == runtime_status::completed || status == runtime_status::failed
         || status == runtime_status::terminated
         || status == runtime_status::canceled;
}

/// "Running", "Completed", …; "Unknown" for a number that is no state.
const char* to_string(runtime_status status);

/// Reads the name of a state; the case of its letters does not matter. Returns
/// false and does not change `into` if the text is not the name of a state.
bool parse_runtime_status(std::string_view text, runtime_status& into);

} // namespace perdura::persistence
