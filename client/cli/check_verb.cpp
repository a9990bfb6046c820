#include "client/cli/check_verb.hpp"

#include "client/cli/node_verbs.hpp"
#include "persistence/stores/verify.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <ostream>

namespace perdura::client {

namespace {

int look(const std::string& data_dir, terminal& io) {
  auto found = persistence::verify_hub(data_dir);
  if (!found)
    return fail(io, found.error());
  io.out << found->instances << " instances, " << found->rows << " rows, "
         << found->records << " journal records were read.\n";
  for (const std::string& problem : found->problems)
    io.out << problem << '\n';
  if (found->problems.empty()) {
    io.out << "All of it is sound.\n";
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
  io.out.flush();
  const pid_t child = ::fork();
  if (child < 0)
    return fail(io, {persistence::errc::internal, "No process can be made."});
  if (child == 0) {
    const int code = look(data_dir, io);
    io.out.flush();
    io.err.flush();
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status))
    return WEXITSTATUS(status);
  io.out << "Reading it ended the process (signal " << WTERMSIG(status)
         << "): the store's pages are damaged. Keep a copy of the "
            "directory.\n";
  return exit_instance_failed;
}

} // namespace perdura::client
