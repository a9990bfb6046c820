// SPDX-License-Identifier: Apache-2.0
/// Threads that the system may refuse to create, because the user or the
/// control group has as many as it may have.
#pragma once

#include <cstddef>
#include <string>

namespace perdura::persistence {

/// The number of threads that the system creates now, at most `wanted`. Creates
/// so many threads, which do nothing, and ends them. Other processes of the
/// user may take the threads before the caller does. A smaller number is
/// counted.
///
/// Used before an actor system or an actor with a thread of its own is created:
/// CAF cannot undo what it has begun when a thread is refused.
std::size_t available_threads(std::size_t wanted);

/// The sentence for threads that were refused. `what` says what they are for,
/// e.g. "the HTTP server".
std::string refused_threads_sentence(const std::string& what);

/// Logs, once for each `what`, and counts that a thread was refused and that
/// the work goes on with fewer threads.
void note_refused_thread(const std::string& what);

} // namespace perdura::persistence
