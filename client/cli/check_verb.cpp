// SPDX-License-Identifier: Apache-2.0
#include "client/cli/check_verb.hpp"

#include "client/cli/node_verbs.hpp"
#include "persistence/journal/verify.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <ostream>

namespace perdura::client {

namespace {

/// Reads the whole directory and prints the result. Runs in the child process.
/// Returns the exit code of the child.
int print_verification(const std::string& data_dir, terminal& io) {
  auto found = persistence::verify_hub(data_dir);
  if (!found)
    return fail(io, found.error());
  io.out << found->instances << " instances, " << found->rows << " rows, "
         << found->records << " journal records were read.\n";
  for (const std::string& problem : found->problems)
    io.out << problem << '\n';
  if (found->problems.empty()) {
    io.out << "No damage was found.\n";
    return exit_ok;
  }
  io.out << found->problems.size()
         << " problems. Nothing was changed; keep a copy of the directory.\n";
  return exit_instance_failed;
}

} // namespace

int check_verb(const std::string& data_dir, terminal& io) {
  if (auto usable = check_access(data_dir); !usable)
    return fail(io, usable.error());
  // Without this flush, both processes would print the buffered text.
  io.out.flush();
  const pid_t child = ::fork();
  if (child < 0)
    return fail(io, {persistence::errc::internal, "Cannot create a process."});
  if (child == 0) {
    const int code = print_verification(data_dir, io);
    io.out.flush();
    io.err.flush();
    // The objects belong to the parent process, so the child must not run their
    // destructors; _exit runs none.
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status))
    return WEXITSTATUS(status);
  io.out << "Reading the directory ended the process by signal "
         << WTERMSIG(status)
         << ": pages of the store are damaged. Keep a copy of the "
            "directory.\n";
  return exit_instance_failed;
}

} // namespace perdura::client
