// SPDX-License-Identifier: Apache-2.0
// `perdura cluster up`: a supervisor process and one process for each node.
#include "client/http/http_client.hpp"
#include "client/http/port_check.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "tests/real/cluster_up_process.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds wait_max = patience;

/// The status of GET /readyz; 0 if the node cannot be reached.
int ready_status(const std::string& url) {
  const auto address = client::parse_url(url);
  BOOST_REQUIRE(address);
  client::http_request request;
  request.method = "GET";
  request.target = "/readyz";
  const auto reply
    = client::send_http_request(*address, request, std::chrono::seconds(10));
  return reply ? reply->status : 0;
}

bool is_gone(pid_t pid) {
  return ::kill(pid, 0) != 0 && errno == ESRCH;
}

/// Waits for the end of a process that is not a child of this one.
class process_end_watch {
public:
  explicit process_end_watch(pid_t pid)
    : descriptor_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
    BOOST_REQUIRE(descriptor_ >= 0);
  }

  ~process_end_watch() {
    ::close(descriptor_);
  }

  process_end_watch(const process_end_watch&) = delete;
  process_end_watch& operator=(const process_end_watch&) = delete;

  bool has_ended(std::chrono::milliseconds within) const {
    pollfd waits{descriptor_, POLLIN, 0};
    return ::poll(&waits, 1, static_cast<int>(within.count())) == 1;
  }

private:
  int descriptor_;
};

/// A listening socket on a port, so that the command cannot use the port.
class taken_port {
public:
  explicit taken_port(std::uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1; // The test has reserved the port.
    BOOST_REQUIRE(
      ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
      && ::bind(socket_, reinterpret_cast<const sockaddr*>(&place),
                sizeof place)
           == 0
      && ::listen(socket_, 1) == 0);
  }

  ~taken_port() {
    ::close(socket_);
  }

  taken_port(const taken_port&) = delete;
  taken_port& operator=(const taken_port&) = delete;

private:
  int socket_;
};

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_up)

BOOST_AUTO_TEST_CASE(one_ctrl_c_ends_all_three_nodes) {
  temp_directory directory;
  cluster_up_process cluster({}, {"TMPDIR=" + directory.path().string()});
  cluster.expect_up();
  BOOST_REQUIRE_EQUAL(cluster.nodes.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const shown_node& node = cluster.nodes[i];
    BOOST_TEST(node.name == "node-" + std::to_string(i + 1));
    BOOST_TEST(node.url
               == "http://127.0.0.1:" + std::to_string(cluster.http_port + i));
    BOOST_TEST(node.cluster_address
               == "127.0.0.1:" + std::to_string(cluster.cluster_port + i));
    BOOST_TEST(fs::exists(fs::path(node.data_dir) / "hub"));
    BOOST_TEST(ready_status(node.url) == 200);
  }
  BOOST_TEST(cluster.banner().find("--data-dir DIR keeps it")
             != std::string::npos);
  cluster.process.interrupt();
  const auto [text, code] = cluster.expect_end();
  BOOST_TEST(code == 0, text);
  for (const shown_node& node : cluster.nodes)
    BOOST_TEST(is_gone(node.pid), node.name);
  BOOST_TEST(fs::is_empty(directory.path()));
}

// Also checks that a directory with another number of nodes, or with data of
// the wrong node, is refused.
BOOST_AUTO_TEST_CASE(second_start_on_a_directory_is_the_same_cluster) {
  temp_directory directory;
  const fs::path where = directory.path() / "kept";
  std::string hub_id;
  for (int run = 0; run < 2; ++run) {
    // The second run takes the number of nodes from the directory.
    cluster_up_process cluster(
      run == 0 ? std::vector<std::string>{"--nodes", "2", "--partitions", "5",
                                          "--data-dir", where.string()}
               : std::vector<std::string>{"--data-dir", where.string()});
    cluster.expect_up();
    BOOST_TEST(cluster.nodes.size() == 2U);
    const auto hub = persistence::read_hub(where / "node-2");
    BOOST_REQUIRE(hub);
    BOOST_TEST(hub->partition_count == 5U);
    BOOST_TEST(cluster.banner().find(hub->hub_id) != std::string::npos);
    BOOST_TEST((hub_id.empty() || hub_id == hub->hub_id));
    hub_id = hub->hub_id;
    for (const char* file : {"node-1.toml", "node-2.toml"})
      BOOST_TEST((fs::status(where / file).permissions() == fs::perms(0600)));
    cluster.process.interrupt();
    BOOST_TEST(cluster.expect_end().second == 0);
  }
  const auto refused
    = [&](const std::vector<std::string>& arguments, const std::string& part) {
        cluster_up_process cluster(arguments);
        const auto [text, code] = cluster.expect_end();
        BOOST_TEST(code == 2, text);
        BOOST_TEST(lines_of(text) == 1U, text);
        BOOST_TEST(text.find(part) != text.npos, text);
      };
  refused({"--data-dir", where.string(), "--nodes", "3"},
          "holds a cluster of 2 nodes, not 3");
  refused({"--data-dir", (where / "node-1").string()},
          "is itself the data directory of a node");
  fs::rename(where / "node-2", directory.path() / "elsewhere");
  refused({"--data-dir", where.string()}, "holds node-1, but not node-2");
  fs::copy(where / "node-1", where / "node-2", fs::copy_options::recursive);
  refused({"--data-dir", where.string()},
          "holds the data of node \"node-1\", not of node-2");
}

