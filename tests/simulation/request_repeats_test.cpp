// SPDX-License-Identifier: Apache-2.0
// Many callers of one instance, crashes at every commit, and all callers repeat
// (finding B5).
#include "tests/simulation/scenario.hpp"
#include "tests/support/lmdb_opener.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

constexpr int callers = 400;
constexpr int batch = 50;

raise_event event_of(int caller) {
  return {"shared", "E", std::to_string(caller),
          "caller-" + std::to_string(caller)};
}

/// The events of all callers at the end.
struct outcome {
  std::size_t events = 0;   ///< Stored events.
  std::size_t distinct = 0; ///< Stored events with different data.
  std::vector<std::string> refusals;
  std::vector<std::string> violations;
  unsigned points = 0; ///< Crash points that were reached.
  unsigned starts = 0;
};

/// 400 callers send one event each, in batches; the process crashes at the
/// n-th crash point; each caller whose answer was lost repeats. Then all
/// callers repeat once more. 0 means no crash.
outcome run(unsigned n, node_options options) {
  outcome out;
  options.functions = sample_functions();
  bool crashed = false;
  options.crash
    = [&](crash_point) { return !crashed && (crashed = ++out.points == n); };
  deterministic_node node(std::move(options));
  start_instance start;
  start.id = "shared";
  start.name = "Collect";
  start.input = std::to_string(callers / 2); // the others stay unread
  start.request = "start";
  start.execution = "0123456789abcdef0123456789abcdef";
  node.ask(start);
  std::vector<deterministic_node::ticket> tickets;
  for (int caller = 0; caller < callers; ++caller) {
    tickets.push_back(node.submit(event_of(caller)));
    if (caller % batch == batch - 1)
      for (int steps = 0; steps < 7; ++steps)
        node.step();
  }
  node.run_until_idle();
  for (int caller = 0; caller < callers; ++caller)
    tickets.push_back(node.submit(event_of(caller)));
  node.run_until_idle();
  for (const auto ticket : tickets)
    if (const management_answer* answer = node.answer_to(ticket);
        answer == nullptr)
      out.refusals.emplace_back("not answered");
    else if (answer->code != errc::ok && answer->code != errc::already_finished)
      out.refusals.emplace_back(to_string(answer->code));
  std::set<std::string> acknowledged;
  for (std::size_t i = 0; i < tickets.size(); ++i)
    if (const management_answer* answer = node.answer_to(tickets[i]);
        answer != nullptr && answer->code == errc::ok)
      acknowledged.insert(std::to_string(i % callers));
  std::set<std::string> seen;
  const auto note = [&](const history_event& event) {
    if (const auto* raised = std::get_if<event_raised>(&event.body)) {
      ++out.events;
      seen.insert(raised->input);
    }
  };
  for (const history_event& event : node.history_of("shared"))
    note(event);
  const auto shared = node.stored("shared");
  for (const auto& [number, message] : shared->inbox)
    note(message.event);
  out.distinct = seen.size();
  if (seen != acknowledged)
    out.refusals.emplace_back(
      "the acknowledged events are not the stored ones");
  node.check_at_rest();
  out.violations = node.violations;
  out.starts = node.start_count();
  return out;
}

void check_all(const std::function<node_options()>& make) {
  const unsigned points = run(0, make()).points;
  BOOST_TEST(points > 10U);
  for (unsigned n = 1; n <= points; ++n)
    BOOST_TEST_CONTEXT("crash " << n) {
      const outcome out = run(n, make());
      BOOST_TEST(out.starts == 2U);
      BOOST_TEST(out.events == out.distinct);
      BOOST_TEST(out.events >= static_cast<std::size_t>(callers / 2));
      for (const std::string& each : out.refusals)
        BOOST_ERROR(each);
      for (const std::string& each : out.violations)
        BOOST_ERROR(each);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(request_repeats)

BOOST_AUTO_TEST_CASE(no_event_is_counted_twice_in_memory) {
  check_all([] { return node_options{}; });
}

BOOST_AUTO_TEST_CASE(no_event_is_counted_twice_on_lmdb) {
  check_all([] {
    node_options options;
    options.open = make_lmdb_opener(options.partitions);
    return options;
  });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
