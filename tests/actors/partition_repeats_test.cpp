// SPDX-License-Identifier: Apache-2.0
// Requests with a request ID take effect once (finding B5).
#include "actors/partition/steps.hpp"
#include "persistence/journal/memory_journal.hpp"
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;
using namespace std::chrono_literals;

namespace {

struct repeats_fixture : partition_fixture {
  explicit repeats_fixture(std::uint64_t keys_max = 1'000'000,
                           std::uint64_t key_bytes = 64U << 20)
    : partition_fixture(options(keys_max, key_bytes)) {}

  static node_options options(std::uint64_t keys_max, std::uint64_t key_bytes) {
    node_options made;
    made.adjust = [=](partition_config& config) {
      config.request_keys_max = keys_max;
      config.request_key_bytes_max = key_bytes;
    };
    return made;
  }

  static start_instance start(const instance_id& id, const std::string& name,
                              const std::string& input,
                              const request_id& request) {
    start_instance made = start_request(id, name, input);
    made.request = request;
    return made;
  }

  errc ask(management_request request) {
    const errc code = node.ask(std::move(request)).code;
    node.run_until_idle();
    return code;
  }

  std::size_t unread(const instance_id& id) {
    return node.stored(id)->inbox.size();
  }

  const request_windows& windows() {
    return node.partition(p0).durable().request_windows;
  }

