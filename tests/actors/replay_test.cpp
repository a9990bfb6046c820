#include "actors/execution/replay.hpp"
#include "tests/actors/turn_driver.hpp"

#include <stdexcept>
#include <tuple>

using namespace std::chrono_literals;

namespace perdura::actors::test {

namespace {

using body = task<std::string> (*)(orchestration_context&);

std::shared_ptr<registry> ship(body f) {
  auto r = std::make_shared<registry>();
  r->add_orchestrator("Ship", f);
  return r;
}

std::vector<task_sequence> numbers(std::initializer_list<task_sequence> list) {
  return list;
}

// --- stories with a failure in them -----------------------------------------

task<std::string> two_steps(orchestration_context& ctx) {
  auto a = co_await ctx.call_activity<std::string>("Pack");
  auto b = co_await ctx.call_activity<std::string>("Charge", a);
  co_return a + b;
}

/// Ten parcels, awaited one by one.
task<std::string> ten(orchestration_context& ctx) {
  std::vector<pending<std::string>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(ctx.call_activity<std::string>("Send", i));
  std::string text;
  for (auto& one : all)
    text += co_await one;
  co_return text;
}

task<std::string> ten_at_once(orchestration_context& ctx) {
  std::vector<pending<std::string>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(ctx.call_activity<std::string>("Send", i));
  std::string text;
  auto values = co_await when_all(ctx, all);
  for (auto& one : values)
    text += one;
  co_return text;
}

task<std::string> retried(orchestration_context& ctx) {
  co_return co_await ctx.call_activity<std::string>(
    "Charge", nullptr, {.retry = {.attempts_max = 3, .interval_first = 10s}});
}

task<std::string> fallback(orchestration_context& ctx) {
  std::string text;
  auto first = co_await ctx.call_activity<std::string>("Try").as_outcome();
  if (!first)
    text = co_await ctx.call_activity<std::string>("Other");
  text += co_await ctx.call_activity<std::string>("Charge");
  co_return text;
}

task<std::string> with_child(orchestration_context& ctx) {
  co_return co_await ctx.call_sub_orchestration<std::string>("Child");
}

task<std::string> buggy(orchestration_context& ctx) {
  auto a = co_await ctx.call_activity<std::string>("Pack");
  std::ignore = ctx.call_activity<std::string>("Charge", a);
  std::ignore = ctx.call_activity<std::string>("Send", a);
  throw std::logic_error("a bug");
  co_return a;
}

task<std::string> mended(orchestration_context& ctx) {
  auto a = co_await ctx.call_activity<std::string>("Pack");
  auto b = ctx.call_activity<std::string>("Charge", a);
  auto c = ctx.call_activity<std::string>("Send", a);
  auto [x, y] = co_await when_all(b, c);
  co_return a + x + y;
}

task<std::string> mended_otherwise(orchestration_context& ctx) {
  auto a = co_await ctx.call_activity<std::string>("Pack");
  auto b = co_await ctx.call_activity<std::string>("Charge", a);
  auto c = co_await ctx.call_activity<std::string>("Mail", a);
  co_return a + b + c;
}

} // namespace

BOOST_AUTO_TEST_SUITE(nondeterminism)

BOOST_AUTO_TEST_CASE(a_mismatch_says_what_history_has_and_what_code_asks) {
  turn_driver run(ship(two_steps), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  BOOST_TEST(run.asked() == "activity:Charge#2");
  // 0 execution_started, 1 started, 2 Pack, 3 completed,
  // 4 started, 5 task_completed, 6 Charge, 7 completed
  auto held = [&](body f) { return run.held_by(ship(f)); };
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               co_await ctx.create_timer(30s);
               co_return "";
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now asks for a timer of 30 s");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_return co_await ctx.call_activity<std::string>("Wrap");
             })
             == "event 2 of \"order-17\" scheduled activity Pack; the code "
                "now asks for activity Wrap");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               co_await ctx.call_sub_orchestration("Charge");
               co_return "";
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now asks for sub-orchestration Charge "
                "(\"00112233445566778899aabbccddeeff:2\")");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               co_await ctx.wait_for_external_event("Go");
               co_return "";
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now asks for nothing");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_return co_await ctx.call_activity<std::string>("Pack");
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now ends");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               throw std::runtime_error("boom");
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now ends (std::runtime_error: boom)");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               ctx.continue_as_new();
               co_return "";
             })
             == "event 6 of \"order-17\" scheduled activity Charge; the code "
                "now continues as new");
  BOOST_TEST(held([](orchestration_context& ctx) -> task<std::string> {
               co_await ctx.call_activity("Pack");
               auto charge = ctx.call_activity("Charge");
               ctx.send_event("b", "Paid");
               co_await charge;
               co_return "";
             })
             == "up to event 7 of \"order-17\" nothing more was asked for; the "
                "code now asks for event Paid for \"b\"");
  BOOST_TEST(held(two_steps) == "not held");
}

