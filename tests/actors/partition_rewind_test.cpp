#include "tests/support/deterministic_node.hpp"
#include "tests/support/history_text.hpp"
#include "tests/support/test_functions.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

// Rewind through the whole partition, with real orchestrators: what has
// succeeded never runs again, what failed does, and the code is none the
// wiser. Each story is also told with a crash after every request.

namespace perdura::tests {

namespace {

using namespace std::chrono_literals;

task<std::string> catches(orchestration_context& ctx) {
  std::string done;
  const std::string a = "a";
  const auto first
    = co_await ctx.call_activity<std::string>("Step", a).as_outcome();
  done += first ? "a" : "caught";
  const std::string b = "b";
  done += co_await ctx.call_activity<std::string>("Step", b);
  const std::string c = "c";
  done += co_await ctx.call_activity<std::string>("Step", c);
  co_return done;
}

task<std::string> retries(orchestration_context& ctx) {
  const std::string name = "a";
  const activity_options options{.retry
                                 = {.attempts_max = 3, .interval_first = 1s}};
  std::string done
    = co_await ctx.call_activity<std::string>("Step", name, options);
  co_return done;
}

task<std::string> with_timer(orchestration_context& ctx) {
  const auto timer = ctx.create_timer(1h);
  const std::string name = "a";
  std::string done = co_await ctx.call_activity<std::string>("Step", name);
  co_await timer;
  co_return done;
}

/// Awaits its ten in order: it fails when the first of them has failed.
task<std::string> fan_out(orchestration_context& ctx) {
  std::vector<pending<std::string>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(ctx.call_activity<std::string>("Step", std::to_string(i)));
  std::string done;
  for (const auto& one : all)
    done += co_await one;
  co_return done;
}

task<std::string> approvals(orchestration_context& ctx) {
  std::string done;
  for (const char* const who : {"Ann", "Bob", "Cid"}) {
    const std::string name = who;
    co_await ctx.call_activity("Step", name);
    done += co_await ctx.wait_for_external_event<std::string>(name);
  }
  const std::string database = "database";
  co_await ctx.call_activity("Step", database);
  co_return done;
}

/// Three releases of one orchestrator.
task<std::string> buggy(orchestration_context& ctx) {
  const std::string a = "a";
  std::string done = co_await ctx.call_activity<std::string>("Step", a);
  throw std::logic_error("a bug");
}

task<std::string> mended(orchestration_context& ctx) {
  const std::string a = "a";
  std::string done = co_await ctx.call_activity<std::string>("Step", a);
  const std::string b = "b";
  done += co_await ctx.call_activity<std::string>("Step", b);
  co_return done;
}

task<std::string> changed(orchestration_context& ctx) {
  const std::string x = "x";
  std::string done = co_await ctx.call_activity<std::string>("Other", x);
  co_return done;
}

std::shared_ptr<registry>
make_functions(std::shared_ptr<switchboard> switches,
               task<std::string> (*release)(orchestration_context&) = buggy) {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions, std::move(switches));
  functions->add_orchestrator("Catches", catches)
    .add_orchestrator("Retries", retries)
    .add_orchestrator("WithTimer", with_timer)
    .add_orchestrator("FanOut", fan_out)
    .add_orchestrator("Approvals", approvals)
    .add_orchestrator("Release", release);
  return functions;
}

/// Told twice: calm, and with a crash after every request.
struct rewinds {
  void tell(const std::function<void()>& story) {
    for (const bool crashes : {false, true})
      BOOST_TEST_CONTEXT((crashes ? "with crashes" : "calm")) {
        restless = crashes;
        requests = 0;
        switches = std::make_shared<switchboard>();
        node_options how;
        how.functions = make_functions(switches);
        node = std::make_unique<deterministic_node>(std::move(how));
        story();
        node->settle();
        for (const std::string& complaint : node->complaints)
          BOOST_ERROR(complaint);
      }
  }

  request_id next() {
    return "request-" + std::to_string(++requests);
  }

  errc ask(management_request request) {
    const management_answer answer = node->ask(std::move(request));
    if (restless)
      node->crash_and_recover();
    return answer.code;
  }

