#include "persistence/process/thread_role.hpp"

#include <pthread.h>
#include <sched.h>

namespace perdura::persistence {

void enter_thread_role(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
  // A system that refuses only costs the tenth.
  const sched_param none{};
  ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &none);
}

} // namespace perdura::persistence
