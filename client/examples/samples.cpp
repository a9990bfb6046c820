// SPDX-License-Identifier: Apache-2.0
#include "client/examples/samples.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::examples {

using nlohmann::json;
using std::chrono::milliseconds;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(monitor_input, interval_ms,
                                                polls, ready_at)

namespace {

// --- Activities -------------------------------------------------------------

std::string say_hello(const std::string& name) {
  return "Hello " + name + "!";
}

long square(long i) {
  return i * i;
}

/// Input of IsReady. The result of the activity depends only on this input, so
/// a repeated attempt after a crash returns the same answer.
struct readiness_check {
  long poll = 0;
  long ready_at = 0;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(readiness_check, poll, ready_at)

bool is_ready(readiness_check check) {
  return check.poll >= check.ready_at;
}

/// The exception becomes the failure of the activity, and then that of the
/// orchestration, which does not catch it.
void always_fails() {
  throw std::runtime_error("kaboom: this activity always fails");
}

/// The second task of FailsOnce; fails until the instance is rewound. Its
/// idempotency key ends with the sequence number of the task, and a rewind
/// gives the task another number. So the activity needs no memory of its own
/// and also works in another process.
std::string fails_until_rewound(activity_context& ctx) {
  if (ctx.idempotency_key().ends_with("/2"))
    throw std::runtime_error("fails at its first execution; a rewind runs it "
                             "again");
  return "recovered";
}

/// `attempt` counts the attempts of one call from 1, so the activity needs no
/// memory of its own.
std::string fails_at_first(activity_context& ctx, long failures) {
  if (static_cast<long>(ctx.attempt()) <= failures)
    throw std::runtime_error("attempt " + std::to_string(ctx.attempt())
                             + " fails");
  return "ok";
}

// --- Orchestrators ----------------------------------------------------------

// Function chaining: each call starts when the result of the one before is
// journaled.
task<std::vector<std::string>> hello_sequence(orchestration_context& ctx) {
  std::vector<std::string> out;
  out.push_back(co_await ctx.call_activity<std::string>("SayHello", "Tokyo"));
  out.push_back(co_await ctx.call_activity<std::string>("SayHello", "Seattle"));
  out.push_back(co_await ctx.call_activity<std::string>("SayHello", "London"));
  co_return out;
}

task<long> sequence(orchestration_context& ctx, long n) {
  for (long i = 0; i < n; ++i)
    co_await ctx.call_activity<std::string>("SayHello", "Tokyo");
  co_return n;
}

// Fan-out and fan-in: all activities are scheduled in one turn, and `when_all`
// returns their results in the order of the calls.
task<long> fan_out_fan_in(orchestration_context& ctx, long n) {
  std::vector<pending<long>> squares;
  for (long i = 0; i < n; ++i)
    squares.push_back(ctx.call_activity<long>("Square", i));
  const std::vector<long> results = co_await when_all(ctx, squares);
  long sum = 0;
  for (const long one : results)
    sum += one;
  co_return sum;
}

// `json_text` passes JSON through without parsing it, so the output equals the
// input byte for byte.
task<json_text> echo(orchestration_context&, json_text input) {
  co_return input;
}

// Human interaction: if the event arrives before the orchestrator waits for it,
// the event is stored until then.
task<json_text> approval(orchestration_context& ctx) {
  json_text payload
    = co_await ctx.wait_for_external_event<json_text>("Approval");
  co_return payload;
}

// A wait with a time-out returns no value if the timer fires first.
task<json_text> approval_with_timeout(orchestration_context& ctx, long ms) {
  std::optional<json_text> payload
    = co_await ctx.wait_for_external_event<json_text>("Approval",
                                                      milliseconds(ms));
  if (!payload)
    co_return json_text("\"timed out\"");
  co_return *payload;
}

// The events may arrive in any order.
task<json> two_events(orchestration_context& ctx) {
  json both = json::array();
  both.push_back(co_await ctx.wait_for_external_event<json>("A"));
  both.push_back(co_await ctx.wait_for_external_event<json>("B"));
  co_return both;
}

task<std::string> sleep(orchestration_context& ctx, long ms) {
  co_await ctx.create_timer(milliseconds(ms));
  co_return "slept";
}

// Monitor: polls with a durable timer between the polls, so a restarted node
// continues with the next poll.
task<json> monitor(orchestration_context& ctx, monitor_input input) {
  json out;
  for (long poll = 1; poll <= input.polls; ++poll) {
    const readiness_check check{poll, input.ready_at};
    const bool ready = co_await ctx.call_activity<bool>("IsReady", check);
    out["ready"] = ready;
    out["polls"] = poll;
    if (ready || poll == input.polls)
      break;
    co_await ctx.create_timer(milliseconds(input.interval_ms));
  }
  co_return out;
}

task<std::vector<json>> parent(orchestration_context& ctx, long n) {
  // The sub-orchestrations run at the same time and may be on other nodes.
  std::vector<pending<json>> children;
  for (long i = 0; i < n; ++i)
    children.push_back(ctx.call_sub_orchestration<json>("HelloSequence"));
  std::vector<json> results = co_await when_all(ctx, children);
  co_return results;
}

task<> fails(orchestration_context& ctx) {
  co_await ctx.call_activity("AlwaysFails");
}

task<std::vector<std::string>> fails_once(orchestration_context& ctx) {
  std::vector<std::string> out;
  out.push_back(co_await ctx.call_activity<std::string>("SayHello", "Tokyo"));
  out.push_back(co_await ctx.call_activity<std::string>("FailsUntilRewound"));
  co_return out;
}

// Retry: the pauses between the five attempts are 50 ms, 100 ms, 200 ms and
// 400 ms.
task<std::string> retries(orchestration_context& ctx, long failures) {
  const activity_options options{.retry = {.attempts_max = 5,
                                           .interval_first = milliseconds(50),
                                           .backoff_coefficient = 2.0}};
  std::string answer = co_await ctx.call_activity<std::string>(
    "FailsAtFirst", failures, options);
  co_return answer;
}

// The custom status is visible to queries while the instance runs.
task<std::string> set_status(orchestration_context& ctx) {
  ctx.set_custom_status(json_text(R"({"stage":"one","n":1})"));
  co_await ctx.wait_for_external_event("Go");
  co_return "ok";
}

// Eternal orchestration: continue-as-new begins a new execution with an empty
// history, so the history stays small.
task<std::string> eternal(orchestration_context& ctx, long left) {
  co_await ctx.create_timer(milliseconds(30));
  if (left == 0)
    co_return "done";
  // The return value of this execution is ignored.
  ctx.continue_as_new(left - 1);
  co_return {};
}

// Stateful singleton: the state is the input of the next execution.
task<long> counter(orchestration_context& ctx, std::optional<long> so_far) {
  const long sum = so_far.value_or(0);
  ctx.set_custom_status(sum);
  auto add = ctx.wait_for_external_event<long>("Add");
  auto stop = ctx.wait_for_external_event("Stop");
  const first_of first = co_await when_any(add, stop);
  if (first == stop)
    co_return sum;
  const long more = co_await add;
  ctx.continue_as_new(sum + more);
  co_return {};
}

} // namespace

void add_samples(registry& functions) {
  functions.add_orchestrator("HelloSequence", hello_sequence)
    .add_orchestrator("E1_HelloSequence", hello_sequence)
    .add_orchestrator("Sequence", sequence)
    .add_orchestrator("FanOutFanIn", fan_out_fan_in)
    .add_orchestrator("Echo", echo)
    .add_orchestrator("Approval", approval)
    .add_orchestrator("ApprovalWithTimeout", approval_with_timeout)
    .add_orchestrator("TwoEvents", two_events)
    .add_orchestrator("Sleep", sleep)
    .add_orchestrator("Monitor", monitor)
    .add_orchestrator("Parent", parent)
    .add_orchestrator("Fails", fails)
    .add_orchestrator("FailsOnce", fails_once)
    .add_orchestrator("Retries", retries)
    .add_orchestrator("SetStatus", set_status)
    .add_orchestrator("Eternal", eternal)
    .add_orchestrator("Counter", counter);
  functions.add_activity("SayHello", say_hello)
    .add_activity("Square", square)
    .add_activity("IsReady", is_ready)
    .add_activity("AlwaysFails", always_fails)
    .add_activity("FailsUntilRewound", fails_until_rewound)
    .add_activity("FailsAtFirst", fails_at_first);
}

} // namespace perdura::examples