  void start(const instance_id& id, const std::string& name,
             const std::string& input = "null") {
    start_instance start;
    start.id = id;
    start.name = name;
    start.input = input;
    start.request = next();
    start.execution = "execution-of-" + id;
    BOOST_REQUIRE((ask(start) == errc::ok));
  }

  errc rewind(const instance_id& id) {
    return ask(rewind_instance{id, "mended", next()});
  }

  void ends(const instance_id& id, runtime_status status) {
    BOOST_REQUIRE((ask(wait_instance{id}) == errc::ok));
    const auto stored = node->stored(id);
    BOOST_REQUIRE(stored);
    if (stored->record.status != status)
      for (const std::string& line : to_text(node->history_of(id)))
        BOOST_TEST_MESSAGE(line);
    BOOST_REQUIRE_MESSAGE(stored->record.status == status,
                          id << " is " << to_text(stored->record));
  }

  void fails(const instance_id& id) {
    ends(id, runtime_status::failed);
  }

  void completes(const instance_id& id, const std::string& output) {
    ends(id, runtime_status::completed);
    get_status question;
    question.id = id;
    BOOST_TEST(node->ask(question).status->row.output == output);
  }

  std::unique_ptr<deterministic_node> node;
  std::shared_ptr<switchboard> switches;
  bool restless = false;
  unsigned requests = 0;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_rewind, rewinds)

BOOST_AUTO_TEST_CASE(a_failure_that_was_caught_stays_caught) {
  tell([&] {
    switches->failures = {{"a", -1}, {"c", 1}};
    start("i", "Catches");
    fails("i");
    switches->failures["a"] = 0; // it would succeed now, and is not asked
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", "\"caughtbc\"");
    BOOST_TEST(switches->calls["a"] == 1);
    BOOST_TEST(switches->calls["b"] == 1);
    BOOST_TEST(switches->calls["c"] == 2);
  });
}

BOOST_AUTO_TEST_CASE(an_exhausted_retry_policy_gets_a_new_budget) {
  tell([&] {
    switches->failures = {{"a", 5}};
    start("i", "Retries");
    fails("i");
    BOOST_TEST(switches->calls["a"] == 3);
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", "\"a\"");
    BOOST_TEST(switches->calls["a"] == 6);
  });
}

BOOST_AUTO_TEST_CASE(a_new_budget_can_be_exhausted_too) {
  tell([&] {
    switches->failures = {{"a", 6}};
    start("i", "Retries");
    fails("i");
    BOOST_TEST((rewind("i") == errc::ok));
    fails("i");
    BOOST_TEST(switches->calls["a"] == 6);
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", "\"a\"");
    BOOST_TEST(switches->calls["a"] == 7);
  });
}

BOOST_AUTO_TEST_CASE(a_pending_timer_keeps_its_time) {
  tell([&] {
    switches->failures = {{"a", 1}};
    const timestamp begun = node->clock.now();
    start("i", "WithTimer");
    fails("i");
    node->pass(10min);
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", "\"a\"");
    BOOST_TEST((node->clock.now() >= begun + 1h));
    BOOST_TEST((node->clock.now() < begun + 61min));
  });
}

BOOST_AUTO_TEST_CASE(an_overdue_timer_fires_at_once) {
  tell([&] {
    switches->failures = {{"a", 1}};
    start("i", "WithTimer");
    fails("i");
    node->pass(2h);
    const timestamp mended_at = node->clock.now();
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", "\"a\"");
    BOOST_TEST((node->clock.now() < mended_at + 1s));
  });
}

BOOST_AUTO_TEST_CASE(what_ran_on_in_a_fan_out_is_not_run_again) {
  // Two of ten have failed; three end after the instance has failed, one of
  // them badly, or are still running when it is rewound.
  for (const bool late : {false, true})
    tell([&] {
      switches->failures = {{"2", 1}, {"5", 1}, {"8", 1}};
      const auto running = [](const activity_work_item& item) {
        return item.sequence >= 8 && item.sequence <= 10; // "7", "8", "9"
      };
      node->holds_activity = running;
      start("i", "FanOut");
      fails("i");
      if (!late)
        node->holds_activity = nullptr;
      node->settle(); // what is not held ends, "5" badly
      BOOST_TEST((rewind("i") == errc::ok));
      node->settle();
      node->holds_activity = nullptr;
      if (late) {
        // "8" fails now: that is a failure after the rewind.
        fails("i");
        BOOST_TEST((rewind("i") == errc::ok));
      }
      completes("i", "\"0123456789\"");
      for (int i = 0; i < 10; ++i) {
        const bool failed = i == 2 || i == 5 || i == 8;
        BOOST_TEST(switches->calls[std::to_string(i)] == (failed ? 2 : 1), i);
      }
    });
}

