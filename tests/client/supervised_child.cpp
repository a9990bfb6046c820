// SPDX-License-Identifier: Apache-2.0
#include "tests/client/supervised_child.hpp"

#include <signal.h>

#include <fstream>
#include <iostream>
#include <string_view>

namespace perdura::tests {

int run_supervised_child(const char* mode, const char* witness) {
  const std::string_view kind = mode;
  if (kind == "refuse") {
    std::cout << "cannot serve" << std::endl;
    return 3;
  }
  // Blocked before the banner is printed, so that an early SIGINT stays pending
  // until sigwait.
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  ::sigprocmask(SIG_BLOCK, &interrupt, nullptr);
  if (kind != "silent")
    std::cout << "Perdura\n\nPress Ctrl-C to stop.\n\nworking" << std::endl;
  int signal = 0;
  do
    ::sigwait(&interrupt, &signal);
  while (kind == "stubborn");
  std::ofstream(witness, std::ios::app) << "interrupted\n";
  return 0;
}

} // namespace perdura::tests
