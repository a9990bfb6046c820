// SPDX-License-Identifier: Apache-2.0
/// Calls code of the program that uses Perdura (callbacks, observers and
/// hooks). An exception of this code ends there.
#pragma once

#include "persistence/process/logging.hpp"
#include "persistence/process/process_counters.hpp"

#include <exception>
#include <string>
#include <utility>

namespace perdura::persistence {

/// Logs and counts an exception of the program's own code. `describe` returns
/// the beginning of the sentence, e.g. `The callback for instance "a"`.
template <class Describe>
void note_failed_callback(log_channel channel, Describe&& describe,
                          const char* message) noexcept {
  counters_of_process().callback_failures.fetch_add(1);
  try {
    log(channel, log_level::error,
        std::forward<Describe>(describe)() + " has thrown an exception: "
          + (message == nullptr ? "one without a text" : message)
          + ". Everything else goes on.");
  } catch (...) {
    // Without memory for the line the counter alone remains.
  }
}

/// Runs `f`. If it throws, logs one line, counts the exception, and returns
/// false. `describe` returns the beginning of the line; it is called only then.
/// Neither it nor the log can throw out of this function.
template <class Describe, class F>
bool guarded_call(log_channel channel, Describe&& describe, F&& f) noexcept {
  try {
    std::forward<F>(f)();
    return true;
  } catch (const std::exception& failure) {
    note_failed_callback(channel, describe, failure.what());
  } catch (...) {
    note_failed_callback(channel, describe, "one of an unknown type");
  }
  return false;
}

} // namespace perdura::persistence