BOOST_AUTO_TEST_CASE(a_failed_grandchild_is_rewound_with_its_parents) {
  tell([&] {
    switches->failures = {{"b", 1}};
    start("i", "Family", R"({"name":"Family","count":1,
      "input":{"name":"Steps","input":["a","b"],"count":1}})");
    fails("i");
    fails("i-0");
    fails("i-0-0");
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", R"([[["a","b"]]])");
    completes("i-0-0", R"(["a","b"])");
    BOOST_TEST(switches->calls["a"] == 1);
    BOOST_TEST(switches->calls["b"] == 2);
    node->check_at_rest();
  });
}

BOOST_AUTO_TEST_CASE(a_child_rewound_on_its_own_answers_the_parents_rewind) {
  tell([&] {
    switches->failures = {{"b", 1}};
    start("i", "Family", R"({"name":"Steps","input":["a","b"],"count":1})");
    fails("i");
    BOOST_TEST((rewind("i-0") == errc::ok));
    completes("i-0", R"(["a","b"])");
    node->settle();
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", R"([["a","b"]])");
    BOOST_TEST(switches->calls["b"] == 2);
    node->check_at_rest();
  });
}

BOOST_AUTO_TEST_CASE(a_child_that_fails_again_fails_its_parent_again) {
  tell([&] {
    switches->failures = {{"b", 2}};
    start("i", "Family", R"({"name":"Steps","input":["a","b"],"count":1})");
    fails("i");
    BOOST_TEST((rewind("i") == errc::ok));
    fails("i");
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", R"([["a","b"]])");
    BOOST_TEST(switches->calls["a"] == 1);
    BOOST_TEST(switches->calls["b"] == 3);
  });
}

BOOST_AUTO_TEST_CASE(a_purged_child_fails_its_parent_again) {
  tell([&] {
    switches->failures = {{"a", 1}};
    start("i", "Family", R"({"name":"Steps","input":["a"],"count":1})");
    fails("i");
    BOOST_TEST((ask(purge_instance{"i-0"}) == errc::ok));
    BOOST_TEST((rewind("i") == errc::ok));
    fails("i");
    node->check_at_rest();
  });
}

BOOST_AUTO_TEST_CASE(a_bug_is_mended_by_a_new_program) {
  tell([&] {
    start("i", "Release");
    fails("i");
    node->set_functions(make_functions(switches, mended));
    node->crash_and_recover();
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", "\"ab\"");
    BOOST_TEST(switches->calls["a"] == 1);
  });
}

BOOST_AUTO_TEST_CASE(a_program_that_does_not_fit_holds_the_instance) {
  tell([&] {
    start("i", "Release");
    fails("i");
    node->set_functions(make_functions(switches, changed));
    node->crash_and_recover();
    BOOST_TEST((rewind("i") == errc::ok));
    node->pass(1min);
    auto stuck = node->partition(node->where("i")).stuck();
    if (stuck.empty()) { // it has been evicted: its record says it
      const auto stored = node->stored("i");
      BOOST_REQUIRE(stored);
      BOOST_TEST(stored->record.held.find("Other") != std::string::npos,
                 stored->record.held);
    } else {
      BOOST_TEST(stuck.front().second.find("Other") != std::string::npos,
                 stuck.front().second);
    }
    BOOST_TEST((node->stored("i")->record.status == runtime_status::running));
    // The program that fits comes, and it goes on by itself.
    node->set_functions(make_functions(switches, mended));
    node->crash_and_recover();
    completes("i", "\"ab\"");
    BOOST_TEST(node->stored("i")->record.held.empty());
    BOOST_TEST(switches->calls["a"] == 1);
  });
}

