// SPDX-License-Identifier: Apache-2.0
/// The end of the process after a failure that it cannot repair: a failed write
/// to the disk, or an exception of Perdura's own code. A restart is safe,
/// because everything that was acknowledged is durable.
///
/// An exception that escapes from a step, a query or a thread has left the
/// state in memory half changed. A part of the node would answer no more, and
/// the rest would seem to be well. Therefore the whole process ends.
///
/// Functions of the program's own code (orchestrators, activities, callbacks)
/// never end the process: their exceptions are caught where they are called.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace perdura::persistence {

/// EX_SOFTWARE in sysexits.h: an exception of Perdura's own code.
inline constexpr int exit_code_fault = 70;

/// EX_IOERR in sysexits.h: a write to the disk has failed. A supervisor can
/// distinguish a storage error from a crash by this exit code.
inline constexpr int exit_code_storage = 74;

/// EX_TEMPFAIL in sysexits.h: a write to the disk hangs, and the process was
/// asked to stop.
inline constexpr int exit_code_stalled = 75;

/// How long the process waits for the function that `set_on_fatal` has set.
inline constexpr std::chrono::seconds on_fatal_time_max{10};

/// Called once with the sentence that is logged, before the process ends with
/// one of the three codes. Runs on a thread of its own if the system creates
/// one, and else on the thread that has failed. It must call nothing of
/// Perdura, whose threads may wait for each other.
using fatal_listener = std::function<void(const std::string& sentence)>;

/// Sets the function for the whole process; an empty one removes it. The
/// process ends when it has returned or thrown, at the latest after
/// `on_fatal_time_max`. Thread-safe.
void set_on_fatal(fatal_listener listener);

/// Writes the reason to stderr, calls the function of `set_on_fatal`, and ends
/// the process at once with exit code 74, without running destructors. Used
/// after a failed sync: the state in memory may then differ from the state on
/// disk, and the next start recovers from the disk.
[[noreturn]] void end_process(std::string_view reason) noexcept;

/// Does the same with exit code 75. Used if the process is to stop, and a write
/// to the disk does not end: nothing can be written any more, and what was
/// acknowledged is durable.
[[noreturn]] void end_stalled(std::string_view reason) noexcept;

/// The text of an exception, also of one that is no std::exception.
std::string exception_text(const std::exception_ptr& cause);

/// The sentence for an exception of Perdura's own code. `where` is the actor or
/// the thread, e.g. "partition 7".
std::string fault_sentence(std::string_view where,
                           const std::exception_ptr& cause);

/// Does the same as `end_process`, with `fault_sentence` and exit code 70. Also
/// ends the process if there is no memory for the sentence.
[[noreturn]] void end_after_fault(std::string_view where,
                                  const std::exception_ptr& cause) noexcept;

/// Makes `std::terminate` end the process in the same way, e.g. after an
/// exception in a destructor or in a thread of a library. For programs; a
/// library must not change this function of its host.
void end_after_fault_on_terminate();

/// The body of a thread: runs `f`. An exception that leaves `f` ends the
/// process. `where` names the thread.
template <class F>
void run_thread_body(const char* where, F&& f) noexcept {
  try {
    std::forward<F>(f)();
  } catch (...) {
    end_after_fault(where, std::current_exception());
  }
}

} // namespace perdura::persistence
