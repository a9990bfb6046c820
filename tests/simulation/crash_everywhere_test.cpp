// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/scenario.hpp"
#include "tests/support/lmdb_opener.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>

// Runs every scenario many times. Each of these runs crashes before or after a
// different commit, and some of them crash again during recovery. Every run
// must end in the same state as the run without a crash.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

/// Differences and violated invariants, each with the crash that caused it.
struct findings {
  unsigned runs = 0;
  std::vector<std::string> differences;
  std::vector<std::string> violations;

  std::string first() const {
    if (!differences.empty())
      return differences.front();
    return violations.empty() ? "" : violations.front();
  }
};

void compare(findings& into, const scenario_outcome& whole,
             const scenario_outcome& crashed, const std::string& plan) {
  ++into.runs;
  for (const std::string& line : differences(whole, crashed))
    into.differences.push_back("crash " + plan + ": " + line);
  for (const std::string& line : crashed.violations)
    into.violations.push_back("crash " + plan + ": " + line);
}

const crash_point all_points[]
  = {crash_point::before_commit, crash_point::after_commit,
     crash_point::before_views_commit, crash_point::after_views_commit};

/// Runs the scenario with a crash at every crash point that the run without a
/// crash (`whole`) has reached. Repeats each of these runs with every number of
/// further crashes during recovery that `recovery_crashes` contains.
findings crash_at_every_point(const scenario& what,
                              const scenario_outcome& whole,
                              const std::function<node_options()>& make,
                              const std::vector<unsigned>& recovery_crashes) {
  findings found;
  for (const crash_point point : all_points) {
    auto passed = whole.points.find(point);
    const unsigned most = passed == whole.points.end() ? 0 : passed->second;
    for (unsigned n = 1; n <= most; ++n)
      for (const unsigned times : recovery_crashes) {
        const crash_plan plan{point, n, times};
        const scenario_outcome crashed = run_scenario(what, plan, make());
        if (crashed.starts == 1)
          found.violations.push_back(plan.text() + " is never reached");
        compare(found, whole, crashed, plan.text());
      }
  }
  return found;
}

node_options in_memory() {
  return {};
}

node_options in_memory_single_messages() {
  node_options options;
  options.one_message_per_batch = true;
  options.commits_per_flush = 1;
  return options;
}

/// Evicts every instance at once, so that each turn replays the history.
node_options in_memory_evicting() {
  node_options options;
  options.adjust
    = [](partition_config& config) { config.idle_instances_max = 0; };
  return options;
}

node_options in_memory_two_lanes() {
  node_options options;
  options.open = make_memory_opener(options.partitions, 2);
  return options;
}

/// One message that is not acknowledged fills an outbox.
node_options in_memory_full_outboxes() {
  node_options options;
  options.adjust
    = [](partition_config& config) { config.outbox_messages_max = 1; };
  return options;
}

node_options on_lmdb_storage() {
  node_options options;
  options.open = make_lmdb_opener(options.partitions);
  return options;
}

void check(const findings& found) {
  BOOST_TEST(found.differences.empty(), found.first());
  BOOST_TEST(found.violations.empty(), found.first());
}

enum class order : std::uint8_t { standard, different };

/// Runs all scenarios. If `messages` is `standard`, each run without a crash
/// must end in the same state as a run with the default options.
void check_all(const std::function<node_options()>& make,
               const std::vector<unsigned>& recovery_crashes,
               order messages = order::standard) {
  unsigned runs = 0;
  for (const scenario& one : scenarios()) {
    BOOST_TEST_CONTEXT(one.name) {
      const scenario_outcome whole = run_scenario(one, {}, make());
      BOOST_TEST(whole.starts == 1U);
      for (const std::string& violation : whole.violations)
        BOOST_ERROR(violation);
      if (messages == order::standard)
        for (const std::string& line : differences(run_scenario(one), whole))
          BOOST_ERROR(line);
      const findings found
        = crash_at_every_point(one, whole, make, recovery_crashes);
      check(found);
      runs += found.runs;
    }
  }
  BOOST_TEST_MESSAGE(runs << " crashes");
}

} // namespace

BOOST_AUTO_TEST_SUITE(crash_everywhere)

// Runs in memory, first without further crashes during recovery and then with
// four of them.
BOOST_AUTO_TEST_CASE(in_memory_also_during_recovery) {
  check_all(in_memory, {0, 4});
}

// Runs in memory, with a batch for every message and a flush after every
// commit, which gives more crash points.
BOOST_AUTO_TEST_CASE(in_memory_with_one_message_per_batch) {
  check_all(in_memory_single_messages, {0}, order::different);
}

// Runs in memory and evicts every idle instance.
BOOST_AUTO_TEST_CASE(in_memory_with_a_replay_for_every_turn) {
  check_all(in_memory_evicting, {0});
}

// Runs in memory; turns wait for the acknowledgements of earlier messages.
BOOST_AUTO_TEST_CASE(in_memory_with_full_outboxes) {
  check_all(in_memory_full_outboxes, {0});
}

// Runs in memory on two lanes, which commit independently.
BOOST_AUTO_TEST_CASE(in_memory_on_two_lanes) {
  check_all(in_memory_two_lanes, {0});
}

// Runs on files, without crashes during recovery.
BOOST_AUTO_TEST_CASE(on_lmdb) {
  check_all(on_lmdb_storage, {0});
}

// Runs four scenarios on files, with four further crashes during recovery.
BOOST_AUTO_TEST_CASE(on_lmdb_during_recovery) {
  for (const char* const name : {"hello", "parent", "counter", "fails_once"}) {
    const scenario& one = find_scenario(name);
    const scenario_outcome whole = run_scenario(one, {}, on_lmdb_storage());
    check(crash_at_every_point(one, whole, on_lmdb_storage, {4}));
  }
}

BOOST_AUTO_TEST_SUITE_END()

// Each planted bug must be detected. Otherwise the checks above would prove
// nothing.
BOOST_AUTO_TEST_SUITE(crash_everywhere_with_a_planted_bug)

namespace {

findings with_fault(const char* name, planted_faults faults) {
  const scenario& one = find_scenario(name);
  return crash_at_every_point(one, run_scenario(one),
                              [&] {
                                node_options options;
                                options.faults = faults;
                                return options;
                              },
                              {0});
}

} // namespace

// The planted bug releases effects when a turn is queued.
BOOST_AUTO_TEST_CASE(effect_before_its_commit_is_detected) {
  for (const char* const name : {"hello", "approval_after", "parent"}) {
    const findings found = with_fault(name, {.early_effects = true});
    BOOST_TEST(!found.differences.empty(), name);
  }
}

// The planted bug does not store outbox messages.
BOOST_AUTO_TEST_CASE(lost_outbox_is_detected) {
  BOOST_TEST(!with_fault("parent", {.lost_outbox = true}).differences.empty());
}

// The planted bug does not store marks, so repeated messages are accepted.
BOOST_AUTO_TEST_CASE(lost_marks_are_detected) {
  BOOST_TEST(!with_fault("parent", {.lost_marks = true}).differences.empty());
}

// The planted bug does not store the activities that an execution has scheduled
// and not awaited when it ends.
BOOST_AUTO_TEST_CASE(lost_activities_are_detected) {
  for (const char* const name : {"leaves_at_complete", "leaves_at_continue"}) {
    const findings found = with_fault(name, {.lost_activities = true});
    BOOST_TEST(!found.differences.empty(), name);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