BOOST_AUTO_TEST_CASE(an_end_that_differs_is_a_mismatch_too) {
  turn_driver run(ship([](orchestration_context& ctx) -> task<std::string> {
                    co_await ctx.wait_for_external_event("Go");
                    co_return "";
                  }),
                  "Ship");
  run.turn();
  auto at_once
    = ship([](orchestration_context&) -> task<std::string> { co_return ""; });
  BOOST_TEST(run.held_by(at_once)
             == "at event 2 of \"order-17\" the orchestration waited; the code "
                "now ends");
  run.raise("Go");
  run.turn();
  BOOST_TEST(run.output() == "\"\"");
  auto twice = ship([](orchestration_context& ctx) -> task<std::string> {
    co_await ctx.wait_for_external_event("Go");
    co_await ctx.wait_for_external_event("Go");
    co_return "";
  });
  BOOST_TEST(run.held_by(twice)
             == "event 5 of \"order-17\" completed the execution; the code now "
                "still waits");
  auto fails = ship([](orchestration_context& ctx) -> task<std::string> {
    co_await ctx.wait_for_external_event("Go");
    throw std::runtime_error("x");
  });
  BOOST_TEST(run.held_by(fails)
             == "event 5 of \"order-17\" completed the execution; the code now "
                "ends (std::runtime_error: x)");
}

