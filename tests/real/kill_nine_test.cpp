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

// Real processes, killed -9 at 20 points spread over a run and started again
// on the same directory. Between two processes the test reads the journal
// itself: an activity whose result stands there must never run again.

namespace perdura::tests {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kills = 20;
constexpr milliseconds patience{60'000};

struct scenario {
  std::string name;
  std::string input;
  std::vector<std::string> events; ///< "EVENT DATA", raised in order.
  std::string outcome;             ///< As the worker's wait answers.
};

using key_counts = std::map<std::string, int>;

key_counts read_witness(const std::filesystem::path& file) {
  key_counts counts;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    ++counts[line];
  return counts;
}

/// Sends what has not been acknowledged yet, and waits for the outcome; empty
/// if `time_out` comes first. `acknowledged` counts across processes.
std::optional<std::string> drive(worker_process& worker, const scenario& what,
                                 std::size_t& acknowledged,
                                 milliseconds time_out) {
  const auto until = steady_clock::now() + time_out;
  const auto receive = [&] {
    return worker.receive(std::chrono::duration_cast<milliseconds>(
      std::max(steady_clock::duration(0), until - steady_clock::now())));
  };
  std::vector<std::string> commands{"start " + what.name + " it " + what.input};
  for (const std::string& event : what.events)
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

milliseconds run_undisturbed(const scenario& what) {
  temp_directory home;
  worker_process worker(home.path() / "hub", home.path() / "witness");
  BOOST_TEST_REQUIRE(worker.receive(patience).value_or("") == "ready");
  const auto from = steady_clock::now();
  std::size_t acknowledged = 0;
  BOOST_TEST_REQUIRE(drive(worker, what, acknowledged, patience).value_or("")
                     == what.outcome);
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - from);
}

void run_killed(const scenario& what, milliseconds after) {
  temp_directory home;
  const auto hub = home.path() / "hub";
  const auto witness = home.path() / "witness";
  std::size_t acknowledged = 0;
  std::optional<std::string> outcome;
  {
    worker_process worker(hub, witness);
    BOOST_TEST_REQUIRE(worker.receive(patience).value_or("") == "ready");
    outcome = drive(worker, what, acknowledged, after);
    worker.kill();
  }
  const std::set<std::string> journaled = read_disk(hub).results;
  const key_counts before = read_witness(witness);
  worker_process worker(hub, witness);
  BOOST_TEST_REQUIRE(worker.receive(patience).value_or("") == "ready");
  const auto again = drive(worker, what, acknowledged, patience);
  BOOST_TEST(again.value_or("nothing") == what.outcome);
  if (outcome)
    BOOST_TEST(*outcome == what.outcome);
  const key_counts after_all = read_witness(witness);
  for (const std::string& key : journaled) {
    BOOST_TEST_CONTEXT("activity " << key) {
      BOOST_TEST(before.contains(key));
      BOOST_TEST(after_all.at(key) == before.at(key),
                 "its result was journaled, and it ran again");
    }
  }
}

void survive(const scenario& what) {
  const milliseconds whole = run_undisturbed(what);
  for (int i = 0; i < kills; ++i) {
    const milliseconds after = whole * i / kills;
    BOOST_TEST_CONTEXT(what.name << " killed after " << after.count()
                                 << " ms of " << whole.count()) {
      run_killed(what, after);
    }
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(kill_nine)

BOOST_AUTO_TEST_CASE(a_sleeping_orchestration_survives) {
  survive({"Sleep", "150", {}, "ok Completed \"slept\""});
}

BOOST_AUTO_TEST_CASE(an_approval_survives) {
  survive({"Approval",
           "null",
           {R"(Approval {"by":"me"})"},
           R"(ok Completed {"by":"me"})"});
}

BOOST_AUTO_TEST_CASE(a_fan_out_survives) {
  survive({"FanOutFanIn", "60", {}, "ok Completed 70210"});
}

BOOST_AUTO_TEST_CASE(a_parent_and_its_children_survive) {
  const std::string one
    = R"(["Hello Tokyo!","Hello Seattle!","Hello London!"])";
  survive({"Parent",
           "4",
           {},
           "ok Completed [" + one + "," + one + "," + one + "," + one + "]"});
}

BOOST_AUTO_TEST_CASE(retries_survive) {
  survive({"Retries", "3", {}, "ok Completed \"ok\""});
}

BOOST_AUTO_TEST_CASE(an_eternal_orchestration_survives) {
  survive({"Eternal", "4", {}, "ok Completed \"done\""});
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
