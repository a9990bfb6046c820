#include "tests/actors/turn_driver.hpp"

#include <stdexcept>
#include <tuple>

using namespace std::chrono_literals;

namespace perdura::actors::test {

namespace {

task<std::vector<std::string>> hello_sequence(orchestration_context& ctx) {
  std::vector<std::string> out;
  out.push_back(co_await ctx.call_activity<std::string>("SayHello", "Tokyo"));
  out.push_back(co_await ctx.call_activity<std::string>("SayHello", "Seattle"));
  out.push_back(co_await ctx.call_activity<std::string>("SayHello", "London"));
  co_return out;
}

task<long> fan_out_fan_in(orchestration_context& ctx, int n) {
  std::vector<pending<long>> squares;
  for (int i = 0; i < n; ++i)
    squares.push_back(ctx.call_activity<long>("Square", i));
  long sum = 0;
  for (long square : co_await when_all(ctx, squares))
    sum += square;
  co_return sum;
}

task<json> approval_with_timeout(orchestration_context& ctx, int ms) {
  auto approval = ctx.wait_for_external_event<json>("Approval");
  auto deadline = ctx.create_timer(std::chrono::milliseconds(ms));
  auto first = co_await when_any(approval, deadline);
  if (first == deadline)
    co_return "timed out";
  deadline.cancel();
  json payload = co_await approval;
  co_return payload;
}

task<json> approval_short(orchestration_context& ctx, int ms) {
  std::optional<json> payload = co_await ctx.wait_for_external_event<json>(
    "Approval", std::chrono::milliseconds(ms));
  co_return payload ? *payload : json("timed out");
}

task<std::string> retries(orchestration_context& ctx, int failures) {
  co_return co_await ctx.call_activity<std::string>(
    "Flaky", failures, {.retry = {.attempts_max = 5, .interval_first = 10ms}});
}

task<json> parent(orchestration_context& ctx, int n) {
  std::vector<pending<json>> children;
  for (int i = 0; i < n; ++i)
    children.push_back(ctx.call_sub_orchestration<json>("HelloSequence"));
  co_return json(co_await when_all(ctx, children));
}

task<long> counter(orchestration_context& ctx, long sum) {
  ctx.set_custom_status(sum);
  auto add = ctx.wait_for_external_event<long>("Add");
  auto stop = ctx.wait_for_external_event<>("Stop");
  auto first = co_await when_any(add, stop);
  if (first == stop)
    co_return sum;
  long more = co_await add;
  ctx.continue_as_new(sum + more);
  co_return {};
}

struct trip {
  std::string from, to;
  int nights = 0;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(trip, from, to, nights)

task<std::string> book_trip(orchestration_context& ctx, trip t) {
  std::vector<std::pair<std::string, std::string>> undo;
  std::exception_ptr failure;
  try {
    auto flight = co_await ctx.call_activity<std::string>("BookFlight", t);
    undo.emplace_back("CancelFlight", flight);
    auto hotel = co_await ctx.call_activity<std::string>("BookHotel", t);
    undo.emplace_back("CancelHotel", hotel);
    co_await ctx.call_activity("Charge", t);
    co_return flight + "+" + hotel;
  } catch (const task_failed&) {
    failure = std::current_exception();
  }
  while (!undo.empty()) {
    auto [name, id] = std::move(undo.back());
    undo.pop_back();
    co_await ctx.call_activity(name, id);
  }
  std::rethrow_exception(failure);
}

task<std::string> book_trip_outcome(orchestration_context& ctx, trip t) {
  auto flight = co_await ctx.call_activity<std::string>("BookFlight", t);
  auto charged = co_await ctx.call_activity("Charge", t).as_outcome();
  if (!charged) {
    co_await ctx.call_activity("CancelFlight", flight);
    co_return "cancelled: " + charged.failure().message;
  }
  co_return flight;
}

task<void> add_greeting(orchestration_context& ctx,
                        std::vector<std::string>& out, std::string city) {
  out.push_back(co_await ctx.call_activity<std::string>("SayHello", city));
}

task<std::vector<std::string>> nested(orchestration_context& ctx) {
  std::vector<std::string> out;
  co_await add_greeting(ctx, out, "Tokyo");
  std::string two = "Seattle";
  co_await add_greeting(ctx, out, two + "!");
  auto a = ctx.call_activity<long>("Square", 3);
  auto b = ctx.call_activity<std::string>("SayHello", "x");
  auto [x, y] = co_await when_all(a, b);
  out.push_back(y + std::to_string(x));
  co_return out;
}

std::shared_ptr<registry> samples() {
  auto r = std::make_shared<registry>();
  r->add_orchestrator("HelloSequence", hello_sequence)
    .add_orchestrator("FanOutFanIn", fan_out_fan_in)
    .add_orchestrator("ApprovalWithTimeout", approval_with_timeout)
    .add_orchestrator("ApprovalShort", approval_short)
    .add_orchestrator("Retries", retries)
    .add_orchestrator("Parent", parent)
    .add_orchestrator("Counter", counter)
    .add_orchestrator("BookTrip", book_trip)
    .add_orchestrator("BookTripOutcome", book_trip_outcome)
    .add_orchestrator("Nested", nested)
    .add_orchestrator(
      "Echo",
      [](orchestration_context&, json in) -> task<json> { co_return in; });
  r->add_activity("SayHello",
                  [](std::string city) { return "Hello " + city + "!"; })
    .add_activity("Square", [](long i) { return i * i; })
    .add_activity("Flaky",
                  [left = std::make_shared<int>(-1)](int n) {
                    if (*left < 0)
                      *left = n;
                    if ((*left)-- > 0)
                      throw std::runtime_error("not yet");
                    *left = -1;
                    return std::string("ok");
                  })
    .add_activity("BookFlight", [](const trip& t) { return "F-" + t.to; })
    .add_activity("BookHotel", [](const trip& t) { return "H-" + t.to; })
    .add_activity("Charge",
                  [](const trip& t) {
                    if (t.nights > 3)
                      throw std::runtime_error("card declined");
                  })
    .add_activity("CancelFlight", [](std::string) {})
    .add_activity("CancelHotel", [](std::string) {});
  return r;
}

/// Event by event, and all that can happen at once: the same story.
story both_ways(const std::string& name, const std::string& input,
                std::vector<std::pair<std::string, std::string>> events = {}) {
  story one = tell(samples(), name, input, events, false);
  story batched = tell(samples(), name, input, events, true);
  BOOST_TEST(one.output == batched.output);
  BOOST_TEST(one.failure.message == batched.failure.message);
  BOOST_TEST(one.calls == batched.calls);
  BOOST_TEST(detail::frames_alive.load() == 0);
  return one;
}

} // namespace

BOOST_AUTO_TEST_SUITE(orchestration_context_stories)

BOOST_AUTO_TEST_CASE(activities_in_sequence) {
  BOOST_TEST(both_ways("HelloSequence", "null").output
             == R"(["Hello Tokyo!","Hello Seattle!","Hello London!"])");
}

BOOST_AUTO_TEST_CASE(fan_out_and_fan_in) {
  BOOST_TEST(both_ways("FanOutFanIn", "20").output == "2470");
  BOOST_TEST(both_ways("FanOutFanIn", "0").output == "0");
}

BOOST_AUTO_TEST_CASE(an_approval_or_a_deadline) {
  for (const char* name : {"ApprovalWithTimeout", "ApprovalShort"}) {
    BOOST_TEST(both_ways(name, "50").output == "\"timed out\"");
    BOOST_TEST(both_ways(name, "50", {{"Approval", R"({"by":"me"})"}}).output
               == R"({"by":"me"})");
  }
}

BOOST_AUTO_TEST_CASE(an_activity_is_retried_until_it_succeeds) {
  story told = both_ways("Retries", "3");
  BOOST_TEST(told.output == "\"ok\"");
  BOOST_TEST(told.calls == 4);
  BOOST_TEST((told.end == begin_of_time + 30ms));
  BOOST_TEST(both_ways("Retries", "9").failure.message
             == "Activity function 'Flaky' failed: not yet");
}

BOOST_AUTO_TEST_CASE(children_run_and_give_their_output) {
  BOOST_TEST(
    both_ways("Parent", "2").output
    == R"([["Hello Tokyo!","Hello Seattle!","Hello London!"],["Hello Tokyo!","Hello Seattle!","Hello London!"]])");
}

BOOST_AUTO_TEST_CASE(an_eternal_counter_continues_as_new) {
  BOOST_TEST(
    both_ways("Counter", "0", {{"Add", "2"}, {"add", "5"}, {"Stop", "null"}})
      .output
    == "7");
}

BOOST_AUTO_TEST_CASE(a_booking_is_undone_when_a_step_fails) {
  BOOST_TEST(both_ways("BookTrip", R"({"from":"A","to":"B","nights":2})").output
             == "\"F-B+H-B\"");
  story failed = both_ways("BookTrip", R"({"from":"A","to":"B","nights":5})");
  BOOST_TEST(failed.failure.type == "activity_failed");
  BOOST_TEST(failed.failure.message
             == "Activity function 'Charge' failed: card declined");
  BOOST_TEST(failed.calls == 5);
  BOOST_TEST(
    both_ways("BookTripOutcome", R"({"from":"A","to":"B","nights":5})").output
    == "\"cancelled: Activity function 'Charge' failed: card declined\"");
}

BOOST_AUTO_TEST_CASE(helpers_are_coroutines_too) {
  BOOST_TEST(both_ways("Nested", "null").output
             == R"(["Hello Tokyo!","Hello Seattle!!","Hello x!9"])");
}

BOOST_AUTO_TEST_CASE(an_orchestration_may_never_wait) {
  BOOST_TEST(both_ways("Echo", R"({"z":1})").output == R"({"z":1})");
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

std::shared_ptr<registry> with(auto orchestrator) {
  auto r = std::make_shared<registry>();
  r->add_orchestrator("Ship", orchestrator);
  return r;
}

std::vector<task_sequence> numbers(std::initializer_list<task_sequence> list) {
  return list;
}

constexpr task_sequence wait_1 = wait_sequence_first;
constexpr task_sequence wait_2 = wait_sequence_first + 1;

std::vector<std::string> logged;

void keep_log(const instance_id& id, int level, const std::string& text) {
  logged.push_back(id + " " + std::to_string(level) + " " + text);
}

} // namespace

BOOST_AUTO_TEST_SUITE(external_events)

BOOST_AUTO_TEST_CASE(an_event_goes_to_the_oldest_wait_of_its_name) {
  turn_driver run(with([](orchestration_context& ctx) -> task<std::string> {
                    auto a = ctx.wait_for_external_event<std::string>("Go");
                    auto b = ctx.wait_for_external_event<std::string>("go");
                    auto x = co_await b;
                    co_return x + co_await a;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.last.waits_opened.size() == 2U);
  BOOST_TEST(run.last.waits_opened[0].sequence == wait_1);
  BOOST_TEST(run.last.waits_opened[1].name == "go");
  BOOST_TEST(run.last.next_sequence == 1U); // waits have their own numbers
  run.raise("GO", "\"1\"");
  run.turn();
  BOOST_TEST((run.last.waits_closed == numbers({wait_1})));
  run.raise("gO", "\"2\"");
  run.turn();
  BOOST_TEST((run.last.waits_closed == numbers({wait_2})));
  BOOST_TEST(run.output() == "\"21\"");
}

BOOST_AUTO_TEST_CASE(names_compare_case_insensitively_in_ascii_only) {
  turn_driver run(with([](orchestration_context& ctx) -> task<void> {
                    co_await ctx.wait_for_external_event("\xC3\x84 go"); // Ä
                  }),
                  "Ship");
  run.turn();
  run.raise("\xC3\xA4 go"); // ä
  run.turn();
  BOOST_TEST(!run.is_over());
  run.raise("\xC3\x84 GO");
  run.turn();
  BOOST_TEST(run.output() == "null");
}

BOOST_AUTO_TEST_CASE(an_event_nobody_waits_for_stays_in_the_inbox) {
  turn_driver run(with([](orchestration_context& ctx) -> task<std::string> {
                    co_await ctx.create_timer(1s);
                    auto wait = ctx.wait_for_external_event<std::string>("Go");
                    const bool there = wait.is_completed();
                    std::string word = co_await wait;
                    co_return word + (there ? " at once" : "");
                  }),
                  "Ship");
  run.turn();
  run.raise("Go", "\"1\"");
  run.raise("Go", "\"2\"");
  run.turn();
  BOOST_TEST(run.last.taken.empty());
  BOOST_TEST(run.inbox.size() == 2U);
  run.evict();
  run.fire(1);
  run.turn();
  BOOST_TEST(run.output() == "\"1 at once\"");
  // In order of delivery: the event came before the timer.
  BOOST_TEST((run.last.taken == std::vector<inbox_sequence>{1, 3}));
  BOOST_TEST(run.last.waits_opened.empty());
  BOOST_TEST(run.last.waits_closed.empty());
}

BOOST_AUTO_TEST_CASE(events_before_the_first_step_are_there_at_once) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
                    auto x
                      = co_await ctx.wait_for_external_event<int>("Go", 1h);
                    co_return x.value_or(0);
                  }),
                  "Ship");
  run.raise("Go", "5");
  run.turn();
  BOOST_TEST(run.output() == "5");
  BOOST_TEST(run.asked() == ""); // no timer for what is there
}

