// SPDX-License-Identifier: Apache-2.0
// Code that ends the process again and again is set aside, and everything else
// goes on. Kills at random moments set nothing aside.
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_directory.hpp"

#include "real/cluster_harness.hpp"
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

/// A data directory, and the process that serves it.
class poisoned_node {
public:
  /// Starts the process. Returns false if it ends before it serves.
  bool start(const std::string& mode = "runs") {
    process_ = std::make_unique<child_process>(std::vector<std::string>{
      std::filesystem::read_symlink("/proc/self/exe").string(),
      "--poison-worker", directory(), mode});
    all_.clear();
    while (const auto line = process_->receive(patience)) {
      all_ += *line + '\n';
      if (line->starts_with("ready ")) {
        url_ = line->substr(6);
        return true;
      }
    }
    process_->wait();
    return false;
  }

  std::string directory() const {
    return (home_.path() / "hub").string();
  }

  int status_of(const endpoint_request& request) const {
    const auto reply = send_request(http_endpoint(url_), request);
    return reply ? reply->status : 0;
  }

  nlohmann::json get(const std::string& target) const {
    const auto reply = send_request(http_endpoint(url_), {"GET", target});
    return reply ? nlohmann::json::parse(reply->body) : nlohmann::json();
  }

  /// The start may end the process before it is answered.
  void start_instance(const std::string& name, const std::string& id,
                      const std::string& input) const {
    static_cast<void>(send_request(
      http_endpoint(url_),
      {"POST", "/orchestrators/" + name + '/' + id, '"' + input + '"'}));
  }

  std::string state_of(const std::string& id) const {
    return get("/instances/" + id).value("runtimeStatus", "");
  }

  bool reaches(const std::string& id, const std::string& state) const {
    return eventually([&] { return state_of(id) == state; });
  }

  /// Waits for the end of the process.
  void await_end() {
    while (const auto line = process_->receive(patience))
      all_ += *line + '\n';
    process_->wait();
  }

  void kill() {
    ::kill(process_->pid(), SIGKILL);
    await_end();
  }

  int stop() {
    process_->interrupt();
    while (process_->receive(patience)) {
    }
    return process_->wait();
  }

  /// The output of the newest process.
  const std::string& output() const {
    return all_;
  }

  /// The IDs in the list of stuck instances.
  std::string stuck() const {
    return get("/perdura/stuck").dump();
  }

private:
  temp_directory home_;
  std::unique_ptr<child_process> process_;
  std::string url_;
  std::string all_;
};

/// Starts the node until it serves and goes on serving. Returns how often the
/// process has ended, including the first time.
int starts_until_held(poisoned_node& node, const std::string& id) {
  for (int ends = 1; ends < 10; ++ends) {
    if (!node.start())
      continue;
    // Either the code is held, or the process ends again.
    if (eventually([&] {
          const std::string stuck = node.stuck();
          return stuck == "null" || stuck.find(id) != stuck.npos;
        })
        && node.stuck().find(id) != std::string::npos)
      return ends;
    node.await_end();
  }
  return 10;
}

} // namespace

BOOST_AUTO_TEST_SUITE(poison)

// Regression: the node ended at each start for ever, and nothing named the
// cause.
BOOST_AUTO_TEST_CASE(code_that_ends_the_process_is_held) {
  for (const std::string name : {"CallsDies", "DiesInCode"})
    for (const std::string how :
         {"signal_kill", "null_pointer", "abort", "stack_overflow", "exit"})
      BOOST_TEST_CONTEXT(name << ' ' << how) {
        poisoned_node node;
        BOOST_REQUIRE(node.start());
        node.start_instance("Approval", "bystander", "x");
        node.start_instance(name, "culprit", how);
        node.await_end();
        BOOST_TEST(starts_until_held(node, "culprit") == 3);
        BOOST_TEST_CONTEXT(node.output()) {
          BOOST_TEST(node.output().find("culprit") != std::string::npos);
          BOOST_TEST(node.state_of("bystander") == "Running");
          BOOST_TEST(
            node.status_of(
              {"POST", "/instances/bystander/raiseEvent/Approval", "1"})
            == 202);
          BOOST_TEST(node.reaches("bystander", "Completed"));
          BOOST_TEST(node.state_of("culprit") == "Running");
          BOOST_TEST(node.stop() == 0);
        }
        // A later start holds it, too; it can be terminated.
        BOOST_REQUIRE(node.start());
        BOOST_TEST(eventually(
          [&] { return node.stuck().find("culprit") != std::string::npos; }));
        BOOST_TEST(node.status_of({"POST", "/instances/culprit/terminate"})
                   == 202);
        BOOST_TEST(node.state_of("culprit") == "Terminated");
        BOOST_TEST(node.stop() == 0);
        BOOST_REQUIRE(node.start());
        BOOST_TEST(node.stop() == 0);
      }
}

