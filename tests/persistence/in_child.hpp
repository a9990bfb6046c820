// SPDX-License-Identifier: Apache-2.0
/// Runs a part of a test in a process of its own.
#pragma once

#include "persistence/process/logging.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace perdura::persistence::testing {

/// Starts a function in a child process, so that a crash does not end the
/// test. The child ends with the value of the function.
/// @return The process ID of the child.
template <class F>
pid_t start_child(F work) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (int number : {SIGSEGV, SIGBUS, SIGABRT})
      ::signal(number, SIG_DFL); // without the handlers of Boost.Test
    set_log_level(log_level::off);
    ::_exit(work());
  }
  return child;
}

/// Waits for the end of a child. Returns the value of its function, or 128 +
/// the signal number.
inline int result_of_child(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Calls a function in a child process and returns its `result_of_child`.
template <class F>
int in_child(F work) {
  return result_of_child(start_child(std::move(work)));
}

} // namespace perdura::persistence::testing