BOOST_AUTO_TEST_CASE(a_wait_that_is_cancelled_takes_nothing) {
  turn_driver run(with([](orchestration_context& ctx) -> task<std::string> {
                    auto first = ctx.wait_for_external_event("Go");
                    co_await ctx.create_timer(1s);
                    first.cancel();
                    co_return co_await ctx.wait_for_external_event<std::string>(
                      "Go");
                  }),
                  "Ship");
  run.turn();
  run.fire(1);
  run.turn();
  BOOST_TEST((run.last.waits_closed == numbers({wait_1})));
  BOOST_TEST(run.last.waits_opened.size() == 1U);
  run.raise("Go", "\"x\"");
  run.turn();
  BOOST_TEST(run.output() == "\"x\"");
}

BOOST_AUTO_TEST_CASE(awaiting_what_was_cancelled_throws_instead_of_hanging) {
  turn_driver run(with([](orchestration_context& ctx) -> task<void> {
                    auto timer = ctx.create_timer(1h);
                    timer.cancel();
                    co_await timer;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.failure().type == "task_cancelled");
  BOOST_TEST(run.asked() == "timer#1");
  BOOST_TEST((run.last.timers_cancelled == numbers({1})));
}

BOOST_AUTO_TEST_CASE(a_wait_with_a_time_out_leaves_no_timer) {
  auto functions = with([](orchestration_context& ctx) -> task<std::string> {
    auto x = co_await ctx.wait_for_external_event<std::string>("Go", 1h);
    const bool y = co_await ctx.wait_for_external_event("Stop", 2h);
    co_return x.value_or("none") + (y ? " stopped" : " not stopped");
  });
  turn_driver run(functions, "Ship");
  run.turn();
  BOOST_TEST(run.asked() == "timer#1");
  run.raise("Go", "\"x\"");
  run.turn();
  BOOST_TEST((run.last.timers_cancelled == numbers({1})));
  BOOST_TEST(run.asked() == "timer#2");
  run.arrive(timer_fired{1, run.now + 1h}); // it was on its way already
  run.turn();
  BOOST_TEST(!run.is_over());
  BOOST_TEST(run.last.taken.size() == 1U);
  run.fire(2);
  run.turn();
  BOOST_TEST((run.last.waits_closed == numbers({wait_2})));
  BOOST_TEST(run.output() == "\"x not stopped\"");
}

BOOST_AUTO_TEST_CASE(a_null_event_is_not_a_time_out) {
  turn_driver run(with([](orchestration_context& ctx) -> task<std::string> {
                    auto x
                      = co_await ctx.wait_for_external_event<json>("Go", 1h);
                    co_return x ? "event" : "time-out";
                  }),
                  "Ship");
  run.turn();
  run.raise("Go");
  run.turn();
  BOOST_TEST(run.output() == "\"event\"");
}

BOOST_AUTO_TEST_CASE(an_event_that_does_not_fit_throws_a_readable_sentence) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
                    co_return co_await ctx.wait_for_external_event<int>("Go");
                  }),
                  "Ship");
  run.turn();
  run.raise("Go", "\"x\"");
  run.turn();
  BOOST_TEST(run.failure().message
             == "the data of event Go does not fit its type: type must be "
                "number, but is string");
}

