// SPDX-License-Identifier: Apache-2.0
#include "tests/support/temp_directory.hpp"

#include "real/disk_reading.hpp"
#include "real/worker.hpp"
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

// A node process is killed with SIGKILL at 20 points of time spread over a run
// and started again on the same directory. After the kill and before the
// restart, the test itself reads the journal. An activity whose result is
// journaled must not run again.

namespace perdura::tests {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kills = 20;
constexpr milliseconds kill_wait_max{60'000};

struct scenario {
  std::string name;
  std::string input;
  std::vector<std::string> events; ///< "EVENT DATA", raised in order.
  std::string outcome;             ///< The answer to the command "wait".
};

using key_counts = std::map<std::string, int>;

key_counts read_witness(const std::filesystem::path& file) {
  key_counts counts;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    ++counts[line];
  return counts;
}

/// Sends the commands that are not acknowledged yet, and waits for the outcome.
/// The result is empty if the time runs out first. `acknowledged` is the number
/// of acknowledged commands and is kept across processes.
std::optional<std::string> drive(worker_process& worker, const scenario& run,
                                 std::size_t& acknowledged,
                                 milliseconds time_out) {
  const auto until = steady_clock::now() + time_out;
  const auto receive = [&] {
    return worker.receive(std::chrono::duration_cast<milliseconds>(
      std::max(steady_clock::duration(0), until - steady_clock::now())));
  };
  std::vector<std::string> commands{"start " + run.name + " it " + run.input};
  for (const std::string& event : run.events)
    commands.push_back("raise it " + event);
  while (acknowledged < commands.size()) {
    worker.send(commands[acknowledged]);
    const auto answer = receive();
    if (!answer)
      return std::nullopt;
    BOOST_TEST_REQUIRE(*answer == "ok");
    ++acknowledged;
  }
  worker.send("wait it");
  return receive();
}

/// Runs the scenario without a kill and returns how long it takes.
milliseconds run_undisturbed(const scenario& run) {
  temp_directory home;
  worker_process worker(home.path() / "hub", home.path() / "witness");
  BOOST_TEST_REQUIRE(worker.receive(kill_wait_max).value_or("") == "ready");
  const auto from = steady_clock::now();
  std::size_t acknowledged = 0;
  BOOST_TEST_REQUIRE(
    drive(worker, run, acknowledged, kill_wait_max).value_or("")
    == run.outcome);
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - from);
}

/// Runs the scenario, kills the node after a time, starts it again and checks
/// the outcome and the activity runs.
void run_killed(const scenario& run, milliseconds after) {
  temp_directory home;
  const auto hub = home.path() / "hub";
  const auto witness = home.path() / "witness";
  std::size_t acknowledged = 0;
  std::optional<std::string> outcome;
  {
    worker_process worker(hub, witness);
    BOOST_TEST_REQUIRE(worker.receive(kill_wait_max).value_or("") == "ready");
    outcome = drive(worker, run, acknowledged, after);
    worker.kill();
  }
  const std::set<std::string> journaled = read_disk(hub).results;
  const key_counts before = read_witness(witness);
  worker_process worker(hub, witness);
  BOOST_TEST_REQUIRE(worker.receive(kill_wait_max).value_or("") == "ready");
  const auto again = drive(worker, run, acknowledged, kill_wait_max);
  BOOST_TEST(again.value_or("nothing") == run.outcome);
  if (outcome)
    BOOST_TEST(*outcome == run.outcome);
  const key_counts after_all = read_witness(witness);
  for (const std::string& key : journaled) {
    BOOST_TEST_CONTEXT("activity " << key) {
      BOOST_TEST(before.contains(key));
      BOOST_TEST(after_all.at(key) == before.at(key),
                 "ran again after its result was journaled");
    }
  }
}

/// Kills the node at equally spaced moments of the scenario.
void expect_survives_kills(const scenario& run) {
  const milliseconds whole = run_undisturbed(run);
  for (int i = 0; i < kills; ++i) {
    const milliseconds after = whole * i / kills;
    BOOST_TEST_CONTEXT(run.name << " killed after " << after.count()
                                << " ms of " << whole.count()) {
      run_killed(run, after);
    }
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(process_kill)

BOOST_AUTO_TEST_CASE(sleeping_orchestration_survives) {
  expect_survives_kills({"Sleep", "150", {}, "ok Completed \"slept\""});
}

BOOST_AUTO_TEST_CASE(wait_for_an_event_survives) {
  expect_survives_kills({"Approval",
                         "null",
                         {R"(Approval {"by":"me"})"},
                         R"(ok Completed {"by":"me"})"});
}

BOOST_AUTO_TEST_CASE(parallel_activities_survive) {
  expect_survives_kills({"FanOutFanIn", "60", {}, "ok Completed 70210"});
}

BOOST_AUTO_TEST_CASE(parent_and_its_children_survive) {
  const std::string one
    = R"(["Hello Tokyo!","Hello Seattle!","Hello London!"])";
  expect_survives_kills(
    {"Parent",
     "4",
     {},
     "ok Completed [" + one + "," + one + "," + one + "," + one + "]"});
}

BOOST_AUTO_TEST_CASE(retries_survive) {
  expect_survives_kills({"Retries", "3", {}, "ok Completed \"ok\""});
}

BOOST_AUTO_TEST_CASE(eternal_orchestration_survives) {
  expect_survives_kills({"Eternal", "4", {}, "ok Completed \"done\""});
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
