// SPDX-License-Identifier: Apache-2.0
#include "real/stalled_disk.hpp"

#include "client/cli/command_line.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

// Set before the first thread starts.
const char* stalling_file = nullptr;

/// Returns when the file does not exist.
void wait_while_stalled() {
  constexpr useconds_t step = 10'000;
  while (stalling_file != nullptr && ::access(stalling_file, F_OK) == 0)
    ::usleep(step);
}

} // namespace

int run_with_stalled_disk(int argc, char** argv) {
  stalling_file = argv[1];
  std::vector<const char*> arguments{"perdura"};
  arguments.insert(arguments.end(), argv + 2, argv + argc);
  client::terminal io{std::cin, std::cout, std::cerr,    false,
                      false,    false,     STDOUT_FILENO};
  return client::run_command_line(static_cast<int>(arguments.size()),
                                  arguments.data(), io);
}

/// Waits, then calls the function of the C library.
int original_sync(const char* name, int file) {
  wait_while_stalled();
  auto* const next = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, name));
  return next(file);
}

} // namespace perdura::tests

// A program's own definitions take precedence over those of shared libraries,
// also for calls from shared libraries such as liblmdb.
extern "C" {

int fsync(int file) {
  return perdura::tests::original_sync("fsync", file);
}

int fdatasync(int file) {
  return perdura::tests::original_sync("fdatasync", file);
}

} // extern "C"
