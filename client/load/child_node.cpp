// SPDX-License-Identifier: Apache-2.0
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

// The signals that are blocked in a child node. The child waits for SIGTERM and
// never handles the other two.
constexpr std::array child_signals{SIGTERM, SIGINT, SIGHUP};

// How long a node waits for the other nodes. Nodes that start together usually
// connect within some milliseconds.
constexpr auto join_time_max = std::chrono::seconds(30);

/// The first message of a child on the pipe: its HTTP port, or port 0 and the
/// reason why it does not serve. Later the child writes one more byte: 1 when
/// it is connected to the other nodes of its cluster, 0 if the connection takes
/// too long.
struct startup_report {
  std::uint16_t port = 0;
  /// Ends with a zero byte. A report is smaller than PIPE_BUF, so the kernel
  /// writes it as a whole.
  std::array<char, 510> sentence{};
};

/// Starts a node and runs it until SIGTERM. Runs in the child process. `to` is
/// the write end of the pipe to the parent.
[[noreturn]] void serve(node_host_config config, int to) {
  // The kernel kills the node when the load generator dies.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  persistence::set_log_level(persistence::log_level::error);
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  auto host = node_host::start(std::move(config), functions);
  startup_report report;
  if (host)
    report.port = (*host)->http_port();
  else
    host.error().message.copy(report.sentence.data(),
                              report.sentence.size() - 1);
  if (::write(to, &report, sizeof report) != sizeof report || !host)
    std::_Exit(1);
  // The thread is detached: after SIGTERM the process ends without waiting for
  // it.
  std::thread([to, &node = (*host)->node()] {
    const char joined = node.wait_for_peers(join_time_max)
                        && node.wait_until_admitted(join_time_max);
    static_cast<void>(::write(to, &joined, sizeof joined) == sizeof joined);
  }).detach();
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGTERM);
  int got = 0;
  ::sigwait(&wanted, &got);
  static_cast<void>((*host)->stop());
  std::_Exit(0);
}

/// A port on 127.0.0.1 that no process uses at this moment. Another process can
/// bind the port before the node does; the node then fails to start.
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
    return error{errc::unavailable, "Cannot create a pipe."};
  // The node's threads inherit this mask, so that only sigwait receives
  // SIGTERM, and Ctrl-C is handled by the parent alone.
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
  startup_report report;
  const bool has_report
    = pid > 0 && ::read(pipe[0], &report, sizeof report) == sizeof report;
  if (has_report && report.port != 0)
    return std::unique_ptr<child_node>(
      new child_node(pid, report.port, pipe[0]));
  ::close(pipe[0]);
  if (pid > 0)
    ::waitpid(pid, nullptr, 0);
  return error{errc::unavailable, has_report
                                    ? report.sentence.data()
                                    : "A node's process ended before it "
                                      "served."};
}

child_node::~child_node() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(reports_);
}

bool child_node::wait_until_joined() {
  char joined = 0;
  return ::read(reports_, &joined, sizeof joined) == sizeof joined
         && joined != 0;
}

void child_node::kill() {
  if (pid_ <= 0)
    return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::chrono::microseconds child_node::cpu_time() const {
  // @source proc(5): fields 14 (utime) and 15 (stime). The program's name in
  // brackets may hold blanks, so fields are counted behind the last bracket.
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
  // A failure is ignored here: the node reports an unusable folder.
  std::error_code ignored;
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
    config.http.port = 0;
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
    if (!each->wait_until_joined())
      return error{errc::unavailable,
                   "The nodes did not connect to each other in time."};
  return cluster;
}

std::vector<load_endpoint> child_cluster::endpoints() const {
  std::vector<load_endpoint> all;
  for (const auto& each : nodes_)
    all.push_back({.port = each->port()});
  return all;
}

} // namespace perdura::client