  std::uint64_t keys() {
    std::uint64_t sum = 0;
    for (const request_count& each : windows())
      sum += each.keys;
    return sum;
  }
};

struct three_keys : repeats_fixture {
  three_keys() : repeats_fixture(3) {}
};

/// Space for two answers to starts, and not for three.
struct few_bytes : repeats_fixture {
  few_bytes() : repeats_fixture(1'000'000, 230) {}
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_repeats, repeats_fixture)

// 400 callers raise one event each. The process crashes, and all repeat.
BOOST_AUTO_TEST_CASE(four_hundred_callers_repeat_after_a_crash) {
  start_and_wait("a", "Collect", "400");
  std::vector<raise_event> events;
  for (int i = 0; i < 400; ++i)
    events.push_back(
      {"a", "E", std::to_string(i), "caller-" + std::to_string(i)});
  for (const raise_event& each : events)
    node.submit(each);
  process_messages();
  node.commit();
  for (int crashes = 0; crashes < 3; ++crashes) {
    node.crash_and_recover();
    for (const raise_event& each : events)
      node.submit(each);
    node.run_until_idle();
    for (const raise_event& each : events)
      BOOST_TEST_REQUIRE((ask(each) == errc::ok));
  }
  BOOST_TEST(count("a", "EventRaised") == 400U);
  BOOST_TEST((status_of("a") == runtime_status::completed));
  BOOST_TEST(unread("a") == 0U);
}

// Each operation is carried out once; the repeat makes no commit, before and
// after a crash.
BOOST_AUTO_TEST_CASE(a_repeat_of_each_operation_has_no_effect) {
  start_and_wait("b", "Waits");
  start_and_wait("failed", "Collect", "\"no number\"");
  node.run_until_idle();
  BOOST_REQUIRE((status_of("failed") == runtime_status::failed));
  start_and_wait("done", "Give", "1");
  node.run_until_idle();
  const std::vector<management_request> requests{
    start("a", "Waits", "null", "k1"),
    raise_event{"a", "Other", "1", "k2"},
    suspend_instance{"b", "why", "k3"},
    resume_instance{"b", "why", "k4"},
    rewind_instance{"failed", "why", "k5"},
    release_instance_request{"b", "k6"},
    terminate_instance{"b", "why", false, "k7"},
    purge_instance{"done", "k8"},
  };
  for (const management_request& each : requests) {
    const instance_id id = instance_of(each);
    BOOST_TEST_CONTEXT("request " << each.index()) {
      BOOST_REQUIRE((ask(each) == errc::ok));
      const auto history
        = node.stored(id) ? history_of(id) : std::vector<std::string>();
      for (const bool crashes : {false, true}) {
        if (crashes) {
          node.crash_and_recover();
          node.run_until_idle();
        }
        const auto commits = node.commits();
        BOOST_TEST((ask(each) == errc::ok));
        BOOST_TEST(node.commits() == commits);
        BOOST_TEST(
          (node.stored(id) ? history_of(id) : std::vector<std::string>())
          == history);
      }
    }
  }
  BOOST_TEST(keys() == requests.size() + 3); // with three starts
  BOOST_TEST(counters().requests_repeated > 0U);
}

// A repeat gets the first answer although the instance was purged.
BOOST_AUTO_TEST_CASE(a_purge_does_not_forget_keys) {
  const start_instance first = start("a", "Give", "1", "k1");
  const management_answer answer = node.ask(first);
  node.run_until_idle();
  BOOST_TEST((ask(purge_instance{"a", "k2"}) == errc::ok));
  node.crash_and_recover();
  const management_answer again = node.ask(first);
  BOOST_TEST((again.code == errc::ok));
  BOOST_TEST(again.execution == answer.execution);
  BOOST_TEST((ask(purge_instance{"a", "k2"}) == errc::ok));
  BOOST_TEST((ask(purge_instance{"a", "k3"}) == errc::not_found));
  BOOST_TEST(!node.stored("a"));
}

// The same, before the purge is durable: the answer waits for the commit.
BOOST_AUTO_TEST_CASE(a_repeat_beside_a_purge_waits_for_the_commit) {
  const start_instance first = start("a", "Give", "1", "k1");
  node.ask(first);
  node.run_until_idle();
  const ticket one = node.submit(purge_instance{"a", "k2"});
  const ticket two = node.submit(purge_instance{"a", "k2"});
  process_messages();
  BOOST_TEST(!node.is_answered(one));
  BOOST_TEST(!node.is_answered(two));
  node.commit();
  BOOST_TEST((code_of(one) == errc::ok));
  BOOST_TEST((code_of(two) == errc::ok));
}

// A repeat does not act on the instance that has replaced the first one.
BOOST_AUTO_TEST_CASE(a_replacement_does_not_forget_keys) {
  const start_instance first = start("a", "Collect", "1", "k1");
  const management_answer answer = node.ask(first);
  const raise_event event{"a", "E", "1", "k2"};
  const terminate_instance end{"a", "why", false, "k3"};
  BOOST_TEST((ask(event) == errc::ok));
  BOOST_TEST((ask(start("a", "Waits", "null", "k4")) == errc::ok));
  BOOST_TEST((ask(event) == errc::ok));
  const management_answer again = node.ask(first);
  BOOST_TEST(again.execution == answer.execution);
  BOOST_TEST(unread("a") == 0U);
  BOOST_TEST((ask(end) == errc::ok));
  BOOST_TEST((ask(start("a", "Waits", "null", "k5")) == errc::ok));
  BOOST_TEST((ask(end) == errc::ok));
  BOOST_TEST((status_of("a") == runtime_status::running));
}

// The first request found an instance and started none. When the repeat
// arrives, the instance has ended.
BOOST_AUTO_TEST_CASE(a_repeated_get_or_start_starts_no_second_instance) {
  start_and_wait("a", "Collect", "1");
  start_instance found = start("a", "Collect", "1", "k1");
  found.get_or_start = true;
  const management_answer answer = node.ask(found);
  BOOST_TEST(!answer.created);
  BOOST_TEST((ask(raise_event{"a", "E", "1", "k2"}) == errc::ok));
  BOOST_REQUIRE((status_of("a") == runtime_status::completed));
  const management_answer again = node.ask(found);
  BOOST_TEST(again.execution == answer.execution);
  BOOST_TEST(!again.created);
  BOOST_TEST((status_of("a") == runtime_status::completed));
}

// The same for a request that joined a start in its batch.
BOOST_AUTO_TEST_CASE(a_joined_get_or_start_is_recorded) {
  const ticket first = node.submit(start("a", "Give", "1", "k1"));
  start_instance joins = start("a", "Give", "1", "k2");
  joins.get_or_start = true;
  const ticket second = node.submit(joins);
  const ticket third = node.submit(joins);
  node.run_until_idle();
  BOOST_TEST(node.answer_to(first)->created);
  BOOST_TEST(!node.answer_to(third)->created);
  const management_answer again = node.ask(joins);
  BOOST_TEST(!again.created);
  BOOST_TEST(again.execution == node.answer_to(second)->execution);
  BOOST_TEST(keys() == 2U);
}

// A success without effect is an answer too.
BOOST_AUTO_TEST_CASE(a_repeat_of_a_request_without_effect_has_none) {
  start_and_wait("a", "Waits");
  BOOST_TEST((ask(suspend_instance{"a", "", "k1"}) == errc::ok));
  BOOST_TEST((ask(suspend_instance{"a", "", "k2"}) == errc::ok));
  BOOST_TEST((ask(resume_instance{"a", "", "k3"}) == errc::ok));
  BOOST_TEST((ask(suspend_instance{"a", "", "k2"}) == errc::ok));
  BOOST_TEST((status_of("a") == runtime_status::running));
  BOOST_TEST((ask(resume_instance{"a", "", "k4"}) == errc::ok));
  BOOST_TEST((ask(suspend_instance{"a", "", "k5"}) == errc::ok));
  BOOST_TEST((ask(resume_instance{"a", "", "k4"}) == errc::ok));
  BOOST_TEST((status_of("a") == runtime_status::suspended));
}

// A refused request has no effect, so a repeat may be carried out.
BOOST_AUTO_TEST_CASE(a_refusal_is_not_recorded) {
  const raise_event event{"a", "Go", "1", "k1"};
  BOOST_TEST((ask(event) == errc::not_found));
  BOOST_TEST(keys() == 0U);
  start_and_wait("a", "Waits");
  BOOST_TEST((ask(event) == errc::ok));
  BOOST_TEST((status_of("a") == runtime_status::completed));
}

// --- Another content --------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_key_with_another_content_is_refused) {
  const start_instance first = start("a", "Waits", "1", "k1");
  BOOST_TEST((ask(first) == errc::ok));
  const auto refused = [&](auto change) {
    start_instance other = first;
    change(other);
    BOOST_TEST((ask(other) == errc::request_id_reused));
  };
  refused([](auto& x) { x.name = "Give"; });
  refused([](auto& x) { x.input = "2"; });
  refused([](auto& x) { x.version = "1"; });
  refused([](auto& x) { x.get_or_start = true; });
  refused([&](auto& x) { x.scheduled_at = node.clock.now() + 1h; });
  const raise_event event{"a", "Other", "1", "k2"};
  BOOST_TEST((ask(event) == errc::ok));
  BOOST_TEST(
    (ask(raise_event{"a", "Other", "2", "k2"}) == errc::request_id_reused));
  BOOST_TEST(
    (ask(raise_event{"a", "Othe", "r1", "k2"}) == errc::request_id_reused));
  BOOST_TEST(unread("a") == 1U);
  BOOST_TEST((ask(suspend_instance{"a", "x", "k3"}) == errc::ok));
  BOOST_TEST(
    (ask(suspend_instance{"a", "y", "k3"}) == errc::request_id_reused));
  BOOST_TEST((ask(resume_instance{"a", "x", "k3"}) == errc::request_id_reused));
  BOOST_TEST((ask(terminate_instance{"a", "x", false, "k4"}) == errc::ok));
  BOOST_TEST(
    (ask(terminate_instance{"a", "x", true, "k4"}) == errc::request_id_reused));
  // The key belongs to the instance.
  BOOST_TEST((ask(start("b", "Waits", "2", "k1")) == errc::ok));
  // The answer is also known if it is that of the first attempt only.
  BOOST_TEST((ask(first) == errc::ok));
  const std::string sentence
    = node.ask(raise_event{"a", "Other", "3", "event/k2"}).message;
  BOOST_TEST(sentence.find("a") != std::string::npos);
}

