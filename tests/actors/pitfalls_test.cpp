// SPDX-License-Identifier: Apache-2.0
// Coroutine code that g++ 12 miscompiles or that leaves dangling references.
// The authoring API must either refuse it at compile time (static assertions)
// or make it work (test cases). The tests apply to g++ and clang++.
#include "tests/actors/turn_driver.hpp"

using namespace std::chrono_literals;

namespace perdura::actors::test {

using namespace persistence;

namespace {

struct charge {
  std::string card, city;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(charge, card, city)

struct point {
  int x = 0, y = 0;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(point, x, y)

template <class... A>
constexpr bool stays
  = detail::parameters_stay<orchestration_context&, A...>::value;

// An orchestrator takes its parameters by value. A helper may also take T&.
static_assert(stays<> && stays<std::string, charge> && stays<charge&>);
static_assert(!stays<const charge&> && !stays<charge&&>);
static_assert(!stays<std::string_view> && !stays<int, const std::string&>);

// Only tasks that a replay can repeat can be awaited.
static_assert(
  detail::awaitable<pending<
    int>> && detail::awaitable<pending_all<int>> && detail::awaitable<pending_any> && detail::awaitable<task<int>> && detail::awaitable<pending<int>::outcome_awaiter>);
static_assert(
  !detail::awaitable<std::suspend_always> && !detail::awaitable<int>);

// Task handles are trivially destructible and are no aggregates, because g++ 12
// destroys temporaries of aggregate type twice in an await expression.
static_assert(
  std::is_trivially_destructible_v<pending_tuple<
    json,
    void>> && !std::is_aggregate_v<pending<json>> && !std::is_aggregate_v<pending<json>::outcome_awaiter>);

#if defined(__clang__) || __GNUC__ >= 13
static_assert(detail::is_safe_input<charge>);
#else
static_assert(!detail::is_safe_input<charge>);
#endif
static_assert(
  detail::is_safe_input<
    charge&> && detail::is_safe_input<point> && detail::is_safe_input<std::string> && detail::is_safe_input<const char (&)[4]> && detail::is_safe_input<json> && detail::is_safe_input<int>);

task<std::string> everyday(orchestration_context& ctx, charge in) {
  std::string out;
  // Inputs: a temporary of class type, a literal, a trivial aggregate.
  out += co_await ctx.call_activity<std::string>("Echo", std::string("a"));
  out += co_await ctx.call_activity<std::string>("Echo", "b");
  out += std::to_string(co_await ctx.call_activity<int>("Sum", point{1, 2}));
  // An aggregate parameter, and a named aggregate.
  out += co_await ctx.call_activity<std::string>("City", in);
  charge named{"card", "Oslo"};
  out += co_await ctx.call_activity<std::string>("City", named);
  // Options as a braced initializer.
  out += co_await ctx.call_activity<std::string>(
    "Echo", out.size(),
    {.retry = {.attempts_max = 2, .interval_first = 1s}, .time_out = 5s});
  // co_await as an argument, in an operand, and in the condition of a loop.
  out.append(co_await ctx.call_activity<std::string>("Echo", "c") + "-");
  for (int i = 0; i < co_await ctx.call_activity<int>("Two"); ++i)
    out += '.';
  // co_await in a condition and under a negation.
  const bool yes = co_await ctx.call_activity<bool>("Yes");
  const bool also = yes && co_await ctx.call_activity<bool>("Yes");
  if (also)
    out += "y";
  if (!co_await ctx.call_activity<bool>("Yes"))
    out += "n";
  // A JSON value that is built before the call.
  json body = {{"k", json::array({1, 2})}};
  out += (co_await ctx.call_activity<json>("Json", body)).dump();
  // A structured binding of two results.
  auto a = ctx.call_activity<std::string>("Echo", "x");
  auto b = ctx.call_activity("Void");
  auto [x, nothing] = co_await when_all(a, b);
  static_cast<void>(nothing);
  co_return out + x;
}

std::shared_ptr<registry> functions() {
  auto r = std::make_shared<registry>();
  r->add_orchestrator("Everyday", everyday);
  r->add_activity(
     "Echo",
     [](json in) { return in.is_string() ? in.get<std::string>() : in.dump(); })
    .add_activity("Sum", [](point p) { return p.x + p.y; })
    .add_activity("City", [](const charge& c) { return c.city; })
    .add_activity("Two", [] { return 2; })
    .add_activity("Yes", [] { return true; })
    .add_activity("Json", [](json in) { return in; })
    .add_activity("Void", [] {});
  return r;
}

/// A member function can be a helper coroutine if its object outlives the call.
struct shop {
  int stock = 3;

  task<int> sell(orchestration_context& ctx, int wanted) {
    stock -= co_await ctx.call_activity<int>("Sell", wanted);
    co_return stock;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(pitfalls)

// Runs the orchestrator Everyday twice. In the first run each turn receives one
// result, in the second run all available results.
BOOST_AUTO_TEST_CASE(common_await_expressions_compile_correctly) {
  const std::string in = R"({"card":"c","city":"Rome"})";
  for (bool batched : {false, true}) {
    orchestration_outcome outcome
      = run_to_end(functions(), "Everyday", in, {}, batched);
    BOOST_TEST(outcome.failure.message == "");
    BOOST_TEST(outcome.output == R"("ab3RomeOslo11c-..y{\"k\":[1,2]}x")");
  }
  BOOST_TEST(detail::frames_alive.load() == 0);
}

// The object is a local variable of the orchestrator.
BOOST_AUTO_TEST_CASE(member_function_can_be_a_helper_coroutine) {
  auto r = std::make_shared<registry>();
  r->add_orchestrator("Ship", [](orchestration_context& ctx) -> task<int> {
    shop s;
    co_await s.sell(ctx, 1);
    co_return co_await s.sell(ctx, 1);
  });
  r->add_activity("Sell", [](int n) { return n; });
  BOOST_TEST(run_to_end(r, "Ship", "null").output == "1");
}

// A local object cancels a timer in its destructor. The destructor also runs
// when the coroutine frame is destroyed.
BOOST_AUTO_TEST_CASE(destructor_can_cancel_a_timer_of_an_evicted_frame) {
  struct guard {
    pending<void> timer;

    explicit guard(pending<void> t) : timer(t) {}

    ~guard() {
      timer.cancel();
    }
  };

  auto r = std::make_shared<registry>();
  r->add_orchestrator("Ship", [](orchestration_context& ctx) -> task<int> {
    guard g(ctx.create_timer(1h));
    co_return co_await ctx.call_activity<int>("X");
  });
  turn_driver run(r, "Ship");
  run.turn();
  run.complete(2, "4");
  run.turn();
  BOOST_TEST(run.output() == "4");
  BOOST_TEST(run.timers_cancelled.contains(1));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