BOOST_AUTO_TEST_CASE(children_and_sent_events_compare_by_their_target) {
  turn_driver run(ship([](orchestration_context& ctx) -> task<std::string> {
                    ctx.send_event("a", "Go");
                    co_await ctx.call_sub_orchestration("Child", nullptr,
                                                        {.instance_id = "c1"});
                    co_return "";
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(
    run.held_by(ship([](orchestration_context& ctx) -> task<std::string> {
      ctx.send_event("b", "Go");
      co_return "";
    }))
    == "event 2 of \"order-17\" sent event Go for \"a\"; the code now "
       "asks for event Go for \"b\"");
  BOOST_TEST(
    run.held_by(ship([](orchestration_context& ctx) -> task<std::string> {
      ctx.send_event("a", "Go");
      co_await ctx.call_sub_orchestration("Child", nullptr,
                                          {.instance_id = "c2"});
      co_return "";
    }))
    == "event 3 of \"order-17\" started sub-orchestration Child "
       "(\"c1\"); the code now asks for sub-orchestration Child "
       "(\"c2\")");
}

BOOST_AUTO_TEST_CASE(other_inputs_and_times_are_no_mismatch) {
  turn_driver run(ship([](orchestration_context& ctx) -> task<std::string> {
                    auto timer = ctx.create_timer(5s);
                    co_await ctx.call_activity("A", 1);
                    co_await timer;
                    co_return "";
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(
    run.held_by(ship([](orchestration_context& ctx) -> task<std::string> {
      auto timer = ctx.create_timer(9h);
      co_await ctx.call_activity("A", "text");
      co_await timer;
      co_return "";
    }))
    == "not held");
}

BOOST_AUTO_TEST_CASE(code_that_is_missing_holds_the_instance_and_names_it) {
  turn_driver run(ship(two_steps), "Ship");
  run.turn();
  turn_outcome outcome = run.replay(std::make_shared<registry>());
  auto& held = std::get<held_result>(outcome.result);
  BOOST_TEST((held.reason.code == errc::unknown_orchestrator));
  BOOST_TEST(held.reason.message
             == "instance \"order-17\" runs orchestrator Ship, which this node "
                "does not have; it goes on when a program that registers it is "
                "started");
  auto r = ship(two_steps);
  r->add_orchestrator("Ship", two_steps, {.version = "2"});
  turn_driver two(r, "Ship", "null", "2");
  two.turn();
  BOOST_TEST(
    two.held_by(ship(two_steps))
      .starts_with(
        "instance \"order-17\" runs orchestrator Ship version 2, which"));
}

BOOST_AUTO_TEST_CASE(a_held_instance_goes_on_when_the_code_returns) {
  turn_driver run(ship(two_steps), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.deploy(ship(retried));
  run.turn();
  BOOST_TEST(run.is_over()); // held
  run.last = {};
  run.deploy(ship(two_steps));
  run.turn();
  BOOST_TEST(run.asked() == "activity:Charge#2");
}

BOOST_AUTO_TEST_CASE(suspensions_between_turns_are_skipped) {
  turn_driver run(ship(two_steps), "Ship");
  run.turn();
  run.history.push_back({run.now, execution_suspended{"\"lunch\""}});
  run.history.push_back({run.now, execution_resumed{"\"back\""}});
  run.complete(1, "\"a\"");
  run.evict();
  run.turn();
  run.complete(2, "\"b\"");
  run.evict();
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(rewind)

BOOST_AUTO_TEST_CASE(a_failed_activity_runs_again_and_the_rest_does_not) {
  turn_driver run(ship(two_steps), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  run.fail(2, "no money");
  run.turn();
  BOOST_TEST(run.failure().message
             == "Activity function 'Charge' failed: no money");
  BOOST_TEST((run.last.failures_taken == numbers({2})));
  run.rewind();
  run.turn(); // nothing has come yet: the code waits where it did
  BOOST_TEST(!run.is_over());
  BOOST_TEST(run.asked() == "");
  run.complete(3, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
  BOOST_TEST(run.held_by(ship(two_steps)) == "not held");
}

BOOST_AUTO_TEST_CASE(the_result_may_be_there_before_the_turn_runs_again) {
  turn_driver run(ship(two_steps), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  run.fail(2);
  run.turn();
  run.rewind();
  run.complete(3, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
}

BOOST_AUTO_TEST_CASE(of_a_fan_out_only_what_failed_runs_again) {
  for (body f : {ten, ten_at_once})
    for (bool batched : {false, true}) {
      turn_driver run(ship(f), "Ship");
      run.turn();
      auto maybe_turn = [&] {
        if (!batched && !run.is_over())
          run.turn();
      };
      for (task_sequence i : {1, 2, 4, 6, 7}) {
        run.complete(i, "\"" + std::to_string(i) + "\"");
        maybe_turn();
      }
      run.fail(5); // not awaited yet
      maybe_turn();
      run.fail(3);
      if (f == ten_at_once) {
        for (task_sequence i : {8, 9, 10}) {
          maybe_turn();
          run.complete(i, "\"" + std::to_string(i) + "\"");
        }
      }
      run.turn();
      BOOST_TEST_REQUIRE(!run.failure().message.empty());
      run.rewind();
      BOOST_TEST(run.next_sequence == 13U);
      if (f == ten)
        run.complete(9, "\"9\""); // it came while the instance was failed
      run.turn();
      BOOST_TEST(run.asked() == "");
      BOOST_TEST(!run.is_over());
      // 3 and 5 are 11 and 12 now, in the order of their failures.
      const bool three_first
        = std::get<task_scheduled>(run.open.at(11)).input == "2";
      run.complete(three_first ? 12 : 11, "\"5\"");
      run.turn();
      run.complete(three_first ? 11 : 12, "\"3\"");
      run.turn();
      if (f == ten) {
        run.complete(10, "\"10\"");
        run.turn();
        run.complete(8, "\"8\"");
        run.turn();
      }
      BOOST_TEST(run.output() == "\"12345678910\"");
    }
}

BOOST_AUTO_TEST_CASE(an_exhausted_retry_policy_begins_anew) {
  turn_driver run(ship(retried), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  BOOST_TEST(run.asked() == "timer#2");
  BOOST_TEST((run.last.failures_taken == numbers({1})));
  run.fire(2);
  run.turn();
  BOOST_TEST(run.asked() == "activity:Charge#3");
  run.fail(3);
  run.turn();
  run.fire(4);
  run.turn();
  BOOST_TEST(std::get<task_scheduled>(run.open.at(5)).attempt == 3U);
  run.fail(5);
  run.turn();
  BOOST_TEST(run.is_over());
  run.rewind(); // 1 and 3 were retried: only 5 is void, and becomes 6
  BOOST_TEST(run.open.size() == 1U);
  run.turn();
  BOOST_TEST(run.asked() == "");
  run.fail(6);
  run.turn();
  BOOST_TEST(run.asked() == "timer#7");
  BOOST_TEST((run.last.failures_taken == numbers({6})));
  run.fire(7);
  run.turn();
  BOOST_TEST(std::get<task_scheduled>(run.open.at(8)).attempt == 2U);
  run.fail(8);
  run.turn();
  run.fire(9);
  run.turn();
  BOOST_TEST(std::get<task_scheduled>(run.open.at(10)).attempt == 3U);
  run.fail(10, "at last");
  run.turn();
  BOOST_TEST(run.failure().message
             == "Activity function 'Charge' failed: at last");
  run.rewind();
  run.complete(11, "\"ok\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ok\"");
}

BOOST_AUTO_TEST_CASE(a_failure_that_was_handled_stays_handled) {
  turn_driver run(ship(fallback), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  BOOST_TEST((run.last.failures_taken == numbers({1})));
  BOOST_TEST(run.asked() == "activity:Other#2");
  run.complete(2, "\"other \"");
  run.turn();
  run.fail(3);
  run.turn();
  run.rewind();
  run.turn();
  BOOST_TEST(run.open.contains(4));
  BOOST_TEST(!run.open.contains(5));
  run.complete(4, "\"paid\"");
  run.turn();
  BOOST_TEST(run.output() == "\"other paid\"");
}

BOOST_AUTO_TEST_CASE(a_failure_seen_without_awaiting_it_stays_too) {
  // A race is won by a failure; the code goes on, and fails elsewhere later.
  body f = [](orchestration_context& ctx) -> task<std::string> {
    auto a = ctx.call_activity<std::string>("A");
    auto b = ctx.call_activity<std::string>("B");
    co_await when_any(a, b);
    co_await ctx.create_timer(1s);
    co_return co_await b;
  };
  turn_driver run(ship(f), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  BOOST_TEST((run.last.failures_taken == numbers({1})));
  run.fire(3);
  run.turn();
  run.fail(2);
  run.turn();
  run.rewind();
  run.turn();
  BOOST_TEST(!run.is_over());
  run.complete(4, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"b\"");
}

BOOST_AUTO_TEST_CASE(a_new_program_mends_code_that_threw) {
  turn_driver run(ship(buggy), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  BOOST_TEST(run.failure().message == "a bug");
  BOOST_TEST(run.asked() == "activity:Charge#2 activity:Send#3");
  run.complete(3, "\"c\""); // what it had asked for goes on while it is failed
  run.deploy(ship(mended));
  run.rewind();
  run.turn();
  BOOST_TEST(run.asked() == ""); // both are taken over
  BOOST_TEST(run.last.orphans.empty());
  BOOST_TEST(run.last.taken.size() == 1U);
  run.complete(2, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abc\"");
}

BOOST_AUTO_TEST_CASE(what_the_new_program_no_longer_wants_is_an_orphan) {
  turn_driver run(ship(buggy), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  run.deploy(ship(mended_otherwise));
  run.rewind();
  run.turn();
  BOOST_TEST(run.asked() == "");
  BOOST_TEST((run.last.orphans == numbers({3})));
  run.complete(2, "\"b\"");
  run.complete(3, "\"late\""); // nobody wants it
  run.turn();
  BOOST_TEST(run.last.taken.size() == 2U);
  BOOST_TEST(run.asked() == "activity:Mail#4");
  run.complete(4, "\"d\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abd\"");
}

BOOST_AUTO_TEST_CASE(the_first_turn_may_be_run_again) {
  body bad = [](orchestration_context& ctx) -> task<std::string> {
    std::ignore = ctx.call_activity<std::string>("Pack");
    throw std::runtime_error("bad");
    co_return "";
  };
  turn_driver run(ship(bad), "Ship");
  run.turn();
  BOOST_TEST(run.is_over());
  run.complete(1, "\"a\"");
  run.deploy(ship(two_steps));
  run.rewind();
  run.turn();
  BOOST_TEST(run.asked() == "activity:Charge#2");
  run.complete(2, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
}

BOOST_AUTO_TEST_CASE(an_input_that_did_not_fit_may_be_mended_by_new_code) {
  auto narrow = std::make_shared<registry>();
  narrow->add_orchestrator(
    "Ship", [](orchestration_context&, int in) -> task<int> { co_return in; });
  turn_driver run(narrow, "Ship", "\"text\"");
  run.turn();
  BOOST_TEST(run.failure().type == "payload_error");
  BOOST_TEST(run.failure().message
             == "the input of orchestrator Ship does not fit its type: type "
                "must be number, but is string");
  auto wide = std::make_shared<registry>();
  wide->add_orchestrator(
    "Ship",
    [](orchestration_context&, json in) -> task<json> { co_return in; });
  run.deploy(wide);
  run.rewind();
  run.turn();
  BOOST_TEST(run.output() == "\"text\"");
}

BOOST_AUTO_TEST_CASE(an_instance_may_be_rewound_twice_in_the_same_place) {
  body f = [](orchestration_context& ctx) -> task<std::string> {
    auto a = ctx.call_activity<std::string>("A");
    auto b = ctx.call_activity<std::string>("B");
    auto x = co_await a;
    auto c = ctx.call_activity<std::string>("C");
    x += co_await b;
    co_return x + co_await c;
  };
  turn_driver run(ship(f), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.fail(2, "first");
  run.turn(); // one turn: A's result, C asked for, B's failure
  BOOST_TEST(run.failure().message == "Activity function 'B' failed: first");
  BOOST_TEST(run.asked() == "activity:C#3");
  run.rewind(); // B is 4
  run.fail(4, "second");
  run.turn();
  BOOST_TEST(run.failure().message == "Activity function 'B' failed: second");
  BOOST_TEST(run.asked() == "");
  BOOST_TEST((run.last.failures_taken == numbers({4})));
  run.rewind(); // B is 5
  BOOST_TEST(run.next_sequence == 6U);
  run.complete(3, "\"c\"");
  run.turn();
  BOOST_TEST(run.asked() == "");
  run.complete(5, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abc\"");
  BOOST_TEST(run.held_by(ship(f)) == "not held");
}

BOOST_AUTO_TEST_CASE(each_failure_of_a_chain_may_be_rewound_in_its_turn) {
  turn_driver run(ship(two_steps), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  run.rewind();
  run.turn();
  run.complete(2, "\"a\"");
  run.turn();
  BOOST_TEST(run.asked() == "activity:Charge#3");
  run.fail(3);
  run.turn();
  run.rewind();
  run.fail(4);
  run.turn();
  run.rewind();
  run.complete(5, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"ab\"");
}

BOOST_AUTO_TEST_CASE(a_rewound_turn_asks_for_more_with_new_numbers) {
  body f = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("A");
    auto b = ctx.call_activity<std::string>("B");
    auto c = ctx.call_activity<std::string>("C");
    auto x = co_await b;
    co_return a + x + co_await c;
  };
  body f1 = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("A");
    std::ignore = ctx.call_activity<std::string>("B");
    throw 7;
    co_return a;
  };
  turn_driver run(ship(f1), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn();
  BOOST_TEST(run.failure().type == "int");
  BOOST_TEST(run.failure().message == "unknown exception");
  run.deploy(ship(f));
  run.rewind();
  run.turn();
  BOOST_TEST(run.asked() == "activity:C#3");
  run.complete(3, "\"c\"");
  run.evict();
  run.turn();
  run.complete(2, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abc\"");
}

BOOST_AUTO_TEST_CASE(what_failed_while_the_instance_was_failed_runs_again) {
  turn_driver run(ship(buggy), "Ship");
  run.turn();
  run.complete(1, "\"a\"");
  run.turn(); // throws, with 2 and 3 asked for in the same turn
  run.fail(3);
  run.deploy(ship(mended));
  run.rewind(); // 3 is 4 now, before the code has asked for it again
  run.turn();
  BOOST_TEST(run.asked() == "");
  BOOST_TEST(run.last.taken.empty());
  run.complete(4, "\"c\"");
  run.turn();
  run.complete(2, "\"b\"");
  run.turn();
  BOOST_TEST(run.output() == "\"abc\"");
}

BOOST_AUTO_TEST_CASE(a_turn_that_parted_and_failed_again_is_taken_over_whole) {
  // It asked for Charge and Send; then for Charge and Mail; both times it
  // threw. The last program follows the second, or the first.
  body second = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("Pack");
    std::ignore = ctx.call_activity<std::string>("Charge", a);
    std::ignore = ctx.call_activity<std::string>("Mail", a);
    throw std::logic_error("another bug");
    co_return a;
  };
  body as_second = [](orchestration_context& ctx) -> task<std::string> {
    auto a = co_await ctx.call_activity<std::string>("Pack");
    auto b = ctx.call_activity<std::string>("Charge", a);
    auto c = ctx.call_activity<std::string>("Mail", a);
    auto [x, y] = co_await when_all(b, c);
    co_return a + x + y;
  };
  for (body last : {as_second, body(mended)}) {
    const bool mails = last == as_second;
    turn_driver run(ship(buggy), "Ship");
    run.turn();
    run.complete(1, "\"a\"");
    run.turn();
    BOOST_TEST(run.asked() == "activity:Charge#2 activity:Send#3");
    run.deploy(ship(second));
    run.rewind();
    run.turn();
    BOOST_TEST(run.asked() == "activity:Mail#4");
    BOOST_TEST((run.last.orphans == numbers({3})));
    run.deploy(ship(last));
    run.rewind();
    run.turn();
    BOOST_TEST(run.asked() == "");
    BOOST_TEST((run.last.orphans == numbers({mails ? 3U : 4U})));
    run.complete(2, "\"b\"");
    run.turn();
    run.complete(mails ? 4 : 3, "\"c\"");
    run.turn();
    BOOST_TEST(run.output() == "\"abc\"");
  }
}

BOOST_AUTO_TEST_CASE(a_failed_child_keeps_its_number) {
  turn_driver run(ship(with_child), "Ship");
  run.turn();
  run.child_fail(1, "Activity function 'X' failed: y");
  run.turn();
  BOOST_TEST(run.failure().type == "sub_orchestration_failed");
  BOOST_TEST(run.failure().message
             == "Sub-orchestrator function 'Child' failed: "
                "Activity function 'X' failed: y");
  BOOST_TEST((run.last.failures_taken == numbers({1})));
  run.rewind();
  BOOST_TEST(run.next_sequence == 2U);
  run.turn();
  BOOST_TEST(!run.is_over());
  run.child_complete(1, "\"done\"");
  run.turn();
  BOOST_TEST(run.output() == "\"done\"");
}

BOOST_AUTO_TEST_CASE(a_rewound_turn_tells_all_it_waits_for) {
  // The deadline was cancelled by the turn that failed; it is wanted again.
  body f = [](orchestration_context& ctx) -> task<std::string> {
    std::ignore = ctx.wait_for_external_event("Go");
    auto over = ctx.create_timer(1s);
    over.cancel();
    auto deadline = ctx.create_timer(1h);
    auto charge = ctx.call_activity<std::string>("Charge");
    auto first = co_await when_any(charge, deadline);
    if (first == deadline)
      co_return "too late";
    deadline.cancel();
    co_return co_await charge;
  };
  turn_driver run(ship(f), "Ship");
  run.turn();
  BOOST_TEST((run.last.timers_cancelled == numbers({1})));
  BOOST_TEST(run.last.waits_opened.size() == 1U);
  const history_body deadline = run.open.at(2);
  run.fail(3);
  run.turn();
  BOOST_TEST((run.last.timers_cancelled == numbers({2})));
  run.rewind();
  run.open[2] = deadline; // the partition sets it again
  run.turn();
  BOOST_TEST((run.last.timers_cancelled == numbers({1})));
  BOOST_TEST(run.last.waits_opened.size() == 1U);
  run.fire(2);
  run.turn();
  BOOST_TEST(run.output() == "\"too late\"");
}

BOOST_AUTO_TEST_CASE(an_event_of_the_failed_turn_is_given_again) {
  body f = [](orchestration_context& ctx) -> task<std::string> {
    auto data = co_await ctx.wait_for_external_event<std::string>("Go");
    auto b = ctx.call_activity<std::string>("B");
    co_return data + co_await b;
  };
  body f1 = [](orchestration_context& ctx) -> task<std::string> {
    auto data = co_await ctx.wait_for_external_event<std::string>("Go");
    throw std::runtime_error(data);
    co_return data;
  };
  turn_driver run(ship(f1), "Ship");
  run.turn();
  run.raise("GO", "\"now\"");
  run.turn();
  BOOST_TEST(run.failure().message == "now");
  run.deploy(ship(f));
  run.rewind();
  run.turn();
  BOOST_TEST(run.asked() == "activity:B#1");
  run.complete(1, "\"!\"");
  run.turn();
  BOOST_TEST(run.output() == "\"now!\"");
}

BOOST_AUTO_TEST_CASE(an_event_the_new_code_does_not_want_is_not_lost) {
  body wants = [](orchestration_context& ctx) -> task<std::string> {
    co_await ctx.wait_for_external_event("Go");
    throw std::runtime_error("x");
    co_return "";
  };
  body continues = [](orchestration_context& ctx) -> task<std::string> {
    ctx.continue_as_new(7);
    co_return "";
  };
  turn_driver run(ship(wants), "Ship");
  run.raise("Go", "1");
  run.turn(); // it waited before the first step
  BOOST_TEST(run.is_over());
  run.deploy(ship(continues));
  run.rewind();
  run.turn();
  BOOST_TEST(run.continued().carried.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
