// SPDX-License-Identifier: Apache-2.0
// Plants each kind of fault and expects the node checker to report it.
#include "real/node_checker.hpp"
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace perdura::tests {

namespace {

using namespace persistence;
using std::chrono::milliseconds;

/// A valid sample: a node that was killed while one activity ran and another
/// one already had its result, and the same node after all instances have
/// ended.
struct two_readings {
  disk_reading killed;
  disk_reading rested;
  witness_counts killed_witness{{"a/x/1#1", 1}, {"a/x/2#1", 1}};
  witness_counts rested_witness{{"a/x/1#1", 1}, {"a/x/2#1", 2}};

  two_readings() {
    instance_on_disk& one = killed.instances["a"];
    one.record.name = "Sleep";
    one.record.execution = "x";
    one.record.status = runtime_status::running;
    one.input = "20";
    one.history.push_back({{}, task_scheduled{1, "Square", "1"}});
    one.history.push_back({{}, task_completed{1, "1"}});
    one.history.push_back({{}, task_scheduled{2, "Square", "2"}});
    killed.results = {"a/x/1"};
    killed.partitions[partition_id{3}] = {"inc", 2, 10, {}};
    killed.activities_open = 1;
    rested = killed;
    rested.activities_open = 0;
    rested.results = {"a/x/1", "a/x/2"};
    rested.partitions[partition_id{3}] = {"inc", 3, 20, {}};
    instance_on_disk& ended = rested.instances["a"];
    ended.record.status = runtime_status::completed;
    ended.record.ended_at = ended.record.created_at + milliseconds(20);
    ended.output = "\"slept\"";
    ended.history.push_back({{}, task_completed{2, "4"}});
  }

  std::string check() const {
    node_checker checker;
    checker.check(killed, killed_witness);
    checker.check(rested, rested_witness, true);
    std::string all;
    for (const std::string& each : checker.violations())
      all += (all.empty() ? "" : "; ") + each;
    return all;
  }
};

/// Plants a fault in the valid sample and expects this violation.
void expect(const std::string& sentence,
            const std::function<void(two_readings&)>& plant) {
  two_readings readings;
  plant(readings);
  BOOST_TEST(readings.check() == sentence);
}

} // namespace

BOOST_AUTO_TEST_SUITE(node_checker_suite)

BOOST_AUTO_TEST_CASE(valid_sample_is_accepted) {
  expect("", [](two_readings&) {});
}

BOOST_AUTO_TEST_CASE(each_planted_fault_is_reported) {
  expect("a/x/1 ran again after its result was journaled; "
         "a/x/1#1 ran 2 times; ends of the node explain only 0 repeats",
         [](two_readings& x) { x.rested_witness["a/x/1#1"] = 2; });
  expect("a/x/2#1 ran 3 times; ends of the node explain only 1 repeats",
         [](two_readings& x) { x.rested_witness["a/x/2#1"] = 3; });
  expect("a/x/3 has a result, but no run of it was recorded",
         [](two_readings& x) { x.rested.results.insert("a/x/3"); });
  expect("a is missing", [](two_readings& x) { x.rested.instances.clear(); });
  expect("the history of a does not begin with its earlier events",
         [](two_readings& x) { x.rested.instances["a"].history.resize(2); });
  expect("the history of a does not begin with its earlier events",
         [](two_readings& x) {
           x.rested.instances["a"].history[1].body = task_completed{1, "7"};
         });
  expect("a had ended, and its end has changed", [](two_readings& x) {
    x.killed.instances["a"].record.status = runtime_status::completed;
    x.killed.instances["a"].record.ended_at += milliseconds(20);
    x.killed.instances["a"].output = "null";
  });
  expect("a has not ended", [](two_readings& x) {
    x.rested.instances["a"].record.status = runtime_status::running;
  });
  expect("a timer of a fired early", [](two_readings& x) {
    x.rested.instances["a"].history.push_back(
      {{}, timer_fired{4, timestamp(milliseconds(1))}});
  });
  expect("a scheduled work after it was terminated", [](two_readings& x) {
    auto& history = x.rested.instances["a"].history;
    history.push_back({{}, execution_terminated{"enough"}});
    history.push_back({{}, timer_created{4, {}}});
  });
  expect("a has slept less than 20 ms", [](two_readings& x) {
    x.rested.instances["a"].record.ended_at -= milliseconds(1);
  });
  expect("messages are left in the outbox",
         [](two_readings& x) { x.rested.outbox_messages = 1; });
  expect("turns or activities are left after all instances ended",
         [](two_readings& x) { x.rested.turns_due = 1; });
}

BOOST_AUTO_TEST_CASE(partition_with_older_state_is_reported) {
  const partition_id three{3};
  expect("partition 3 is missing",
         [](two_readings& x) { x.rested.partitions.clear(); });
  expect("partition 3 has a new incarnation", [&](two_readings& x) {
    x.rested.partitions[three].incarnation = "other";
  });
  expect("partition 3 has an older epoch than before",
         [&](two_readings& x) { x.rested.partitions[three].epoch = 1; });
  expect("partition 3 has lost turns",
         [&](two_readings& x) { x.rested.partitions[three].sequence = 9; });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
