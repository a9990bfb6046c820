// SPDX-License-Identifier: Apache-2.0
// A node on a small disk of its own, which is filled by its own data and by
// another program.
#include "client/http/http_client.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

/// A memory file system of 64 MiB, in a mount namespace that a process keeps.
class mounted_disk {
public:
  mounted_disk()
    : keeper_({"unshare", "-m", "--propagation", "private", "sh", "-c",
               "mount -t tmpfs -o mode=0700,size=64m tmpfs "
                 + place_.path().string()
                 + " && echo ready && exec sleep infinity"}) {
    const auto line = keeper_.receive(patience);
    is_there_ = line == "ready";
  }

  /// False if the system does not permit the mount.
  bool is_there() const {
    return is_there_;
  }

  fs::path path() const {
    return place_.path();
  }

  /// The command in the namespace.
  std::vector<std::string> inside(std::vector<std::string> command) const {
    command.insert(command.begin(),
                   {"nsenter", "-t", std::to_string(keeper_.pid()), "-m"});
    return command;
  }

  /// Takes all space, to the last byte.
  void fill() const {
    const int fd = ::open(filler().c_str(),
                          O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    BOOST_TEST_REQUIRE(fd >= 0);
    const std::string block(std::size_t{1} << 16U, 'f');
    for (std::size_t size = block.size(); size > 0;)
      if (::write(fd, block.data(), size) <= 0)
        size /= 2;
    ::close(fd);
  }

  void free() const {
    fs::remove(filler());
  }

private:
  fs::path filler() const {
    return "/proc/" + std::to_string(keeper_.pid()) + "/root"
           + (place_.path() / "filler").string();
  }

  const temp_directory place_;
  child_process keeper_;
  bool is_there_ = false;
};

struct node_on_disk {
  void start() {
    process = std::make_unique<child_process>(
      disk.inside({std::getenv("PERDURA_BINARY"), "serve", "--data-dir",
                   (disk.path() / "hub").string(), "--create-hub", "--http",
                   "127.0.0.1:" + std::to_string(port.first())}));
    std::string before;
    while (const auto line = process->receive(patience)) {
      if (line->find("Press Ctrl-C") != line->npos)
        return;
      before += *line + '\n';
    }
    BOOST_FAIL("the node does not serve; its output is: " << before);
  }

  client::http_reply request(const std::string& method,
                             const std::string& target,
                             const std::string& body = {}) const {
    client::http_request request;
    request.method = method;
    request.target = target;
    request.body = body;
    const auto url
      = client::parse_url("http://127.0.0.1:" + std::to_string(port.first()));
    return client::send_http_request(url.value(), request, patience).value();
  }

  client::http_reply start_instance(const std::string& id,
                                    std::size_t bytes) const {
    return request(
      "POST", "/runtime/webhooks/durabletask/orchestrators/HelloSequence/" + id,
      '"' + std::string(bytes, 'x') + '"');
  }

  static std::string target_of(const std::string& id) {
    return "/runtime/webhooks/durabletask/instances/" + id;
  }

  /// Starts instances until one is refused; returns their number.
  std::size_t start_until_refused(client::http_reply& refusal) const {
    for (std::size_t i = 0; i < 10'000; ++i) {
      refusal = start_instance("order-" + std::to_string(i), 200'000);
      if (refusal.status != 202)
        return i;
    }
    BOOST_FAIL("the disk does not become full");
    return 0;
  }

  void purge(std::size_t from, std::size_t to) const {
    for (std::size_t i = from; i < to; ++i) {
      const std::string target = target_of("order-" + std::to_string(i));
      BOOST_TEST_REQUIRE(
        eventually([&] { return request("GET", target).status == 200; }));
      BOOST_TEST_REQUIRE(request("DELETE", target).status == 200);
    }
  }

  bool is_ready() const {
    return request("GET", "/readyz").status == 200;
  }

  bool has_metric(const std::string& line) const {
    return request("GET", "/metrics").body.find('\n' + line + '\n')
           != std::string::npos;
  }

  bool can_run() const {
    if (!disk.is_there())
      BOOST_TEST_MESSAGE("skipped: no mount is permitted");
    return disk.is_there();
  }

  const mounted_disk disk;
  const reserved_ports port;
  std::unique_ptr<child_process> process;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(full_disk_of_a_node, node_on_disk)

BOOST_AUTO_TEST_CASE(hub_that_was_purged_accepts_starts_again) {
  if (!can_run())
    return;
  start();
  client::http_reply refusal;
  const std::size_t count = start_until_refused(refusal);
  BOOST_TEST(refusal.status == 507);
  for (const char* part : {"was not changed", "The disk is full", "of 64 MiB",
                           "inside the data files", "8 MiB are kept"})
    BOOST_TEST((refusal.body.find(part) != std::string::npos), refusal.body);
  const auto ready = request("GET", "/readyz");
  BOOST_TEST(ready.status == 503);
  BOOST_TEST((ready.body.find("read-only: disk full") != std::string::npos),
             ready.body);
  BOOST_TEST(has_metric("perdura_storage_full 1"));
  purge(0, count);
  BOOST_TEST(eventually([this] { return is_ready(); }));
  BOOST_TEST(start_instance("later", 200'000).status == 202);
  process->interrupt();
  BOOST_TEST(process->wait() == 0);
  start();
  BOOST_TEST(start_instance("much-later", 200'000).status == 202);
}

// Regression: the node ended with exit code 74 at each start.
BOOST_AUTO_TEST_CASE(disk_full_of_other_data_permits_reads_and_purges) {
  if (!can_run())
    return;
  start();
  for (std::size_t i = 0; i < 30; ++i)
    BOOST_TEST(start_instance("order-" + std::to_string(i), 100'000).status
               == 202);
  disk.fill();
  BOOST_TEST(eventually([this] { return !is_ready(); }));
  disk.fill(); // also what the reserve has released
  for (std::size_t restart = 0; restart < 3; ++restart) {
    if (restart == 1) {
      ::kill(process->pid(), SIGKILL);
      process->wait();
    } else {
      process->interrupt();
      BOOST_TEST(process->wait() == 0);
    }
    start();
    BOOST_TEST(start_instance("new", 10).status == 507);
    BOOST_TEST(request("GET", "/runtime/webhooks/durabletask/instances").status
               == 200);
    purge(restart * 10, restart * 10 + 10);
  }
  disk.free();
  BOOST_TEST(eventually([this] { return is_ready(); }));
  BOOST_TEST(start_instance("new", 10).status == 202);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