// The first request still waits for its turn.
BOOST_AUTO_TEST_CASE(another_content_is_refused_beside_a_waiting_request) {
  const ticket one = node.submit(start("a", "Collect", "2", "k1"));
  const ticket two = node.submit(start("a", "Collect", "3", "k1"));
  start_instance joins = start("a", "Collect", "2", "k2");
  joins.get_or_start = true;
  const ticket three = node.submit(joins);
  joins.input = "4";
  const ticket four = node.submit(joins);
  const ticket five = node.submit(raise_event{"a", "E", "1", "k3"});
  const ticket six = node.submit(raise_event{"a", "E", "2", "k3"});
  node.run_until_idle();
  BOOST_TEST((code_of(one) == errc::ok));
  BOOST_TEST((code_of(two) == errc::request_id_reused));
  BOOST_TEST((code_of(three) == errc::ok));
  BOOST_TEST((code_of(four) == errc::request_id_reused));
  BOOST_TEST((code_of(five) == errc::ok));
  BOOST_TEST((code_of(six) == errc::request_id_reused));
  BOOST_TEST(count("a", "EventRaised") == 1U);
}

// The instance may have changed when a restart is repeated.
BOOST_AUTO_TEST_CASE(a_restart_is_known_by_its_instance_and_key) {
  start_instance first = start("a", "Give", "1", "k1");
  first.is_restart = true;
  const management_answer answer = node.ask(first);
  node.run_until_idle();
  first.name = "";
  first.input = "2";
  BOOST_TEST(node.ask(first).execution == answer.execution);
  first.request = "k2";
  BOOST_TEST((ask(first) == errc::unknown_orchestrator));
}

// --- Time -------------------------------------------------------------------

