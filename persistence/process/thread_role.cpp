// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/thread_role.hpp"

#include <pthread.h>
#include <sched.h>

namespace perdura::persistence {

void enter_thread_role(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
  // The result is ignored: if the system refuses the policy, the program still
  // works and uses more CPU.
  const sched_param none{};
  ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &none);
}

} // namespace perdura::persistence
