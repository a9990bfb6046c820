// SPDX-License-Identifier: Apache-2.0
#include "tests/support/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

namespace perdura::tests {

namespace {

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& each : texts)
    out.push_back(each.data());
  out.push_back(nullptr);
  return out;
}

} // namespace

child_process::child_process(const std::vector<std::string>& command,
                             const std::vector<std::string>& environment) {
  std::vector<std::string> arguments = command;
  std::vector<std::string> variables = environment;
  for (char** each = environ; *each != nullptr; ++each)
    variables.emplace_back(*each);
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(variables);
  std::array<int, 2> out{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("no pipe");
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    // The kernel kills the child when the test process dies. If the test has
    // died before this call, getppid() below has changed and the child exits.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(out[1], STDERR_FILENO);
    if (::getppid() == parent)
      ::execvpe(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(out[1]);
  from_ = out[0];
}

child_process::~child_process() {
  if (pid_ > 0)
    ::kill(pid_, SIGKILL);
  static_cast<void>(wait());
  ::close(from_);
}

std::optional<std::string>
child_process::receive(std::chrono::milliseconds time_out) {
  return lines_.receive(from_, time_out);
}

void child_process::interrupt() const {
  if (pid_ > 0)
    ::kill(pid_, SIGINT);
}

int child_process::wait() {
  int status = 0;
  if (pid_ <= 0)
    return -1;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
    continue;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace perdura::tests
