#include "client/load/child_node.hpp"

#include "client/examples/samples.hpp"
#include "cluster/node/node.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/records/identity.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

namespace perdura::client {

using persistence::errc;
using persistence::error;

namespace {

constexpr std::array child_signals{SIGTERM, SIGINT, SIGHUP};

// Nodes that start together meet in some milliseconds.
constexpr auto meeting_time_max = std::chrono::seconds(30);

/// What a child says when it serves, or why it does not. Another byte follows
/// when it has met the others of its cluster: 1, or 0 if it has not in time.
struct report {
  std::uint16_t port = 0;
  std::array<char, 510> sentence{};
};

[[noreturn]] void serve(node_host_config config, int to) {
  // A load that dies leaves no node behind.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  persistence::set_log_level(persistence::log_level::error);
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  auto host = node_host::start(std::move(config), functions);
  report said;
  if (host)
    said.port = (*host)->http_port();
  else
    host.error().message.copy(said.sentence.data(), said.sentence.size() - 1);
  if (::write(to, &said, sizeof said) != sizeof said || !host)
    std::_Exit(1);
  // On a thread that ends with the process: SIGTERM is not to wait for it.
  std::thread([to, &node = (*host)->node()] {
    const char met = node.wait_for_peers(meeting_time_max)
                     && node.wait_until_admitted(meeting_time_max);
    static_cast<void>(::write(to, &met, sizeof met) == sizeof met);
  }).detach();
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGTERM);
  int got = 0;
  ::sigwait(&wanted, &got);
  static_cast<void>((*host)->stop());
  std::_Exit(0);
}

/// One that nobody has now.
std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  ::close(fd);
  return ntohs(at.sin_port);
}

} // namespace

double anonymous_mib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:"))
      return std::stod(line.substr(8)) / 1024;
  return 0;
}

persistence::result<std::unique_ptr<child_node>>
child_node::start(node_host_config config) {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0)
    return error{errc::unavailable, "No pipe can be made."};
  // The node's threads inherit it, so that SIGTERM is waited for, and a
  // Ctrl-C is the parent's alone.
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  for (const int each : child_signals)
    ::sigaddset(&blocked, each);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(pipe[0]);
    serve(std::move(config), pipe[1]);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(pipe[1]);
  report said;
  const bool told
    = pid > 0 && ::read(pipe[0], &said, sizeof said) == sizeof said;
  if (told && said.port != 0)
    return std::unique_ptr<child_node>(new child_node(pid, said.port, pipe[0]));
  ::close(pipe[0]);
  if (pid > 0)
    ::waitpid(pid, nullptr, 0);
  return error{errc::unavailable, told ? said.sentence.data()
                                       : "A node's process did not begin to "
                                         "serve."};
}

child_node::~child_node() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(reports_);
}

bool child_node::meets_others() {
  char met = 0;
  return ::read(reports_, &met, sizeof met) == sizeof met && met != 0;
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

persistence::result<std::unique_ptr<child_cluster>>
child_cluster::start(std::size_t count, const std::filesystem::path& folder,
                     bool as_cluster) {
  std::error_code ignored; // A node says what is wrong with its folder.
  std::filesystem::create_directories(folder, ignored);
  auto cluster = std::make_unique<child_cluster>();
  for (std::size_t i = 0; i < count; ++i)
    cluster->entries_.push_back("node-" + std::to_string(i + 1)
                                + "=127.0.0.1:" + std::to_string(free_port()));
  const std::string hub = persistence::random_hex32();
  for (std::size_t i = 0; i < count; ++i) {
    node_host_config config;
    config.node.create_hub = true;
    config.node.data_dir = folder / ("node-" + std::to_string(i + 1));
    config.door.port = 0;
    if (count > 1 || as_cluster) {
      config.node.hub_id = hub;
      config.node.cluster.nodes = cluster->entries_;
      config.node.cluster.node = "node-" + std::to_string(i + 1);
    }
    auto node = child_node::start(std::move(config));
    if (!node)
      return node.error();
    cluster->nodes_.push_back(std::move(*node));
  }
  for (const auto& each : cluster->nodes_)
    if (!each->meets_others())
      return error{errc::unavailable, "The nodes did not meet in time."};
  return cluster;
}

std::vector<load_door> child_cluster::doors() const {
  std::vector<load_door> all;
  for (const auto& each : nodes_)
    all.push_back({.port = each->port()});
  return all;
}

} // namespace perdura::client
