// SPDX-License-Identifier: Apache-2.0
// The outbox to a partition whose node is away (finding B2): a bounded part is
// in memory, a start does not load it, and turns that would add messages to a
// full one wait.
#include "actors/partition/outbox_age.hpp"
#include "persistence/journal/memory_journal.hpp"
#include "persistence/views/rows.hpp"
#include "tests/actors/partition_fixture.hpp"
#include "tests/support/contains.hpp"

#include <nlohmann/json.hpp>

#include <map>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

namespace {

/// Two partitions on storage that tests can damage. The outbox of a partition
/// is full at `messages_max` messages.
struct outbox_bounds : partition_fixture {
  explicit outbox_bounds(std::uint64_t messages_max = 10'000,
                         std::function<bool(crash_point)> crash = {})
    : outbox_bounds(make_memory_disk(2), messages_max, std::move(crash)) {}

  outbox_bounds(std::shared_ptr<memory_disk> used, std::uint64_t messages_max,
                std::function<bool(crash_point)> crash)
    : partition_fixture(options_on(used, messages_max, std::move(crash))),
      disk(std::move(used)) {}

  static node_options options_on(std::shared_ptr<memory_disk> disk,
                                 std::uint64_t messages_max,
                                 std::function<bool(crash_point)> crash) {
    node_options options;
    options.partitions = 2;
    options.open = [disk](crash_hook hook) {
      memory_journal_options settings;
      settings.crash = std::move(hook);
      return open_memory_journal(disk, settings).value();
    };
    options.adjust = [messages_max](partition_config& config) {
      config.outbox_messages_max = messages_max;
    };
    options.crash = std::move(crash);
    return options;
  }

  instance_id id_in(partition_id partition, int which = 0) const {
    for (int i = 0;; ++i) {
      const instance_id id = "id-" + std::to_string(i);
      if (partition_by_fnv(id, 2) == partition && which-- == 0)
        return id;
    }
  }

  const instance_id receiver = id_in(p1);

  /// Starts an instance that waits for as many events.
  void expect_events(int count) {
    start_and_wait(receiver, "Collect", std::to_string(count));
    node.run_until_idle();
  }

  static std::string sender_input(const instance_id& to, int count) {
    return R"({"to":")" + to + R"(","count":)" + std::to_string(count) + "}";
  }

  /// Starts an instance of p0 that sends events.
  ticket send(int which, int count) {
    return node.submit(
      start_request(id_in(p0, which), "Sender", sender_input(receiver, count)));
  }

  /// Makes all steps of p0. The other partition is away: messages to it stay
  /// in its mailbox.
  void run_p0() {
    while (node.process_mailbox(p0) || node.run_turn() || node.commit()
           || node.check_time(p0)) {
    }
  }

  outbox_figures figures() {
    return node.partition(p0).outbox();
  }

  bool is_completed(int which) {
    return status_of(id_in(p0, which)) == runtime_status::completed;
  }

  std::size_t waiting_in_stuck() {
    const auto list = node.partition(p0).stuck();
    return static_cast<std::size_t>(
      std::count_if(list.begin(), list.end(), [](const auto& one) {
        return contains(one.second, "limits.outbox_messages_max");
      }));
  }

  /// The events that the receiver has got, as numbers.
  std::vector<int> received() {
    return nlohmann::json::parse(output_of(receiver)).get<std::vector<int>>();
  }

