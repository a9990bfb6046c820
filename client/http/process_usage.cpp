// SPDX-License-Identifier: Apache-2.0
#include "client/http/process_usage.hpp"

#include <sys/resource.h>

namespace perdura::client {

double process_cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds_of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec)
           + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
}

} // namespace perdura::client
