// SPDX-License-Identifier: Apache-2.0
// A disk whose writes hang: the node says so, answers everything that needs no
// write, and ends when it is asked to.
#include "client/http/http_client.hpp"
#include "persistence/process/process_end.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

struct stalled_node {
  stalled_node() {
    std::ofstream(home.path() / "node.toml")
      << "[node]\ndata_dir = \"" << (home.path() / "hub").string()
      << "\"\nstop_patience = \"1 s\"\n[hub]\ncreate = true\npartitions = 4\n"
      << "[http]\nport = " << port.first()
      << "\n[limits]\ndisk_stall_time = \"1 s\"\n";
  }

  ~stalled_node() {
    end_requests();
  }

  void start() {
    process = std::make_unique<child_process>(std::vector<std::string>{
      fs::read_symlink("/proc/self/exe").string(), "--stalled-disk",
      stall().string(), "serve", "--config",
      (home.path() / "node.toml").string()});
  }

  fs::path stall() const {
    return home.path() / "stall";
  }

  void hang() const {
    std::ofstream(stall()) << "x";
  }

  void resume_writes() const {
    fs::remove(stall());
  }

  /// Reads lines of the node until one has `part`; fails if none has.
  void expect_line(const std::string& part) {
    std::string before;
    while (const auto line = process->receive(patience)) {
      if (line->find(part) != line->npos)
        return;
      before += *line + '\n';
    }
    BOOST_FAIL("no line with \"" << part << "\"; the output is: " << before);
  }

  client::http_reply get(const std::string& target) const {
    client::http_request request;
    request.method = "GET";
    request.target = target;
    return client::send_http_request(url(), request, patience).value();
  }

  /// Starts an instance; does not wait for the answer.
  void request_start() {
    requests.emplace_back([this] {
      client::http_request request;
      request.method = "POST";
      request.target
        = "/runtime/webhooks/durabletask/orchestrators/HelloSequence";
      request.body = "1";
      static_cast<void>(client::send_http_request(url(), request, patience));
    });
  }

  void end_requests() {
    resume_writes();
    for (std::thread& each : requests)
      each.join();
    requests.clear();
  }

  client::http_url url() const {
    return client::parse_url("http://127.0.0.1:" + std::to_string(port.first()))
      .value();
  }

  temp_directory home;
  const reserved_ports port;
  std::unique_ptr<child_process> process;
  std::vector<std::thread> requests;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(stalled_disk, stalled_node)

BOOST_AUTO_TEST_CASE(stalled_write_is_reported_and_reads_are_answered) {
  start();
  expect_line("Press Ctrl-C");
  hang();
  for (int i = 0; i < 8; ++i)
    request_start();
  expect_line("A write to the disk has not ended");
  BOOST_TEST(get("/healthz").status == 200);
  const auto ready = get("/readyz");
  BOOST_TEST(ready.status == 503);
  BOOST_TEST((ready.body.find("sync_stalled") != std::string::npos),
             ready.body);
  for (int i = 0; i < 3; ++i) {
    const auto metrics = get("/metrics");
    BOOST_TEST(metrics.status == 200);
    BOOST_TEST((metrics.body.find("perdura_disk_write_seconds 0\n")
                == std::string::npos));
    BOOST_TEST(get("/runtime/webhooks/durabletask/instances").status == 200);
    BOOST_TEST(get("/runtime/webhooks/durabletask/instances/none").status
               == 404);
  }
  resume_writes();
  expect_line("has ended");
  end_requests();
  BOOST_TEST(eventually([this] { return get("/readyz").status == 200; }));
  process->interrupt();
  BOOST_TEST(process->wait() == 0);
}

BOOST_AUTO_TEST_CASE(node_with_a_stalled_write_ends_after_the_patience) {
  start();
  expect_line("Press Ctrl-C");
  hang();
  request_start();
  expect_line("A write to the disk has not ended");
  ::kill(process->pid(), SIGTERM);
  expect_line("The process ends although a write to the disk has not ended");
  BOOST_TEST(process->wait() == persistence::exit_code_stalled);
  end_requests();
  // Nothing is damaged.
  start();
  expect_line("Press Ctrl-C");
  process->interrupt();
  BOOST_TEST(process->wait() == 0);
}

// The partitions cannot recover, so nothing but the log tells why.
BOOST_AUTO_TEST_CASE(stalled_start_ends_after_the_patience) {
  start();
  expect_line("Press Ctrl-C");
  for (int i = 0; i < 3; ++i)
    request_start();
  end_requests();
  ::kill(process->pid(), SIGKILL);
  process->wait();
  hang();
  start();
  expect_line("A write to the disk has not ended");
  ::kill(process->pid(), SIGTERM);
  expect_line("The process ends although a write to the disk has not ended");
  BOOST_TEST(process->wait() == persistence::exit_code_stalled);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
