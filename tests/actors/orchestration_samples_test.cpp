// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/turn_driver.hpp"

#include <stdexcept>

// Whole orchestrations from the documentation, with real activities.

using namespace std::chrono_literals;

namespace perdura::actors::test {

using namespace persistence;

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

std::shared_ptr<registry> sample_registry() {
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

/// Runs the orchestration twice: with one message in each turn, and with all
/// available messages in one turn. Both runs must have the same outcome.
orchestration_outcome
run_both_ways(const std::string& name, const std::string& input,
              std::vector<std::pair<std::string, std::string>> events = {}) {
  // Other tests of the process may keep frames for ever (kept_code).
  const auto frames_before = detail::frames_alive.load();
  orchestration_outcome one
    = run_to_end(sample_registry(), name, input, events, false);
  orchestration_outcome batched
    = run_to_end(sample_registry(), name, input, events, true);
  BOOST_TEST(one.output == batched.output);
  BOOST_TEST(one.failure.message == batched.failure.message);
  BOOST_TEST(one.calls == batched.calls);
  BOOST_TEST(detail::frames_alive.load() == frames_before);
  return one;
}

} // namespace

BOOST_AUTO_TEST_SUITE(orchestration_samples)

// Runs the example HelloSequence.
BOOST_AUTO_TEST_CASE(activities_run_in_sequence) {
  BOOST_TEST(run_both_ways("HelloSequence", "null").output
             == R"(["Hello Tokyo!","Hello Seattle!","Hello London!"])");
}

// Runs the example FanOutFanIn, with twenty activities and with none.
BOOST_AUTO_TEST_CASE(fan_out_sums_all_results) {
  BOOST_TEST(run_both_ways("FanOutFanIn", "20").output == "2470");
  BOOST_TEST(run_both_ways("FanOutFanIn", "0").output == "0");
}

// Tests both ways to wait with a time limit: when_any over an event and a
// timer, and wait_for_external_event with a time-out.
BOOST_AUTO_TEST_CASE(approval_or_deadline_ends_the_wait) {
  for (const char* name : {"ApprovalWithTimeout", "ApprovalShort"}) {
    BOOST_TEST(run_both_ways(name, "50").output == "\"timed out\"");
    BOOST_TEST(
      run_both_ways(name, "50", {{"Approval", R"({"by":"me"})"}}).output
      == R"({"by":"me"})");
  }
}

// The activity fails three times and is retried after 10 ms each time. The
// retry policy permits five attempts.
BOOST_AUTO_TEST_CASE(activity_is_retried_until_it_succeeds) {
  orchestration_outcome outcome = run_both_ways("Retries", "3");
  BOOST_TEST(outcome.output == "\"ok\"");
  BOOST_TEST(outcome.calls == 4);
  BOOST_TEST((outcome.end == start_time + 30ms));
  BOOST_TEST(run_both_ways("Retries", "9").failure.message
             == "Activity function 'Flaky' failed: not yet");
}

// Runs the example Parent with two children.
BOOST_AUTO_TEST_CASE(sub_orchestrations_return_their_output) {
  BOOST_TEST(
    run_both_ways("Parent", "2").output
    == R"([["Hello Tokyo!","Hello Seattle!","Hello London!"],["Hello Tokyo!","Hello Seattle!","Hello London!"]])");
}

// The events Add and add reach the same wait, because event names ignore case.
BOOST_AUTO_TEST_CASE(counter_continues_as_new_and_keeps_its_sum) {
  BOOST_TEST(run_both_ways("Counter", "0",
                           {{"Add", "2"}, {"add", "5"}, {"Stop", "null"}})
               .output
             == "7");
}

// The trip of five nights cannot be charged. The orchestrator cancels flight
// and hotel and throws the failure again; it has then made five activity calls.
BOOST_AUTO_TEST_CASE(failed_booking_is_compensated) {
  BOOST_TEST(
    run_both_ways("BookTrip", R"({"from":"A","to":"B","nights":2})").output
    == "\"F-B+H-B\"");
  orchestration_outcome failed
    = run_both_ways("BookTrip", R"({"from":"A","to":"B","nights":5})");
  BOOST_TEST(failed.failure.type == "activity_failed");
  BOOST_TEST(failed.failure.message
             == "Activity function 'Charge' failed: card declined");
  BOOST_TEST(failed.calls == 5);
  BOOST_TEST(
    run_both_ways("BookTripOutcome", R"({"from":"A","to":"B","nights":5})")
      .output
    == "\"cancelled: Activity function 'Charge' failed: card declined\"");
}

// The helper coroutine takes a reference to a local variable of the
// orchestrator.
BOOST_AUTO_TEST_CASE(helper_coroutines_can_await_activities) {
  BOOST_TEST(run_both_ways("Nested", "null").output
             == R"(["Hello Tokyo!","Hello Seattle!!","Hello x!9"])");
}

// The first turn completes the instance.
BOOST_AUTO_TEST_CASE(orchestration_without_an_await_completes) {
  BOOST_TEST(run_both_ways("Echo", R"({"z":1})").output == R"({"z":1})");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
