#include "tests/simulation/scenario.hpp"
#include "tests/support/disk.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>

// Every scenario, crashed at its 1st, 2nd … last commit, before and after it,
// and again while coming back, ends as it does without a crash.

namespace perdura::tests {

namespace {

/// What went wrong, with the crash that brought it about.
struct findings {
  unsigned runs = 0;
  std::vector<std::string> differences;
  std::vector<std::string> complaints;

  std::string first() const {
    if (!differences.empty())
      return differences.front();
    return complaints.empty() ? "" : complaints.front();
  }
};

void compare(findings& into, const ending& whole, const ending& crashed,
             const std::string& plan) {
  ++into.runs;
  for (const std::string& line : differences(whole, crashed))
    into.differences.push_back("crash " + plan + ": " + line);
  for (const std::string& line : crashed.complaints)
    into.complaints.push_back("crash " + plan + ": " + line);
}

const crash_point all_points[]
  = {crash_point::before_commit, crash_point::after_commit,
     crash_point::before_views_commit, crash_point::after_views_commit};

/// `whole` is how it ends without a crash. Crashes at every point of every
/// kind; with `again`, also while the node comes back.
findings crash_at_every_point(const scenario& what, const ending& whole,
                              const std::function<node_options()>& make,
                              const std::vector<unsigned>& again) {
  findings found;
  for (const crash_point point : all_points) {
    auto passed = whole.points.find(point);
    const unsigned most = passed == whole.points.end() ? 0 : passed->second;
    for (unsigned n = 1; n <= most; ++n)
      for (const unsigned times : again) {
        const crash_plan plan{point, n, times};
        const ending crashed = play(what, plan, make());
        if (crashed.lives == 1)
          found.complaints.push_back(plan.text() + " is never passed");
        compare(found, whole, crashed, plan.text());
      }
  }
  return found;
}

node_options on_twin() {
  return {};
}

node_options on_twin_message_by_message() {
  node_options how;
  how.one_message_a_take = true;
  how.views_every = 1;
  return how;
}

/// Nothing stays in memory: each turn is a replay.
node_options on_twin_evicting() {
  node_options how;
  how.adjust = [](partition_config& config) { config.idle_instances_max = 0; };
  return how;
}

node_options on_twin_of_two_lanes() {
  node_options how;
  how.open = open_in_memory(how.partitions, 2);
  return how;
}

node_options on_lmdb_disk() {
  node_options how;
  how.open = open_on_lmdb(how.partitions);
  return how;
}

void check(const findings& found) {
  BOOST_TEST(found.differences.empty(), found.first());
  BOOST_TEST(found.complaints.empty(), found.first());
}

enum class order : std::uint8_t { as_always, another };

/// All stories; uncrashed, they end as they do on the twin if messages are
/// taken in the same order.
void check_all(const std::function<node_options()>& make,
               const std::vector<unsigned>& again,
               order taken = order::as_always) {
  unsigned runs = 0;
  for (const scenario& one : scenarios()) {
    BOOST_TEST_CONTEXT(one.name) {
      const ending whole = play(one, {}, make());
      BOOST_TEST(whole.lives == 1U);
      for (const std::string& complaint : whole.complaints)
        BOOST_ERROR(complaint);
      if (taken == order::as_always)
        for (const std::string& line : differences(play(one), whole))
          BOOST_ERROR(line);
      const findings found = crash_at_every_point(one, whole, make, again);
      check(found);
      runs += found.runs;
    }
  }
  BOOST_TEST_MESSAGE(runs << " crashes");
}

} // namespace

BOOST_AUTO_TEST_SUITE(crash_everywhere)

BOOST_AUTO_TEST_CASE(on_the_twin_also_while_coming_back) {
  check_all(on_twin, {0, 4});
}

BOOST_AUTO_TEST_CASE(message_by_message) {
  check_all(on_twin_message_by_message, {0}, order::another);
}

BOOST_AUTO_TEST_CASE(with_every_turn_a_replay) {
  check_all(on_twin_evicting, {0});
}

BOOST_AUTO_TEST_CASE(on_two_lanes) {
  check_all(on_twin_of_two_lanes, {0});
}

BOOST_AUTO_TEST_CASE(on_lmdb) {
  check_all(on_lmdb_disk, {0});
}

BOOST_AUTO_TEST_CASE(on_lmdb_also_while_coming_back) {
  for (const char* const name : {"hello", "parent", "counter", "fails_once"}) {
    const scenario& one = find_scenario(name);
    const ending whole = play(one, {}, on_lmdb_disk());
    check(crash_at_every_point(one, whole, on_lmdb_disk, {4}));
  }
}

BOOST_AUTO_TEST_SUITE_END()

// A check that cannot fail is a defect: each planted bug turns it red.
BOOST_AUTO_TEST_SUITE(crash_everywhere_with_a_planted_bug)

namespace {

findings with_fault(const char* name, planted_faults faults) {
  const scenario& one = find_scenario(name);
  return crash_at_every_point(one, play(one),
                              [&] {
                                node_options how;
                                how.faults = faults;
                                return how;
                              },
                              {0});
}

} // namespace

BOOST_AUTO_TEST_CASE(an_effect_released_before_its_commit_is_seen) {
  for (const char* const name : {"hello", "approval_after", "parent"}) {
    const findings found = with_fault(name, {.early_effects = true});
    BOOST_TEST(!found.differences.empty(), name);
  }
}

BOOST_AUTO_TEST_CASE(a_lost_outbox_is_seen) {
  BOOST_TEST(!with_fault("parent", {.lost_outbox = true}).differences.empty());
}

BOOST_AUTO_TEST_CASE(lost_marks_are_seen) {
  BOOST_TEST(!with_fault("parent", {.lost_marks = true}).differences.empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