// A key takes effect for 10 minutes of elapsed time, whatever the wall clock
// shows.
BOOST_AUTO_TEST_CASE(a_key_takes_effect_for_ten_minutes) {
  start_and_wait("a", "Waits");
  const raise_event event{"a", "Other", "1", "k1"};
  BOOST_TEST((ask(event) == errc::ok));
  node.advance_time(599s);
  node.clock.step_wall(2h);
  node.wake_all();
  BOOST_TEST((ask(event) == errc::ok));
  node.crash_and_recover();
  node.clock.step_wall(-5h);
  BOOST_TEST((ask(event) == errc::ok));
  BOOST_TEST(unread("a") == 1U);
  node.advance_time(2s);
  BOOST_TEST((ask(event) == errc::ok));
  BOOST_TEST(unread("a") == 2U);
  BOOST_TEST((ask(event) == errc::ok));
  node.crash_and_recover();
  BOOST_TEST((ask(event) == errc::ok));
  BOOST_TEST(unread("a") == 2U);
}

// The rows are deleted window by window, without a request; then the partition
// makes no further commit.
BOOST_AUTO_TEST_CASE(windows_are_deleted) {
  start_and_wait("a", "Waits");
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST(
      (ask(raise_event{"a", "Other", "1", std::to_string(i)}) == errc::ok));
    node.advance_time(4min);
    BOOST_TEST(windows().size() <= 4U);
  }
  node.advance_time(15min);
  BOOST_TEST(windows().empty());
  const auto commits = node.commits();
  node.advance_time(2h);
  BOOST_TEST(node.commits() == commits);
  node.flush_views();
  node.crash_and_recover();
  BOOST_TEST(windows().empty());
  BOOST_TEST((ask(raise_event{"a", "Other", "1", "0"}) == errc::ok));
  BOOST_TEST(unread("a") == 6U);
}

// The elapsed time continues by the wall clock after a restart of the machine,
// from the last anchor; there is one a minute while keys are recorded.
BOOST_AUTO_TEST_CASE(keys_survive_a_restart_of_the_machine) {
  start_and_wait("a", "Waits");
  const raise_event event{"a", "Other", "1", "k1"};
  node.advance_time(3h);
  BOOST_TEST((ask(event) == errc::ok));
  node.clock.step_wall(1h);
  node.wake_all();
  node.advance_time(2min);
  BOOST_TEST((ask(raise_event{"a", "Other", "1", "k2"}) == errc::ok));
  node.clock.reboot("boot-2");
  node.crash_and_recover();
  BOOST_TEST((ask(event) == errc::ok));
  BOOST_TEST(unread("a") == 2U);
  // The wall clock is set back while the machine is off.
  node.clock.reboot("boot-3");
  node.clock.step_wall(-3h);
  node.crash_and_recover();
  BOOST_TEST((ask(event) == errc::ok));
  BOOST_TEST((ask(raise_event{"a", "Other", "1", "k3"}) == errc::ok));
  BOOST_TEST((ask(raise_event{"a", "Other", "1", "k3"}) == errc::ok));
  BOOST_TEST(unread("a") == 3U);
}

// --- Bounds -----------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(at_the_bound_only_new_keys_are_refused, three_keys) {
  start_and_wait("a", "Waits"); // the first key
  const raise_event first{"a", "Other", "1", "k1"};
  BOOST_TEST((ask(first) == errc::ok));
  BOOST_TEST((ask(raise_event{"a", "Other", "1", "k2"}) == errc::ok));
  const std::vector<management_request> requests{
    start("b", "Waits", "null", "k3"), raise_event{"a", "Other", "1", "k4"},
    suspend_instance{"a", "", "k5"},   terminate_instance{"a", "", false, "k6"},
    purge_instance{"a", "k7"},         rewind_instance{"a", "", "k8"},
  };
  for (const management_request& each : requests)
    BOOST_TEST((ask(each) == errc::overloaded));
  BOOST_TEST(counters().request_keys_refused == requests.size());
  BOOST_TEST((ask(first) == errc::ok));
  BOOST_TEST((ask(raise_event{"a", "Other", "1", ""}) == errc::ok));
  BOOST_TEST((ask(start("b", "Waits", "null", "")) == errc::ok));
  BOOST_TEST((ask(terminate_instance{"b", "", false, ""}) == errc::ok));
  BOOST_TEST(unread("a") == 3U);
  BOOST_TEST(keys() == 3U);
  node.crash_and_recover();
  BOOST_TEST((ask(requests[1]) == errc::overloaded));
  node.advance_time(16min);
  BOOST_TEST((ask(requests[1]) == errc::ok));
}