BOOST_AUTO_TEST_CASE(results_nobody_wants_are_taken_and_ignored) {
  turn_driver run(with([](orchestration_context& ctx) -> task<void> {
                    co_await ctx.create_timer(1s);
                  }),
                  "Ship");
  run.turn();
  run.arrive(task_completed{7, "1"});
  run.arrive(persistence::task_failed{1, {"x", "of a timer?"}});
  run.arrive(sub_orchestration_instance_completed{1, "1"});
  run.arrive(timer_fired{9, {}});
  run.turn();
  BOOST_TEST(run.last.taken.size() == 4U);
  BOOST_TEST(!run.is_over());
  run.complete(8);
  run.fire(1);
  run.complete(9); // after the end
  run.raise("Late");
  run.turn();
  BOOST_TEST(run.output() == "null");
  BOOST_TEST(run.last.taken.size() == 3U);
  BOOST_TEST(run.inbox.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(continuing_as_new)

BOOST_AUTO_TEST_CASE(an_event_that_was_bound_but_not_awaited_is_carried) {
  auto functions = with([](orchestration_context& ctx) -> task<void> {
    auto a = ctx.wait_for_external_event<int>("A");
    auto b = ctx.wait_for_external_event<int>("B");
    auto c = ctx.wait_for_external_event<int>("C");
    co_await when_any(a, b, c);
    co_await c;
    ctx.continue_as_new(json{{"n", 1}});
  });
  turn_driver run(functions, "Ship");
  run.turn();
  run.raise("b", "2");
  run.turn();
  run.now += 5s;
  run.raise("A", "1");
  run.raise("a", "11");
  run.raise("C", "3");
  run.turn();
  const continued_result& next = run.continued();
  BOOST_TEST(next.input == R"({"n":1})");
  BOOST_TEST(next.keep_events);
  BOOST_TEST_REQUIRE(next.carried.size() == 2U);
  // As raised, when raised, in that order.
  BOOST_TEST(
    (next.carried[0] == history_event{begin_of_time, event_raised{"b", "2"}}));
  BOOST_TEST((next.carried[1]
              == history_event{begin_of_time + 5s, event_raised{"A", "1"}}));
  BOOST_TEST(run.inbox.size() == 1U); // the second a was bound to nothing
}

BOOST_AUTO_TEST_CASE(unprocessed_events_may_be_left_behind) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
                    auto a = ctx.wait_for_external_event<int>("A");
                    co_await when_any(a);
                    ctx.continue_as_new(1, false);
                    co_return {};
                  }),
                  "Ship");
  run.turn();
  run.raise("A", "1");
  run.turn();
  BOOST_TEST(!run.continued().keep_events);
  BOOST_TEST(run.continued().carried.empty());
}

