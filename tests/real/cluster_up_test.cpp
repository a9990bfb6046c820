// `perdura cluster up` as a person runs it: a supervisor and its nodes, each a
// process.
#include "client/http/http_client.hpp"
#include "client/http/port_check.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "tests/real/started_cluster.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/free_ports.hpp"
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

constexpr std::chrono::seconds patience{60};

int ready_status(const std::string& url) {
  const auto place = client::parse_url(url);
  BOOST_REQUIRE(place);
  client::http_request request;
  request.method = "GET";
  request.target = "/readyz";
  const auto reply
    = client::http_ask(*place, request, std::chrono::seconds(10));
  return reply ? reply->status : 0;
}

bool is_gone(pid_t pid) {
  return ::kill(pid, 0) != 0 && errno == ESRCH;
}

/// Tells the end of a process that is nobody's child here.
class end_watch {
public:
  explicit end_watch(pid_t pid)
    : descriptor_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
    BOOST_REQUIRE(descriptor_ >= 0);
  }

  ~end_watch() {
    ::close(descriptor_);
  }

  end_watch(const end_watch&) = delete;
  end_watch& operator=(const end_watch&) = delete;

  bool has_ended(std::chrono::milliseconds within) const {
    pollfd waits{descriptor_, POLLIN, 0};
    return ::poll(&waits, 1, static_cast<int>(within.count())) == 1;
  }

private:
  int descriptor_;
};

/// Somebody else's server.
class taken_port {
public:
  explicit taken_port(std::uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BOOST_REQUIRE(
      ::bind(socket_, reinterpret_cast<const sockaddr*>(&place), sizeof place)
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

BOOST_AUTO_TEST_CASE(three_nodes_serve_and_one_ctrl_c_ends_them) {
  temp_directory directory;
  started_cluster cluster({}, {"TMPDIR=" + directory.path().string()});
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

BOOST_AUTO_TEST_CASE(a_directory_is_the_same_cluster_again) {
  temp_directory directory;
  const fs::path where = directory.path() / "kept";
  std::string hub_id;
  for (int run = 0; run < 2; ++run) {
    // The second finds out by itself how many there are.
    started_cluster cluster(
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
    = [&](const std::vector<std::string>& words, const std::string& part) {
        started_cluster cluster(words);
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

BOOST_AUTO_TEST_CASE(a_node_that_is_killed_comes_back) {
  started_cluster cluster({});
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
  // Ctrl-C finds the new one.
  const pid_t again = std::atoi(back.c_str() + back.rfind(' ') + 1);
  cluster.process.interrupt();
  BOOST_TEST(cluster.expect_end().second == 0);
  BOOST_TEST(is_gone(again));
}

BOOST_AUTO_TEST_CASE(a_port_that_is_taken_is_one_sentence) {
  const auto refused = [](const std::string& flag) {
    const std::uint16_t first = free_ports(3);
    const taken_port taken(static_cast<std::uint16_t>(first + 2));
    const std::string other
      = flag == "--http-port" ? "--cluster-port" : "--http-port";
    child_process one({std::getenv("PERDURA_BINARY"), "cluster", "up", flag,
                       std::to_string(first), other,
                       std::to_string(free_ports(3))});
    std::string text;
    while (const auto line = one.receive(patience))
      text += *line + '\n';
    BOOST_TEST(one.wait() == 4);
    BOOST_TEST(text
               == "perdura: Port " + std::to_string(first + 2)
                    + " on 127.0.0.1 is in use by another process. node-3 "
                      "would need it; let the nodes' ports begin elsewhere "
                      "with "
                    + flag + ".\n");
  };
  refused("--http-port");
  refused("--cluster-port");
}

BOOST_AUTO_TEST_CASE(a_node_that_cannot_start_ends_the_others) {
  temp_directory directory;
  const std::vector<std::string> words{"--data-dir", directory.path().string()};
  {
    started_cluster cluster(words);
    cluster.expect_up();
    cluster.process.interrupt();
    BOOST_TEST(cluster.expect_end().second == 0);
  }
  auto held = persistence::directory_lock::take(directory.path() / "node-2");
  BOOST_REQUIRE(held);
  started_cluster cluster(words);
  const auto [text, code] = cluster.expect_end();
  BOOST_TEST(code == 4, text);
  BOOST_TEST(text.find("node-2 | perdura: ") != text.npos, text);
  BOOST_TEST(text.find("perdura: node-2 ended with exit code 4 before the "
                       "cluster was up; its lines above say why.\n")
               != text.npos,
             text);
  for (std::uint16_t i = 0; i < 3; ++i)
    BOOST_TEST(static_cast<bool>(client::check_loopback_port(
      static_cast<std::uint16_t>(cluster.http_port + i))));
}

BOOST_AUTO_TEST_CASE(kill_nine_of_the_supervisor_leaves_no_node) {
  temp_directory directory;
  started_cluster cluster({"--data-dir", directory.path().string()});
  cluster.expect_up();
  std::vector<std::unique_ptr<end_watch>> ends;
  for (const shown_node& node : cluster.nodes)
    ends.push_back(std::make_unique<end_watch>(node.pid));
  BOOST_TEST(!ends.front()->has_ended(std::chrono::milliseconds(0)));
  BOOST_REQUIRE(::kill(cluster.process.pid(), SIGKILL) == 0);
  for (const auto& each : ends)
    BOOST_TEST(each->has_ended(patience));
}

// Its reader has gone: nobody would press Ctrl-C any more.
BOOST_AUTO_TEST_CASE(it_ends_with_its_reader) {
  temp_directory directory;
  const std::string line = "TMPDIR='" + directory.path().string() + "' '"
                           + std::getenv("PERDURA_BINARY")
                           + "' cluster up --http-port "
                           + std::to_string(free_ports(3)) + " --cluster-port "
                           + std::to_string(free_ports(3))
                           + " 2>/dev/null | head -1 | grep -q '^Perdura '";
  BOOST_TEST(std::system(line.c_str()) == 0);
  BOOST_TEST(fs::is_empty(directory.path()));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
