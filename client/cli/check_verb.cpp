// SPDX-License-Identifier: Apache-2.0
#include "client/cli/check_verb.hpp"

#include "client/cli/counted_noun.hpp"
#include "client/cli/hub_verbs.hpp"
#include "persistence/journal/rebuild_views.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ostream>

namespace perdura::client {

namespace {

/// Reads the whole directory and prints the result. Runs in the child process.
/// Returns the exit code of the child.
int read_and_print(const std::string& data_dir, terminal& io) {
  auto found = persistence::verify_hub(data_dir);
  if (found)
    return print_verification(*found, io);
  const int code = fail(io, found.error());
  // The file `hub` is damaged, and without it nothing else can be read.
  return found.code() == persistence::errc::storage_damaged
           ? exit_instance_failed
           : code;
}

} // namespace

int print_verification(const persistence::verification& found, terminal& io) {
  io.out << "Read: " << counted(found.instances, "instance") << ", "
         << counted(found.rows, "row") << ", "
         << counted(found.records, "journal record") << " and "
         << counted(found.pages, "page") << ".\n";
  if (found.is_in_use)
    io.out << "A node uses the directory; the state of one moment was read.\n";
  for (const std::string& problem : found.problems)
    io.out << problem << '\n';
  if (found.problems.empty()) {
    io.out << "No damage was found.\n";
    return exit_ok;
  }
  // It is not known how many problems a full list leaves out.
  const std::size_t listed = found.problems.size();
  io.out << (listed < persistence::problems_max ? "" : "At least ") << listed
         << (listed == 1 ? " problem" : " problems")
         << ". Nothing was changed; keep a copy of the directory.\n";
  return exit_instance_failed;
}

int rebuild_views_verb(const std::string& data_dir, terminal& io) {
  const auto made = persistence::rebuild_views(data_dir);
  if (!made) {
    const int code = fail(io, made.error());
    return made.code() == persistence::errc::storage_damaged
             ? exit_instance_failed
             : code;
  }
  io.out << "Indexes and counts were made anew for "
         << counted(made->instances, "instance") << ", with "
         << counted(made->rows, "row") << " of the old file, " << made->repaired
         << " of them repaired. The old file is kept as data.mdb.damaged.\n";
  for (const std::string& loss : made->losses)
    io.out << loss << '\n';
  if (made->loss_count > made->losses.size())
    io.out << "Losses that are not listed: "
           << made->loss_count - made->losses.size() << ".\n";
  io.out << (made->loss_count == 0 ? std::string("Nothing was lost.")
                                   : "Rows or pages that were not restored: "
                                       + std::to_string(made->loss_count) + '.')
         << '\n';
  const int checked = check_verb(data_dir, io);
  return made->loss_count == 0 ? checked : exit_instance_failed;
}

int check_verb(const std::string& data_dir, terminal& io) {
  if (const auto usable = check_is_directory(data_dir); !usable)
    return fail(io, usable.error());
  if (::access(data_dir.c_str(), R_OK | X_OK) != 0 && errno == EACCES)
    return fail(io, {persistence::errc::storage_failed,
                     "Cannot read the data directory " + data_dir
                       + ": permission denied."});
  // Without this flush, both processes would print the buffered text.
  io.out.flush();
  const pid_t child = ::fork();
  if (child < 0)
    return fail(io, {persistence::errc::internal, "Cannot create a process."});
  if (child == 0) {
    const int code = read_and_print(data_dir, io);
    io.out.flush();
    io.err.flush();
    // The objects belong to the parent process, so the child must not run their
    // destructors; _exit runs none.
    ::_exit(code);
  }
  int status = 0;
  pid_t ended = 0;
  do
    ended = ::waitpid(child, &status, 0);
  while (ended < 0 && errno == EINTR);
  // For example, a parent process may have set SIGCHLD to be ignored; then the
  // system keeps no exit code.
  if (ended != child)
    return fail(io, {persistence::errc::internal,
                     "The exit code of the process that has read the directory "
                     "is not known: "
                       + std::string(std::strerror(errno)) + '.'});
  if (WIFEXITED(status))
    return WEXITSTATUS(status);
  io.out << "Reading the directory ended the process by signal "
         << WTERMSIG(status)
         << ": pages of the store are damaged. Keep a copy of the "
            "directory.\n";
  return exit_instance_failed;
}

} // namespace perdura::client
