#include "benchmarks/child_node.hpp"

#include "client/examples/samples.hpp"
#include "persistence/logging.hpp"
#include <perdura/actors/registry.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

namespace perdura::benchmarks {

namespace {

[[noreturn]] void serve(client::node_host_config config, int report) {
  // A benchmark that dies leaves no node behind.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  persistence::set_log_level(persistence::log_level::error);
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  auto host = client::node_host::start(std::move(config), functions);
  if (!host) {
    std::cerr << host.error().message << std::endl;
    std::_Exit(1);
  }
  const std::uint16_t port = (*host)->http_port();
  if (::write(report, &port, sizeof port) != sizeof port)
    std::_Exit(1);
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGTERM);
  int got = 0;
  ::sigwait(&wanted, &got);
  static_cast<void>((*host)->stop());
  std::_Exit(0);
}

} // namespace

scratch_folder::scratch_folder() {
  std::string pattern
    = (std::filesystem::temp_directory_path() / "perdura-bench-XXXXXX")
        .string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    std::cerr << "No temporary folder can be made." << std::endl;
    std::exit(1);
  }
  path_ = pattern;
}

scratch_folder::~scratch_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

child_node::child_node(client::node_host_config config) {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0)
    std::exit(1);
  // The node's threads inherit it, so that the signal is waited for.
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::close(pipe[0]);
    serve(std::move(config), pipe[1]);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(pipe[1]);
  const bool told = ::read(pipe[0], &port_, sizeof port_) == sizeof port_;
  ::close(pipe[0]);
  if (!told)
    std::exit(1);
}

child_node::~child_node() {
  if (pid_ <= 0)
    return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

void child_node::kill() {
  if (pid_ <= 0)
    return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::chrono::microseconds child_node::cpu_time() const {
  // proc(5): fields 14 and 15, behind the name in brackets.
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text(std::istreambuf_iterator<char>(file), {});
  text.erase(0, text.rfind(')') + 2);
  std::size_t field = 3;
  std::int64_t ticks = 0;
  for (std::size_t at = 0; at < text.size(); ++field) {
    const std::size_t end = text.find(' ', at);
    if (field == 14 || field == 15)
      ticks += std::atoll(text.c_str() + at);
    if (end == text.npos)
      break;
    at = end + 1;
  }
  return std::chrono::microseconds(ticks * 1'000'000 / ::sysconf(_SC_CLK_TCK));
}

double anonymous_mib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:"))
      return std::stod(line.substr(8)) / 1024;
  return 0;
}

} // namespace perdura::benchmarks
