// SPDX-License-Identifier: Apache-2.0
#include "real/namespace_network.hpp"

#include "client/cli/certificate_authority.hpp"
#include "client/cli/private_file.hpp"
#include "tests/support/child_process.hpp"

#include "real/cluster_harness.hpp"
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>

namespace perdura::tests {

namespace {

// A datagram between two namespaces takes only some microseconds.
constexpr int datagram_wait_max_ms = 300;

/// Runs a command. The result is empty after exit code 0; otherwise it holds
/// the command, the exit code and the output.
std::string failure_of(const std::vector<std::string>& command) {
  child_process process(command);
  std::string output;
  while (const auto line = process.receive(std::chrono::seconds(10)))
    output += *line + ' ';
  const int code = process.wait();
  std::string all;
  for (const std::string& each : command)
    all += each + ' ';
  return code == 0 ? ""
                   : all + "ends with exit code " + std::to_string(code) + ": "
                       + output;
}

void run_or_throw(const std::vector<std::string>& command) {
  if (const std::string trouble = failure_of(command); !trouble.empty())
    throw std::runtime_error(trouble);
}

std::vector<std::string> inside(const std::string& netns,
                                const std::vector<std::string>& command) {
  std::vector<std::string> all{"ip", "netns", "exec", netns};
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

/// Connects a host to the bridge. Both interfaces are created inside their
/// namespaces, so that their names cannot clash with others on this machine.
void connect(const std::string& host, const std::string& bridge,
             std::size_t i) {
  const std::string port = "port" + std::to_string(i);
  run_or_throw({"ip", "link", "add", port, "netns", bridge, "type", "veth",
                "peer", "name", "eth0", "netns", host});
  run_or_throw(
    {"ip", "-n", bridge, "link", "set", port, "master", "br0", "up"});
  run_or_throw({"ip", "-n", host, "addr", "add",
                namespace_network::address(i) + "/24", "dev", "eth0"});
  run_or_throw({"ip", "-n", host, "link", "set", "eth0", "up"});
  run_or_throw({"ip", "-n", host, "link", "set", "lo", "up"});
}

class datagram_socket {
public:
  datagram_socket()
    : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}

  ~datagram_socket() {
    ::close(socket_);
  }

  datagram_socket(const datagram_socket&) = delete;
  datagram_socket& operator=(const datagram_socket&) = delete;

  int descriptor() const {
    return socket_;
  }

private:
  int socket_;
};

} // namespace

std::string namespace_network::unavailable_reason() {
  if (::geteuid() != 0)
    return "only root may make network namespaces";
  for (const char* tool : {"ip", "nft"})
    if (const std::string trouble
        = failure_of({"sh", "-c", std::string("command -v ") + tool});
        !trouble.empty())
      return std::string(tool) + " is not installed (Debian: "
             + (tool == std::string("ip") ? "iproute2" : "nftables") + ")";
  try {
    namespace_network tried(1);
    tried.cut_one_way(0, 0);
  } catch (const std::exception& failure) {
    return failure.what();
  }
  return {};
}

namespace_network::namespace_network(std::size_t hosts) {
  try {
    build(hosts);
  } catch (...) {
    remove();
    throw;
  }
}

namespace_network::~namespace_network() {
  remove();
}

void namespace_network::build(std::size_t hosts) {
  const std::string prefix = "perdura-" + std::to_string(::getpid()) + '-';
  bridge_ = prefix + "bridge";
  run_or_throw({"ip", "netns", "add", bridge_});
  run_or_throw({"ip", "-n", bridge_, "link", "add", "br0", "type", "bridge"});
  run_or_throw({"ip", "-n", bridge_, "link", "set", "br0", "up"});
  for (std::size_t i = 0; i < hosts; ++i) {
    const std::string& host
      = hosts_.emplace_back(prefix + std::to_string(i + 1));
    run_or_throw({"ip", "netns", "add", host});
    connect(host, bridge_, i);
    run_or_throw(inside(host, {"nft", "add", "table", "ip", "cuts"}));
    run_or_throw(inside(host, {"nft", "add", "chain", "ip", "cuts", "in",
                               "{ type filter hook input priority 0; }"}));
  }
}

void namespace_network::remove() {
  for (const std::string& host : hosts_)
    static_cast<void>(failure_of({"ip", "netns", "del", host}));
  static_cast<void>(failure_of({"ip", "netns", "del", bridge_}));
}

std::string namespace_network::address(std::size_t host) {
  return "10.77.0." + std::to_string(host + 1);
}

void namespace_network::cut_one_way(std::size_t from, std::size_t to) {
  run_or_throw(inside(netns(to), {"nft", "add", "rule", "ip", "cuts", "in",
                                  "ip", "saddr", address(from), "drop"}));
}

void namespace_network::cut(std::size_t one, std::size_t other) {
  cut_one_way(one, other);
  cut_one_way(other, one);
}

void namespace_network::heal() {
  for (const std::string& host : hosts_)
    run_or_throw(inside(host, {"nft", "flush", "chain", "ip", "cuts", "in"}));
}

bool namespace_network::packets_pass(std::size_t from, std::size_t to) const {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  ::inet_pton(AF_INET, address(to).c_str(), &place.sin_addr);
  auto* at = reinterpret_cast<sockaddr*>(&place);
  socklen_t size = sizeof place;
  const auto receiver = [&] {
    const in_namespace inside_receiver(netns(to));
    return std::make_unique<datagram_socket>();
  }();
  const auto sender = [&] {
    const in_namespace inside_sender(netns(from));
    return std::make_unique<datagram_socket>();
  }();
  const char byte = 'p';
  if (::bind(receiver->descriptor(), at, size) != 0
      || ::getsockname(receiver->descriptor(), at, &size) != 0
      || ::sendto(sender->descriptor(), &byte, 1, 0, at, size) != 1)
    return false;
  pollfd waits{receiver->descriptor(), POLLIN, 0};
  return ::poll(&waits, 1, datagram_wait_max_ms) == 1;
}

void make_certificates(const std::filesystem::path& directory,
                       const std::vector<std::string>& nodes,
                       const std::vector<std::string>& addresses) {
  std::filesystem::create_directory(directory);
  const auto write = [&](const std::string& name, const std::string& text) {
    client::write_new_file(directory / name, text).value();
  };
  const auto ca = client::certificate_authority::make(1).value();
  write("ca.pem", ca.authority_pair().certificate);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto made = ca.issue(nodes[i], {nodes[i], addresses[i]}).value();
    write(nodes[i] + ".pem", made.certificate);
    write(nodes[i] + "-key.pem", made.key);
  }
}

} // namespace perdura::tests