BOOST_AUTO_TEST_CASE(a_held_instance_can_be_ended) {
  tell([&] {
    start("i", "Release");
    fails("i");
    node->set_functions(make_functions(switches, changed));
    node->crash_and_recover();
    BOOST_TEST((rewind("i") == errc::ok));
    node->settle();
    BOOST_TEST(
      (ask(terminate_instance{"i", "away", false, next()}) == errc::ok));
    ends("i", runtime_status::terminated);
  });
}

BOOST_AUTO_TEST_CASE(human_approvals_need_not_be_given_again) {
  tell([&] {
    switches->failures = {{"database", -1}};
    start("i", "Approvals");
    for (const char* const who : {"Ann", "Bob", "Cid"})
      BOOST_TEST((ask(raise_event{"i", who, "\"yes \"", next()}) == errc::ok));
    fails("i");
    switches->failures["database"] = 0; // the configuration is mended
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", "\"yes yes yes \"");
    for (const char* const who : {"Ann", "Bob", "Cid"})
      BOOST_TEST(switches->calls[who] == 1);
    BOOST_TEST(switches->calls["database"] == 2);
  });
}

BOOST_AUTO_TEST_CASE(one_instance_can_be_rewound_twice) {
  tell([&] {
    switches->failures = {{"b", 2}, {"d", 1}};
    start("i", "Steps", R"(["a","b","c","d","e"])");
    fails("i");
    BOOST_TEST((rewind("i") == errc::ok));
    fails("i"); // b again
    BOOST_TEST((rewind("i") == errc::ok));
    fails("i"); // d
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", R"(["a","b","c","d","e"])");
    BOOST_TEST(switches->calls["a"] == 1);
    BOOST_TEST(switches->calls["b"] == 3);
    BOOST_TEST(switches->calls["c"] == 1);
    BOOST_TEST(switches->calls["d"] == 2);
    BOOST_TEST(switches->calls["e"] == 1);
  });
}

BOOST_AUTO_TEST_CASE(nothing_that_was_ever_written_goes) {
  tell([&] {
    switches->failures = {{"b", 1}};
    start("i", "Steps", R"(["a","b"])");
    fails("i");
    const auto before = to_text(node->history_of("i"));
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", R"(["a","b"])");
    const auto after = to_text(node->history_of("i"));
    BOOST_REQUIRE(after.size() > before.size());
    BOOST_TEST(std::equal(before.begin(), before.end(), after.begin()));
  });
}

BOOST_AUTO_TEST_CASE(a_repeated_rewind_is_one_rewind) {
  tell([&] {
    switches->failures = {{"a", 1}};
    start("i", "Steps", R"(["a"])");
    fails("i");
    const rewind_instance once{"i", "mended", "once"};
    BOOST_TEST((ask(once) == errc::ok));
    BOOST_TEST((ask(once) == errc::ok));
    completes("i", R"(["a"])");
    BOOST_TEST((ask(once) == errc::ok));
    BOOST_TEST(switches->calls["a"] == 2);
  });
}

BOOST_AUTO_TEST_CASE(what_has_not_failed_cannot_be_rewound) {
  tell([&] {
    BOOST_TEST((rewind("nobody") == errc::not_found));
    start("waiting", "Waits");
    BOOST_TEST((rewind("waiting") == errc::not_failed));
    BOOST_TEST((ask(suspend_instance{"waiting", "", next()}) == errc::ok));
    BOOST_TEST((rewind("waiting") == errc::not_failed));
    BOOST_TEST(
      (ask(terminate_instance{"waiting", "", false, next()}) == errc::ok));
    BOOST_TEST((rewind("waiting") == errc::not_failed));
    start("ended", "Steps", "[]");
    completes("ended", "[]");
    BOOST_TEST((rewind("ended") == errc::not_failed));
  });
}

BOOST_AUTO_TEST_CASE(a_rewind_behind_the_failure_in_its_batch_waits_for_it) {
  tell([&] {
    switches->failures = {{"a", 1}};
    start("i", "Steps", R"(["a"])");
    node->run_activity();
    node->take_all();
    BOOST_REQUIRE(node->run_turn()); // its outcome stands before the rewind
    BOOST_TEST((rewind("i") == errc::ok));
    completes("i", R"(["a"])");
  });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