  std::shared_ptr<memory_disk> disk;
};

/// `count` numbers from 0, `times` times.
std::vector<int> series(int count, int times = 1) {
  std::vector<int> all;
  for (int i = 0; i < times * count; ++i)
    all.push_back(i % count);
  return all;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(outbox_bounds_suite, outbox_bounds)

BOOST_AUTO_TEST_CASE(only_a_part_of_a_long_outbox_is_in_memory) {
  constexpr int many = 5'000;
  expect_events(many);
  send(0, many);
  run_p0();
  BOOST_TEST(figures().messages == 5'000U);
  BOOST_TEST(figures().memory_messages < 2'000U);
  BOOST_TEST(figures().memory_bytes <= outbox_bytes_per_destination_max);
  BOOST_TEST(node.partition(p0).durable().outbox_bytes
             == figures().memory_bytes);
  node.run_until_idle();
  BOOST_TEST(received() == series(many), boost::test_tools::per_element());
  node.check_at_rest();
}

// One destination that is away leaves space in memory for the others.
BOOST_AUTO_TEST_CASE(destination_that_answers_is_served_from_memory) {
  send(0, 3'000);
  run_p0();
  const instance_id near = id_in(p0, 1);
  node.submit(start_request(near, "Collect", "5"));
  run_p0();
  std::size_t pages = 0;
  node.journal().on_outbox_read = [&](std::size_t) { ++pages; };
  node.submit(start_request(id_in(p0, 2), "Sender", sender_input(near, 5)));
  run_p0();
  BOOST_TEST((status_of(near) == runtime_status::completed));
  BOOST_TEST(pages == 0U);
  node.mailboxes[1].clear();
}

BOOST_AUTO_TEST_CASE(start_loads_no_message) {
  constexpr int many = 3'000;
  expect_events(many);
  send(0, many);
  run_p0();
  node.crash_and_recover();
  BOOST_TEST(figures().messages == 3'000U);
  BOOST_TEST(figures().memory_messages == 0U);
  BOOST_TEST(node.mailboxes[1].size() <= 1'024U);
  node.run_until_idle();
  BOOST_TEST(received() == series(many), boost::test_tools::per_element());
  node.check_at_rest();
}

// Messages that are in memory, on disk and not flushed yet, in each order.
BOOST_AUTO_TEST_CASE(pages_of_rows_and_of_turns_in_memory_have_no_gap) {
  for (const bool flushes : {false, true})
    for (const bool restarts : {false, true}) {
      outbox_bounds now;
      constexpr int each = 1'100;
      now.expect_events(3 * each);
      for (int i = 0; i < 3; ++i) {
        now.send(i, each);
        now.run_p0();
        if (flushes && i == 1)
          now.node.flush_views(false);
        if (restarts && i == 1) {
          now.node.crash_and_recover();
          now.run_p0();
        }
      }
      now.node.run_until_idle();
      BOOST_TEST(now.received() == series(each, 3),
                 boost::test_tools::per_element());
      now.node.check_at_rest();
    }
}

// A window is bounded by its size, too.
BOOST_AUTO_TEST_CASE(large_messages_are_sent_one_after_the_other) {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions);
  functions->add_orchestrator(
    "SendsLarge", [](orchestration_context& ctx, std::string to) -> task<int> {
      for (int i = 0; i < 12; ++i)
        ctx.send_event(to, "E", std::string(700'000, 'x'));
      co_return 1;
    });
  functions->add_orchestrator(
    "Counts", [](orchestration_context& ctx, int count) -> task<int> {
      for (int i = 0; i < count; ++i)
        co_await ctx.wait_for_external_event<std::string>("E");
      co_return count;
    });
  node.set_functions(functions);
  node.crash_and_recover();
  start_and_wait(receiver, "Counts", "12");
  node.run_until_idle();
  node.submit(start_request(id_in(p0), "SendsLarge", '"' + receiver + '"'));
  run_p0();
  BOOST_TEST(figures().messages == 12U);
  BOOST_TEST(figures().memory_messages == 0U);
  BOOST_TEST(node.mailboxes[1].size() == 2U);
  BOOST_TEST(node.run_until(
    [&] { return status_of(receiver) == runtime_status::completed; }));
  node.check_at_rest();
}

// A lost window is read and sent again when the node returns, and by a probe.
BOOST_AUTO_TEST_CASE(lost_messages_are_read_again) {
  for (const bool returns : {true, false}) {
    outbox_bounds now;
    constexpr int many = 2'500;
    now.expect_events(many);
    now.send(0, many);
    now.run_p0();
    now.node.mailboxes[1].clear();
    if (returns)
      now.node.partition(p0).resend(std::vector{p1});
    BOOST_TEST(now.node.run_until([&] {
      return now.status_of(now.receiver) == runtime_status::completed;
    }));
    BOOST_TEST(now.received() == series(many),
               boost::test_tools::per_element());
  }
}

// A message whose row is damaged is lost, and named; the others arrive.
BOOST_AUTO_TEST_CASE(damaged_message_is_found_when_it_is_sent) {
  constexpr int many = 3'000;
  expect_events(many - 1);
  send(0, many);
  run_p0();
  node.flush_views();
  node.mailboxes[1].clear();
  disk->at(0).rows.rows(table::outbox).at(outbox_key(p0, p1, 2'500))[20] ^= 4;
  // The check at the start reads the damaged message, too.
  node.crash_and_recover();
  BOOST_TEST(!node.violations.empty());
  node.violations.clear();
  node.run_until_idle();
  BOOST_TEST((status_of(receiver) == runtime_status::completed));
  const auto list = node.partition(p0).stuck();
  BOOST_TEST(std::any_of(list.begin(), list.end(), [](const auto& one) {
    return one.first.empty() && contains(one.second, "message 2500 from");
  }));
}

// --- Back-pressure -----------------------------------------------------------

BOOST_AUTO_TEST_CASE(turn_waits_while_the_outbox_is_full) {
  outbox_bounds now(100);
  now.expect_events(240);
  for (int i = 0; i < 2; ++i) {
    now.send(i, 60);
    now.run_p0();
    BOOST_TEST(now.is_completed(i));
  }
  // The start is accepted, and the turn waits.
  for (int i = 2; i < 4; ++i) {
    const auto started = now.send(i, 60);
    now.run_p0();
    BOOST_TEST((now.code_of(started) == errc::ok));
    BOOST_TEST((now.status_of(now.id_in(p0, i)) == runtime_status::pending));
  }
  BOOST_TEST(now.figures().messages == 120U);
  BOOST_TEST(now.figures().turns_waiting == 2U);
  BOOST_TEST(now.waiting_in_stuck() == 2U);
  now.node.run_until_idle();
  BOOST_TEST(now.received() == series(60, 4), boost::test_tools::per_element());
  BOOST_TEST(now.is_completed(3));
  BOOST_TEST(now.waiting_in_stuck() == 0U);
  now.node.check_at_rest();
}

// Other instances of the partition do not wait.
BOOST_AUTO_TEST_CASE(turns_without_messages_to_a_full_outbox_run) {
  outbox_bounds now(10);
  now.send(0, 20);
  now.send(1, 20);
  now.run_p0();
  const instance_id near = now.id_in(p0, 2);
  now.node.submit(start_request(near, "Collect", "3"));
  now.run_p0();
  now.node.submit(
    start_request(now.id_in(p0, 3), "Sender", sender_input(near, 3)));
  now.run_p0();
  BOOST_TEST((now.status_of(near) == runtime_status::completed));
  BOOST_TEST(now.figures().turns_waiting == 1U);
}

// A turn that waits survives a start; its messages are sent once.
BOOST_AUTO_TEST_CASE(waiting_turn_runs_after_a_start) {
  outbox_bounds now(10);
  now.expect_events(60);
  for (int i = 0; i < 3; ++i) {
    now.send(i, 20);
    now.run_p0();
  }
  BOOST_TEST(now.figures().turns_waiting == 2U);
  now.node.crash_and_recover();
  now.run_p0();
  BOOST_TEST(now.figures().turns_waiting == 2U);
  now.node.run_until_idle();
  BOOST_TEST(now.received().size() == 60U);
  now.node.check_at_rest();
}

BOOST_AUTO_TEST_CASE(waiting_instance_obeys_control_requests) {
  outbox_bounds now(10);
  now.expect_events(20);
  now.send(0, 20);
  for (int i = 1; i < 4; ++i)
    now.send(i, 20);
  now.run_p0();
  BOOST_TEST(now.figures().turns_waiting == 3U);
  const instance_id ended = now.id_in(p0, 1);
  const instance_id replaced = now.id_in(p0, 2);
  const auto submit_all = [&](std::vector<management_request> requests) {
    for (management_request& each : requests) {
      const auto answer = now.node.submit(std::move(each));
      now.run_p0();
      BOOST_TEST((now.code_of(answer) == errc::ok));
    }
  };
  submit_all({terminate_instance{ended, "reason", false, "t1"},
              terminate_instance{replaced, "reason", false, "t2"},
              purge_instance{replaced}, start_request(replaced, "Waits"),
              suspend_instance{now.id_in(p0, 3), "reason", "s"}});
  BOOST_TEST((now.status_of(ended) == runtime_status::terminated));
  BOOST_TEST((now.status_of(replaced) == runtime_status::running));
  now.node.run_until_idle();
  BOOST_TEST(now.received() == series(20), boost::test_tools::per_element());
  BOOST_TEST(
    (now.node.ask(resume_instance{now.id_in(p0, 3), "reason", "r"}).code
     == errc::ok));
  now.node.run_until_idle();
  BOOST_TEST(now.is_completed(3));
  now.node.check_at_rest();
}

// Sub-orchestrations: the starts of the children, and the reports of their ends
// to the parents.
BOOST_AUTO_TEST_CASE(trees_pass_through_full_outboxes) {
  outbox_bounds now(3);
  for (int i = 0; i < 6; ++i)
    now.node.submit(start_request(now.id_in(i % 2 == 0 ? p0 : p1, i), "Family",
                                  R"({"name":"Give","input":1,"count":20})"));
  BOOST_TEST(
    now.node.run_until([&] { return now.node.rows().size() == 126U; }));
  now.node.run_until_idle();
  for (const instance_row& row : now.node.rows())
    BOOST_TEST((row.record.status == runtime_status::completed), row.id);
  now.node.check_at_rest();
}

// A crash before and after each commit of the journal and of the views: each
// message arrives once, and those of one sender in order.
BOOST_AUTO_TEST_CASE(crashes_lose_and_repeat_no_message_of_a_full_outbox) {
  for (const crash_point point :
       {crash_point::before_commit, crash_point::after_commit,
        crash_point::before_views_commit, crash_point::after_views_commit}) {
    bool reached = true;
    for (unsigned n = 1; reached; ++n) {
      unsigned left = n;
      reached = false;
      outbox_bounds now(25, [&](crash_point at) {
        if (at != point || left == 0 || --left > 0)
          return false;
        reached = true;
        return true;
      });
      now.node.submit(start_request(now.receiver, "Collect", "80"));
      for (int i = 0; i < 4; ++i)
        now.send(i, 20);
      BOOST_TEST_REQUIRE(now.node.run_until([&] {
        const auto stored = now.node.stored(now.receiver);
        return stored && is_finished(stored->record.status);
      }));
      const std::vector<int> got = now.received();
      BOOST_TEST(got.size() == 80U);
      std::map<int, int> times;
      for (const int each : got)
        ++times[each];
      BOOST_TEST(times.size() == 20U);
      for (const auto& [value, count] : times)
        BOOST_TEST(count == 4, "crash " << n << ", event " << value);
      now.node.check_at_rest();
    }
  }
}

// --- The age of the oldest message -------------------------------------------

BOOST_AUTO_TEST_CASE(metrics_name_the_oldest_message_of_each_destination) {
  const timestamp before = node.clock.now();
  send(0, 5);
  run_p0();
  node.clock.advance(40s);
  send(1, 5);
  run_p0();
  const auto found = figures();
  BOOST_TEST_REQUIRE(found.destinations.size() == 1U);
  BOOST_TEST(found.destinations[0].partition == 1U);
  BOOST_TEST(found.destinations[0].messages == 10U);
  BOOST_TEST((found.destinations[0].oldest >= 40s));
  BOOST_TEST((found.destinations[0].oldest <= node.clock.now() - before));
  node.run_until_idle();
  BOOST_TEST(figures().destinations.empty());
}

BOOST_AUTO_TEST_CASE(age_follows_the_acknowledgements) {
  outbox_age age;
  const auto second
    = [](int n) { return elapsed_time(std::chrono::seconds(n)); };
  BOOST_TEST(!age.oldest());
  for (int i = 0; i < 1'000; ++i)
    age.add(static_cast<std::uint64_t>(10 * i + 1), second(i));
  BOOST_TEST((age.oldest() == second(0)));
  // It is never less than the true one.
  for (int i = 0; i < 1'000; i += 50) {
    age.acknowledge(static_cast<std::uint64_t>(10 * i + 5), 10'000);
    BOOST_TEST((age.oldest() <= second(i)));
  }
  age.acknowledge(10'000, 10'000);
  BOOST_TEST(!age.oldest());
  age.add(10'001, second(2'000));
  BOOST_TEST((age.oldest() == second(2'000)));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
