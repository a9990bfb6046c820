// The judge's own trial: each fault that it is there for, planted.
#include "real/cluster_oracle.hpp"
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace perdura::tests {

namespace {

using namespace persistence;
using std::chrono::milliseconds;

/// A node that was killed while one activity ran and one had its result, and
/// what it has at rest.
struct two_looks {
  disk_reading killed;
  disk_reading rested;
  witness_counts killed_witness{{"a/x/1#1", 1}, {"a/x/2#1", 1}};
  witness_counts rested_witness{{"a/x/1#1", 1}, {"a/x/2#1", 2}};

  two_looks() {
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

  std::string judge() const {
    node_oracle judging;
    judging.look(killed, killed_witness);
    judging.look(rested, rested_witness, true);
    std::string all;
    for (const std::string& each : judging.complaints())
      all += (all.empty() ? "" : "; ") + each;
    return all;
  }
};

void expect(const std::string& sentence,
            const std::function<void(two_looks&)>& plant) {
  two_looks looks;
  plant(looks);
  BOOST_TEST(looks.judge() == sentence);
}

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_oracle)

BOOST_AUTO_TEST_CASE(what_is_right_is_not_complained_of) {
  expect("", [](two_looks&) {});
}

BOOST_AUTO_TEST_CASE(each_planted_fault_is_found) {
  expect("the result of a/x/1 was journaled, and it ran again; "
         "a/x/1#1 ran 2 times; only ends of the node explain 0 repeats",
         [](two_looks& x) { x.rested_witness["a/x/1#1"] = 2; });
  expect("a/x/2#1 ran 3 times; only ends of the node explain 1 repeats",
         [](two_looks& x) { x.rested_witness["a/x/2#1"] = 3; });
  expect("a/x/3 has a result, and nobody has seen it run",
         [](two_looks& x) { x.rested.results.insert("a/x/3"); });
  expect("a is gone", [](two_looks& x) { x.rested.instances.clear(); });
  expect("the history of a is not the earlier one with more",
         [](two_looks& x) { x.rested.instances["a"].history.resize(2); });
  expect("the history of a is not the earlier one with more", [](two_looks& x) {
    x.rested.instances["a"].history[1].body = task_completed{1, "7"};
  });
  expect("a had ended, and has another end now", [](two_looks& x) {
    x.killed.instances["a"].record.status = runtime_status::completed;
    x.killed.instances["a"].record.ended_at += milliseconds(20);
    x.killed.instances["a"].output = "null";
  });
  expect("a has not ended", [](two_looks& x) {
    x.rested.instances["a"].record.status = runtime_status::running;
  });
  expect("a timer of a fired early", [](two_looks& x) {
    x.rested.instances["a"].history.push_back(
      {{}, timer_fired{4, timestamp(milliseconds(1))}});
  });
  expect("a was terminated, and scheduled more", [](two_looks& x) {
    auto& history = x.rested.instances["a"].history;
    history.push_back({{}, execution_terminated{"enough"}});
    history.push_back({{}, timer_created{4, {}}});
  });
  expect("a has slept less than 20 ms", [](two_looks& x) {
    x.rested.instances["a"].record.ended_at -= milliseconds(1);
  });
  expect("messages have stayed in the outbox",
         [](two_looks& x) { x.rested.outbox_messages = 1; });
  expect("work is under way at rest",
         [](two_looks& x) { x.rested.turns_due = 1; });
}

BOOST_AUTO_TEST_CASE(a_partition_that_went_back_is_found) {
  const partition_id three{3};
  expect("partition 3 is gone",
         [](two_looks& x) { x.rested.partitions.clear(); });
  expect("partition 3 was made anew", [&](two_looks& x) {
    x.rested.partitions[three].incarnation = "other";
  });
  expect("partition 3 has an older epoch than before",
         [&](two_looks& x) { x.rested.partitions[three].epoch = 1; });
  expect("partition 3 has lost turns",
         [&](two_looks& x) { x.rested.partitions[three].sequence = 9; });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