BOOST_AUTO_TEST_CASE(it_continues_when_the_code_returns_and_not_if_it_throws) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
                    ctx.continue_as_new(1);
                    co_await ctx.create_timer(1s);
                    throw std::runtime_error("after all");
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(!run.is_over());
  run.fire(1);
  run.turn();
  BOOST_TEST(run.failure().message == "after all");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(limits)

BOOST_AUTO_TEST_CASE(ten_thousand_decisions_a_turn_and_not_one_more) {
  turn_driver run(with([](orchestration_context& ctx) -> task<int> {
                    int asked = 0;
                    try {
                      for (;; ++asked)
                        ctx.send_event("b", "Go");
                    } catch (const limit_exceeded&) {
                    }
                    co_await ctx.wait_for_external_event("Next");
                    ctx.send_event("b", "Go"); // another turn, other room
                    for (int i = 1; i < asked; ++i)
                      ctx.send_event("b", "Go");
                    ctx.send_event("b", "Go");
                    co_return asked;
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(run.last.decisions.size() == decisions_per_turn_max);
  run.raise("Next");
  run.turn();
  BOOST_TEST(run.failure().type == "limit_exceeded");
  BOOST_TEST(
    run.failure().message
    == "decisions_per_turn_max: \"order-17\" asked for more than 10000 "
       "things in one turn; await some of them first");
}

BOOST_AUTO_TEST_CASE(values_that_are_too_large_are_refused_at_the_call) {
  turn_driver run(
    with([](orchestration_context& ctx) -> task<json> {
      const std::string large(payload_bytes_max, 'x');
      json said;
      auto note = [&](auto ask) {
        try {
          ask();
        } catch (const limit_exceeded& refused) {
          said.push_back(refused.what());
        }
      };
      note([&] { std::ignore = ctx.call_activity("A", large); });
      note([&] { std::ignore = ctx.call_sub_orchestration("C", large); });
      note([&] { ctx.send_event("b", "Go", large); });
      note([&] { ctx.continue_as_new(large); });
      note([&] { ctx.set_custom_status(std::string(16 * 1024 - 1, 'x')); });
      ctx.set_custom_status(std::string(16 * 1024 - 2, 'x'));
      co_return said;
    }),
    "Ship");
  run.turn();
  BOOST_TEST(run.asked() == "");
  BOOST_TEST(run.custom_status.size() == custom_status_bytes_max);
  const json said = json::parse(run.output());
  BOOST_TEST_REQUIRE(said.size() == 5U);
  BOOST_TEST(said[0]
             == "payload_bytes_max: the input of activity A takes "
                "1048578 bytes, 1048576 are allowed");
  BOOST_TEST(said[2].get<std::string>().starts_with(
    "payload_bytes_max: the data of event Go"));
  BOOST_TEST(said[4]
             == "custom_status_bytes_max: the custom status takes "
                "16385 bytes, 16384 are allowed");
}

BOOST_AUTO_TEST_CASE(an_output_that_cannot_be_written_fails_the_instance) {
  turn_driver large(with([](orchestration_context&) -> task<std::string> {
                      co_return std::string(payload_bytes_max, 'x');
                    }),
                    "Ship");
  large.turn();
  BOOST_TEST(large.failure().type == "limit_exceeded");
  turn_driver bad(
    with([](orchestration_context&) -> task<std::string> { co_return "\xFF"; }),
    "Ship");
  bad.turn();
  BOOST_TEST(bad.failure().type == "payload_error");
  BOOST_TEST(bad.failure().message.starts_with(
    "the output cannot be written as JSON: invalid UTF-8"));
}

BOOST_AUTO_TEST_CASE(names_and_ids_that_are_none_are_refused_at_the_call) {
  turn_driver run(
    with([](orchestration_context& ctx) -> task<int> {
      int refused = 0;
      auto note = [&](auto ask) {
        try {
          ask();
        } catch (const std::invalid_argument&) {
          ++refused;
        }
      };
      note([&] { std::ignore = ctx.call_activity(""); });
      note([&] { std::ignore = ctx.call_activity("a\n"); });
      note([&] { std::ignore = ctx.wait_for_external_event(""); });
      note([&] { ctx.send_event("", "Go"); });
      note([&] { ctx.send_event("a/b", "Go"); });
      note([&] {
        std::ignore
          = ctx.call_sub_orchestration("C", nullptr, {.instance_id = "@c"});
      });
      note([&] {
        std::ignore
          = ctx.call_activity("A", nullptr, {.retry = {.attempts_max = 0}});
      });
      note([&] {
        std::ignore = ctx.call_activity("A", nullptr,
                                        {.retry = {.backoff_coefficient = 0}});
      });
      note([&] { std::ignore = when_any(ctx, std::vector<pending<int>>()); });
      co_return refused;
    }),
    "Ship");
  run.turn();
  BOOST_TEST(run.output() == "9");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(retrying)

namespace {

std::shared_ptr<registry> retrying(retry_options options) {
  static retry_options now;
  now = options;
  return with([](orchestration_context& ctx) -> task<int> {
    co_return co_await ctx.call_activity<int>("A", 1, {.retry = now});
  });
}

/// The pauses between attempts that all fail, in seconds.
std::vector<double> pauses(retry_options options) {
  turn_driver run(retrying(options), "Ship");
  std::vector<double> all;
  run.turn();
  for (task_sequence next = 1; !run.is_over(); next += 2) {
    run.fail(next);
    run.turn();
    if (run.is_over())
      break;
    const auto at = std::get<timer_created>(run.open.at(next + 1)).fire_at;
    all.push_back(std::chrono::duration<double>(at - run.now).count());
    run.fire(next + 1);
    run.turn();
  }
  return all;
}

using seconds_list = std::vector<double>;

} // namespace

BOOST_AUTO_TEST_CASE(pauses_grow_by_the_coefficient_up_to_the_longest) {
  BOOST_TEST((pauses({.attempts_max = 1}) == seconds_list{}));
  BOOST_TEST((pauses({.attempts_max = 4}) == seconds_list{1, 1, 1}));
  BOOST_TEST((pauses({.attempts_max = 5,
                      .interval_first = 2s,
                      .backoff_coefficient = 2,
                      .interval_max = 10s})
              == seconds_list{2, 4, 8, 10}));
  BOOST_TEST(
    (pauses({.attempts_max = 3, .interval_first = 0s}) == seconds_list{0, 0}));
  // Overflow is no surprise.
  BOOST_TEST(
    (interval_after({.backoff_coefficient = 1e300}, 4'000'000'000U) == 1h));
}

BOOST_AUTO_TEST_CASE(no_attempt_begins_after_the_time_out) {
  BOOST_TEST((pauses({.attempts_max = 100,
                      .interval_first = 10s,
                      .backoff_coefficient = 2,
                      .time_out = 70s})
              == seconds_list{10, 20, 40}));
}

BOOST_AUTO_TEST_CASE(a_predicate_decides_what_is_worth_another_attempt) {
  auto functions = retrying({.attempts_max = 5, .handle = [](auto& failure) {
                               if (failure.message() == "throw")
                                 throw 1;
                               return failure.name() == "A"
                                      && failure.message() == "try again";
                             }});
  for (const char* last : {"give up", "throw"}) {
    turn_driver run(functions, "Ship");
    run.turn();
    run.fail(1, "try again");
    run.turn();
    run.fire(2);
    run.turn();
    run.fail(3, last);
    run.turn();
    BOOST_TEST(run.failure().message
               == std::string("Activity function 'A' failed: ") + last);
    BOOST_TEST((run.last.failures_taken == numbers({3})));
  }
}

BOOST_AUTO_TEST_CASE(attempts_are_counted_and_carry_the_same_input) {
  turn_driver run(retrying({.attempts_max = 2}), "Ship");
  run.turn();
  run.fail(1);
  run.turn();
  run.fire(2);
  run.evict();
  run.turn();
  const auto again = std::get<task_scheduled>(run.open.at(3));
  BOOST_TEST(again.attempt == 2U);
  BOOST_TEST(again.input == "1");
  run.complete(1, "1"); // late, of an attempt that counts no more
  run.turn();
  BOOST_TEST(!run.is_over());
  run.complete(3, "3");
  run.turn();
  BOOST_TEST(run.output() == "3");
}

BOOST_AUTO_TEST_CASE(a_childs_attempts_have_new_ids_unless_one_is_given) {
  turn_driver run(
    with([](orchestration_context& ctx) -> task<void> {
      auto a = ctx.call_sub_orchestration("A", nullptr,
                                          {.retry = {.attempts_max = 2}});
      auto b = ctx.call_sub_orchestration("B", nullptr,
                                          {.instance_id = "child-b",
                                           .version = "2",
                                           .retry = {.attempts_max = 2}});
      co_await when_all(a, b);
    }),
    "Ship");
  run.turn();
  auto child = [&](task_sequence i) {
    return std::get<sub_orchestration_instance_created>(run.open.at(i));
  };
  BOOST_TEST(child(1).instance == run.execution + ":1");
  BOOST_TEST(child(2).instance == "child-b");
  BOOST_TEST(child(2).version == "2");
  run.child_fail(1);
  run.child_fail(2);
  run.turn();
  run.fire(3);
  run.fire(4);
  run.turn();
  BOOST_TEST(child(5).instance == run.execution + ":5");
  BOOST_TEST(child(6).instance == "child-b");
  BOOST_TEST(child(6).version == "2");
  run.child_complete(6);
  run.child_complete(5);
  run.turn();
  BOOST_TEST(run.output() == "null");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(the_rest_of_the_context)

BOOST_AUTO_TEST_CASE(when_all_waits_for_all_and_throws_the_first_in_order) {
  turn_driver run(with([](orchestration_context& ctx) -> task<void> {
                    auto a = ctx.call_activity("A");
                    auto b = ctx.call_activity("B");
                    auto c = ctx.call_activity("C");
                    co_await when_all(a, b, c);
                  }),
                  "Ship");
  run.turn();
  run.fail(3, "three");
  run.turn();
  run.fail(2, "two");
  run.turn();
  BOOST_TEST(!run.is_over());
  run.complete(1);
  run.turn();
  BOOST_TEST(run.failure().message == "Activity function 'B' failed: two");
  // Both were learnt of: the code went on from there.
  BOOST_TEST((run.last.failures_taken == numbers({2, 3})));
}

BOOST_AUTO_TEST_CASE(when_any_gives_the_first_also_if_it_failed) {
  turn_driver run(with([](orchestration_context& ctx) -> task<std::string> {
                    auto a = ctx.call_activity("A");
                    auto b = ctx.call_activity("B");
                    auto first = co_await when_any(a, b);
                    auto again = co_await when_any(a, b, b);
                    const auto outcome = co_await b.as_outcome();
                    co_return std::to_string(first.index())
                      + (again == b ? "b" : "a") + (outcome ? "" : " failed");
                  }),
                  "Ship");
  run.turn();
  run.fail(2);
  run.complete(1);
  run.turn();
  BOOST_TEST(run.output() == "\"1b failed\"");
}

BOOST_AUTO_TEST_CASE(time_is_the_turns_and_the_same_in_a_replay) {
  turn_driver run(with([](orchestration_context& ctx) -> task<json> {
                    json times;
                    auto note = [&] {
                      times.push_back(
                        (ctx.current_time() - begin_of_time).count());
                    };
                    note();
                    co_await ctx.create_timer(1500ms);
                    note();
                    co_await ctx.create_timer(begin_of_time); // in the past
                    note();
                    co_return times;
                  }),
                  "Ship");
  run.turn();
  run.fire(1);
  run.now += 1s;
  run.turn();
  BOOST_TEST((std::get<timer_created>(run.open.at(2)).fire_at == run.now));
  run.evict();
  run.fire(2);
  run.turn();
  BOOST_TEST(run.output() == "[0,2500000,2500000]");
}

BOOST_AUTO_TEST_CASE(a_timer_may_be_as_long_as_you_like) {
  turn_driver run(
    with([](orchestration_context& ctx) -> task<void> {
      auto a = ctx.create_timer(std::chrono::hours::max());
      auto b = ctx.create_timer(std::chrono::duration<double>(1e300));
      auto c = ctx.create_timer(std::chrono::system_clock::time_point::max());
      auto d = ctx.create_timer(std::chrono::hours::min());
      auto e = ctx.create_timer(std::chrono::duration<double>(0.5));
      auto f = ctx.create_timer(24h * 365 * 10'000);
      co_await when_any(a, b, c, d, e, f);
    }),
    "Ship");
  run.turn();
  auto at = [&](task_sequence i) {
    return std::get<timer_created>(run.open.at(i)).fire_at;
  };
  const timestamp last
    = timestamp(std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1)) - 1us;
  BOOST_TEST((at(1) == last));
  BOOST_TEST((at(2) == last));
  // The clock itself counts nanoseconds: its last moment is in 2262.
  BOOST_TEST((at(3) > run.now && at(3) < last));
  BOOST_TEST((at(4) == run.now));
  BOOST_TEST((at(5) == run.now + 500ms));
  BOOST_TEST((at(6) == last));
}

BOOST_AUTO_TEST_CASE(guids_are_new_each_time_and_the_same_in_a_replay) {
  auto functions = with([](orchestration_context& ctx) -> task<json> {
    json all = json::array({ctx.new_guid(), ctx.new_guid()});
    co_await ctx.create_timer(1s);
    all.push_back(ctx.new_guid());
    co_return all;
  });
  turn_driver run(functions, "Ship");
  run.turn();
  run.fire(1);
  run.turn();
  // Never change: running instances would get others.
  BOOST_TEST(
    run.output()
    == R"(["427f9a0d-ddbe-83b3-aee6-7f4efe89089c","73d4adf6-eabf-8427-bc08-a77b5d163a7c","b679375b-469c-812e-8007-97b4311ea913"])");
}

BOOST_AUTO_TEST_CASE(the_context_knows_who_it_is) {
  turn_driver run(with([](orchestration_context& ctx) -> task<json> {
                    co_return json::array(
                      {ctx.instance_id(), ctx.execution_id(),
                       ctx.parent_instance_id(), ctx.name(), ctx.version()});
                  }),
                  "Ship");
  run.turn();
  BOOST_TEST(
    run.output()
    == R"(["order-17","00112233445566778899aabbccddeeff","the-parent","Ship",""])");
}

BOOST_AUTO_TEST_CASE(log_lines_come_once_and_the_status_is_the_last_one_set) {
  auto functions = with([](orchestration_context& ctx) -> task<bool> {
    ctx.log_info("one");
    ctx.set_custom_status("first");
    ctx.set_custom_status(json{{"step", 1}});
    co_await ctx.create_timer(1s);
    ctx.log_warn("two");
    ctx.log_error("three");
    co_return ctx.is_replaying();
  });
  logged.clear();
  orchestration_run run(functions, keep_log);
  orchestration_work_item item;
  item.instance = "order-17";
  item.cold = true;
  execution_started started;
  started.name = "Ship";
  item.history.push_back({begin_of_time, started});
  turn_outcome first = run.run_turn(item);
  BOOST_TEST(*first.custom_status == R"({"step":1})");
  item.history.push_back({begin_of_time, orchestrator_started{}});
  item.history.push_back({begin_of_time, first.decisions.at(0)});
  item.history.push_back({begin_of_time, orchestrator_completed{}});
  item.deliveries.push_back({1, {begin_of_time, timer_fired{1, {}}}});
  turn_outcome second = run.run_turn(item);
  BOOST_TEST(!second.custom_status);
  BOOST_TEST(std::get<completed_result>(second.result).result == "false");
  BOOST_TEST((logged
              == std::vector<std::string>{"order-17 2 one", "order-17 3 two",
                                          "order-17 4 three"}));
}

BOOST_AUTO_TEST_CASE(json_text_crosses_the_orchestrator_verbatim) {
  auto r
    = with([](orchestration_context& ctx, json_text in) -> task<json_text> {
        auto back = co_await ctx.call_activity<json_text>("A", in);
        co_return back;
      });
  const std::string text = R"({"z": 1,"a":123456789012345678901234567890})";
  turn_driver run(r, "Ship", text);
  run.turn();
  BOOST_TEST(std::get<task_scheduled>(run.open.at(1)).input == text);
  run.complete(1, text);
  run.turn();
  BOOST_TEST(run.output() == text);
}

BOOST_AUTO_TEST_CASE(what_is_not_an_exception_is_a_failure_too) {
  turn_driver run(with([](orchestration_context& ctx) -> task<void> {
                    co_await ctx.create_timer(1s);
                    throw 7;
                  }),
                  "Ship");
  run.turn();
  run.fire(1);
  run.turn();
  BOOST_TEST(run.failure().type == "int");
  BOOST_TEST(run.failure().message == "unknown exception");
}

BOOST_AUTO_TEST_CASE(a_warm_turn_without_a_coroutine_is_our_mistake) {
  orchestration_run run(
    with([](orchestration_context&) -> task<void> { co_return; }));
  BOOST_CHECK_THROW(run.run_turn({}), std::logic_error);
}

BOOST_AUTO_TEST_CASE(many_messages_of_one_turn_are_given_one_by_one) {
  turn_driver run(with([](orchestration_context& ctx) -> task<json> {
                    json order;
                    auto a = ctx.call_activity<int>("A");
                    auto b = ctx.call_activity<int>("B");
                    co_await a;
                    order.push_back(b.is_completed()); // not yet
                    auto c = ctx.call_activity<int>("C");
                    co_await b;
                    order.push_back(c.is_completed());
                    co_return order;
                  }),
                  "Ship");
  run.turn();
  run.complete(1, "1");
  run.complete(2, "2");
  run.turn();
  BOOST_TEST(run.output() == "[false,false]");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