BOOST_AUTO_TEST_CASE(killed_node_is_restarted) {
  cluster_up_process cluster({});
  cluster.expect_up();
  const shown_node node = cluster.nodes.at(1);
  BOOST_REQUIRE(::kill(node.pid, SIGKILL) == 0);
  BOOST_TEST(cluster.expect_line("perdura: node-2 (pid ")
             == "perdura: node-2 (pid " + std::to_string(node.pid)
                  + ") was ended by signal 9 (Killed); it starts again in 1 "
                    "s.");
  BOOST_TEST(ready_status(cluster.nodes[0].url) == 200);
  const std::string back = cluster.expect_line("node-2 serves again (pid ");
  BOOST_TEST(ready_status(node.url) == 200);
  // Ctrl-C also ends the restarted process.
  const pid_t again = std::atoi(back.c_str() + back.rfind(' ') + 1);
  cluster.process.interrupt();
  BOOST_TEST(cluster.expect_end().second == 0);
  BOOST_TEST(is_gone(again));
}

// All ports are checked before the first node is started.
BOOST_AUTO_TEST_CASE(port_in_use_is_reported_in_one_sentence) {
  const auto refused = [](const std::string& flag) {
    const reserved_ports ports(3);
    const reserved_ports other_ports(3);
    const std::uint16_t first = ports.first();
    const taken_port taken(static_cast<std::uint16_t>(first + 2));
    const std::string other
      = flag == "--http-port" ? "--cluster-port" : "--http-port";
    child_process one({std::getenv("PERDURA_BINARY"), "cluster", "up", flag,
                       std::to_string(first), other,
                       std::to_string(other_ports.first())});
    std::string text;
    while (const auto line = one.receive(wait_max))
      text += *line + '\n';
    BOOST_TEST(one.wait() == 4);
    BOOST_TEST(text
               == "perdura: Port " + std::to_string(first + 2)
                    + " on 127.0.0.1 is in use by another process. node-3 "
                      "needs it; choose other ports with "
                    + flag + ".\n");
  };
  refused("--http-port");
  refused("--cluster-port");
}

BOOST_AUTO_TEST_CASE(node_that_cannot_start_ends_the_others) {
  temp_directory directory;
  const std::vector<std::string> arguments{"--data-dir",
                                           directory.path().string()};
  {
    cluster_up_process cluster(arguments);
    cluster.expect_up();
    cluster.process.interrupt();
    BOOST_TEST(cluster.expect_end().second == 0);
  }
  // Another process holds the lock of the second directory.
  auto held = persistence::directory_lock::acquire(directory.path() / "node-2");
  BOOST_REQUIRE(held);
  cluster_up_process cluster(arguments);
  const auto [text, code] = cluster.expect_end();
  BOOST_TEST(code == 4, text);
  BOOST_TEST(text.find("node-2 | perdura: ") != text.npos, text);
  BOOST_TEST(text.find("perdura: node-2 ended with exit code 4 before the "
                       "cluster was ready; see its output above.\n")
               != text.npos,
             text);
  for (std::uint16_t i = 0; i < 3; ++i)
    BOOST_TEST(static_cast<bool>(client::check_loopback_port(
      static_cast<std::uint16_t>(cluster.http_port + i))));
}

BOOST_AUTO_TEST_CASE(no_node_outlives_a_killed_supervisor) {
  temp_directory directory;
  cluster_up_process cluster({"--data-dir", directory.path().string()});
  cluster.expect_up();
  std::vector<std::unique_ptr<process_end_watch>> ends;
  for (const shown_node& node : cluster.nodes)
    ends.push_back(std::make_unique<process_end_watch>(node.pid));
  BOOST_TEST(!ends.front()->has_ended(std::chrono::milliseconds(0)));
  BOOST_REQUIRE(::kill(cluster.process.pid(), SIGKILL) == 0);
  for (const auto& each : ends)
    BOOST_TEST(each->has_ended(wait_max));
}

// The command ends when no process reads its output any more. It runs without a
// terminal, so no user could end it with Ctrl-C.
BOOST_AUTO_TEST_CASE(command_ends_when_its_output_is_closed) {
  temp_directory directory;
  const reserved_ports http_ports(3);
  const reserved_ports cluster_ports(3);
  const std::string line
    = "TMPDIR='" + directory.path().string() + "' '"
      + std::getenv("PERDURA_BINARY") + "' cluster up --http-port "
      + std::to_string(http_ports.first()) + " --cluster-port "
      + std::to_string(cluster_ports.first())
      + " 2>/dev/null | head -1 | grep -q '^Perdura '";
  BOOST_TEST(std::system(line.c_str()) == 0);
  BOOST_TEST(fs::is_empty(directory.path()));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