BOOST_AUTO_TEST_CASE(released_code_runs_again) {
  poisoned_node node;
  BOOST_REQUIRE(node.start());
  node.start_instance("CallsDies", "culprit", "exit");
  node.await_end();
  BOOST_TEST(starts_until_held(node, "culprit") == 3);
  BOOST_TEST(node.status_of({"POST", "/instances/nope/release"}) == 404);
  // The code may end the process before the answer is sent.
  const int released = node.status_of({"POST", "/instances/culprit/release"});
  BOOST_TEST((released == 202 || released == 0));
  node.await_end(); // the code runs, and ends the process again
  BOOST_TEST(starts_until_held(node, "culprit") == 3);
}

// A paused node answers and runs nothing, so that the culprit can be
// terminated.
BOOST_AUTO_TEST_CASE(paused_node_runs_nothing) {
  poisoned_node node;
  BOOST_REQUIRE(node.start());
  node.start_instance("DiesInCode", "culprit", "signal_kill");
  node.await_end();
  BOOST_REQUIRE(node.start("paused"));
  node.start_instance("Echo", "new", "x");
  BOOST_TEST(node.state_of("culprit") == "Running");
  BOOST_TEST(node.state_of("new") == "Pending");
  BOOST_TEST(node.status_of({"POST", "/instances/culprit/terminate"}) == 202);
  BOOST_TEST(node.stop() == 0);
  BOOST_REQUIRE(node.start());
  BOOST_TEST(node.state_of("culprit") == "Terminated");
  BOOST_TEST(node.reaches("new", "Completed"));
}

BOOST_AUTO_TEST_CASE(instance_is_terminated_offline) {
  poisoned_node node;
  BOOST_REQUIRE(node.start());
  node.start_instance("DiesInCode", "culprit", "signal_kill");
  node.await_end();
  const auto terminate = [&](const std::string& id) {
    child_process verb({std::getenv("PERDURA_BINARY"), "terminate", "--offline",
                        node.directory(), id, "--reason", "poison"});
    while (verb.receive(patience)) {
    }
    return verb.wait();
  };
  BOOST_TEST(terminate("culprit") == 0);
  BOOST_TEST(terminate("culprit") == 2); // it has ended
  BOOST_TEST(terminate("nope") == 3);
  BOOST_REQUIRE(node.start());
  BOOST_TEST(terminate("culprit") == 4); // a node uses the directory
  BOOST_TEST(node.state_of("culprit") == "Terminated");
  BOOST_TEST(node.get("/instances/culprit").at("output") == "poison");
}

// Regression: orchestrators that never return occupied all threads at each
// start, so that no partition recovered. Those that hung are held.
BOOST_AUTO_TEST_CASE(orchestrators_that_hung_are_held_at_the_next_start) {
  for (const bool is_stopped : {true, false}) {
    poisoned_node node;
    BOOST_REQUIRE(node.start());
    for (const std::string id : {"hangs-1", "hangs-2"})
      node.start_instance("Hangs", id, "x");
    BOOST_TEST(eventually([&] {
      const std::string stuck = node.stuck();
      return stuck.find("hangs-1") != stuck.npos
             && stuck.find("hangs-2") != stuck.npos
             && stuck.find("occupies a thread") != stuck.npos;
    }));
    if (is_stopped)
      BOOST_TEST(node.stop() == 0);
    else
      node.kill();
    BOOST_REQUIRE(node.start());
    node.start_instance("Echo", "new", "x");
    BOOST_TEST(node.reaches("new", "Completed"));
    BOOST_TEST(eventually([&] {
      return node.stuck().find("did not return to the node")
             != std::string::npos;
    }));
    BOOST_TEST(node.status_of({"POST", "/instances/hangs-1/terminate"}) == 202);
    BOOST_TEST(node.status_of({"POST", "/instances/hangs-2/terminate"}) == 202);
    BOOST_TEST(node.stop() == 0);
  }
}

// PERDURA_POISON_KILLS and PERDURA_SEED set the number of kills and the seed.
BOOST_AUTO_TEST_CASE(random_kills_under_load_hold_nothing) {
  const char* count = std::getenv("PERDURA_POISON_KILLS");
  const char* seed = std::getenv("PERDURA_SEED");
  const int kills = count == nullptr ? 8 : std::atoi(count);
  std::mt19937 random(seed == nullptr ? 1U
                                      : static_cast<unsigned>(std::atoi(seed)));
  poisoned_node node;
  for (int kill = 0; kill < kills; ++kill) {
    BOOST_REQUIRE(node.start());
    BOOST_TEST(node.output().find("set aside") == std::string::npos);
    const unsigned before_the_kill = 1 + random() % 30;
    for (unsigned i = 0; i < before_the_kill; ++i) {
      const std::string id = std::to_string(kill) + '-' + std::to_string(i);
      node.start_instance(i % 2 == 0 ? "HelloSequence" : "CallsDies", id,
                          "none");
    }
    node.kill();
  }
  BOOST_REQUIRE(node.start());
  BOOST_TEST(eventually([&] {
    return node.get("/instances?runtimeStatus=Running,Pending").empty();
  }));
  BOOST_TEST(node.stuck() == "[]");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