// Requests that wait for a turn count too, and a repeat of one is accepted.
BOOST_FIXTURE_TEST_CASE(the_bound_holds_in_one_batch, three_keys) {
  start_and_wait("a", "Collect", "5");
  std::vector<ticket> tickets;
  for (int i = 0; i < 5; ++i)
    for (int repeats = 0; repeats < 2; ++repeats)
      tickets.push_back(
        node.submit(raise_event{"a", "E", "1", std::to_string(i)}));
  node.run_until_idle();
  for (std::size_t i = 0; i < tickets.size(); ++i)
    BOOST_TEST((code_of(tickets[i]) == (i < 4 ? errc::ok : errc::overloaded)));
  BOOST_TEST(keys() == 3U);
  BOOST_TEST(count("a", "EventRaised") == 2U);
}

BOOST_FIXTURE_TEST_CASE(the_bytes_are_bounded, few_bytes) {
  BOOST_TEST((ask(start("a", "Waits", "null", "k1")) == errc::ok));
  BOOST_TEST((ask(start("b", "Waits", "null", "k2")) == errc::ok));
  BOOST_TEST((ask(start("c", "Waits", "null", "k3")) == errc::overloaded));
  BOOST_TEST(windows().front().bytes <= 230U);
}

// Memory holds no answer whose turn is durable.
BOOST_AUTO_TEST_CASE(memory_does_not_grow_with_keys) {
  start_and_wait("a", "Waits");
  for (int i = 0; i < 1'000; ++i)
    node.submit(raise_event{"a", "Other", "1", std::to_string(i)});
  process_messages();
  BOOST_TEST(node.partition(p0).durable().requests_recent.size() == 1'000U);
  node.run_until_idle();
  BOOST_TEST(node.partition(p0).durable().requests_recent.empty());
  BOOST_TEST(windows().size() == 1U);
  node.crash_and_recover();
  BOOST_TEST(node.partition(p0).durable().requests_recent.empty());
  BOOST_TEST(keys() == 1'001U);
}

BOOST_AUTO_TEST_SUITE_END()

// --- Directories of older formats -------------------------------------------

namespace {

/// A partition that a program before format 3 has served: the instance "old"
/// has recorded answers.
struct older_fixture {
  older_fixture() {
    hub_identity hub;
    hub.hub_id = std::string(32, '0');
    hub.name = "test";
    hub.partition_count = 1;
    const auto disk = std::make_shared<memory_disk>(hub);
    turn_writes turn;
    turn.partition = p0;
    turn.epoch = 1;
    turn.sequence = 1;
    turn.now = manual_clock().now();
    instance_write write;
    write.id = "old";
    write.removed = true;
    instance_record record;
    record.name = "Waits";
    record.execution = "e1";
    record.status = runtime_status::running;
    record.created_at = record.last_updated_at = turn.now;
    record.history_count = 2;
    write.record = record;
    execution_started started;
    started.name = "Waits";
    started.execution = "e1";
    write.history = {{turn.now, started}, {turn.now, orchestrator_started{}}};
    write.requests
      = {{"k1", errc::ok, "old", "e1"}, {"k2", errc::ok, "old", ""}};
    turn.instances.push_back(std::move(write));
    const auto journal = open_memory_journal(disk).value();
    journal->append(std::move(turn));
    journal->commit();
    node_options options;
    options.partitions = 1;
    options.open = [disk](crash_hook crash) {
      memory_journal_options opened;
      opened.crash = std::move(crash);
      return open_memory_journal(disk, std::move(opened)).value();
    };
    node = std::make_unique<deterministic_node>(
      partition_fixture::with_functions(std::move(options)));
  }

  std::unique_ptr<deterministic_node> node;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(older_requests, older_fixture)

BOOST_AUTO_TEST_CASE(answers_of_older_programs_take_effect_for_ten_minutes) {
  const raise_event event{"old", "Other", "1", "k2"};
  const auto unread = [&] { return node->stored("old")->inbox.size(); };
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST((node->ask(event).code == errc::ok));
    BOOST_TEST(unread() == 0U);
    start_instance start = partition_fixture::start_request("old", "Waits");
    start.request = "k1";
    BOOST_TEST(node->ask(start).execution == "e1");
    node->crash_and_recover(); // does not prolong the time
    node->advance_time(4min);
  }
  node->advance_time(3min);
  BOOST_TEST((node->ask(event).code == errc::ok));
  BOOST_TEST(unread() == 1U);
  BOOST_TEST((node->ask(event).code == errc::ok));
  BOOST_TEST(unread() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
