// SPDX-License-Identifier: Apache-2.0
// Uses the headers of commit 4957661; see ../README.md. Do not adapt it to
// newer code.
#include "golden_functions.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <vector>

namespace perdura::golden {

using namespace perdura::actors;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// --- Activities --------------------------------------------------------------

std::string greet(const std::string& name) {
  return "Hello " + name + "!";
}

std::string refuse(activity_context& ctx) {
  if (!gates().is_open("grant " + ctx.instance_id()))
    throw std::runtime_error("access denied");
  return "granted";
}

void always_fails() {
  throw std::runtime_error("this activity always fails");
}

std::string gate(activity_context& ctx, const std::string& text) {
  gates().pass("gate " + ctx.instance_id());
  return text + " passed";
}

std::string second_attempt(activity_context& ctx) {
  if (ctx.attempt() == 1)
    throw std::runtime_error("the first attempt fails");
  gates().pass("gate " + ctx.instance_id());
  return "attempt " + std::to_string(ctx.attempt());
}

// --- Orchestrators -----------------------------------------------------------

task<std::vector<std::string>> greetings(orchestration_context& ctx) {
  std::vector<std::string> out;
  out.push_back(co_await ctx.call_activity<std::string>("Greet", "Tokyo"));
  out.push_back(co_await ctx.call_activity<std::string>("Greet", "Seattle"));
  out.push_back(co_await ctx.call_activity<std::string>("Greet", "London"));
  co_return out;
}

task<json_text> echo(orchestration_context&, json_text input) {
  co_return input;
}

task<std::vector<std::string>> refused(orchestration_context& ctx) {
  std::vector<std::string> out;
  out.push_back(co_await ctx.call_activity<std::string>("Greet", "Tokyo"));
  out.push_back(co_await ctx.call_activity<std::string>("Refuse"));
  co_return out;
}

task<std::vector<std::string>> refused_then_event(orchestration_context& ctx) {
  std::vector<std::string> out;
  out.push_back(co_await ctx.call_activity<std::string>("Refuse"));
  out.push_back(co_await ctx.wait_for_external_event<std::string>("Go"));
  co_return out;
}

/// Fails while `Gate` still runs.
task<std::vector<std::string>> refused_beside_gate(orchestration_context& ctx) {
  auto refusal = ctx.call_activity<std::string>("Refuse");
  auto gated = ctx.call_activity<std::string>("Gate", "beside");
  std::vector<std::string> out;
  out.push_back(co_await refusal);
  out.push_back(co_await gated);
  co_return out;
}

/// Catches the failure of AlwaysFails and compensates for it. Then fails
/// because the activity Refuse fails.
task<std::vector<std::string>> handles_then_fails(orchestration_context& ctx) {
  std::vector<std::string> out;
  bool failed = false;
  try {
    out.push_back(co_await ctx.call_activity<std::string>("AlwaysFails"));
  } catch (const task_failed& failure) {
    out.push_back(failure.message());
    failed = true;
  }
  if (failed)
    out.push_back(co_await ctx.call_activity<std::string>("Greet", "instead"));
  out.push_back(co_await ctx.call_activity<std::string>("Refuse"));
  co_return out;
}

/// Ends while `Gate` still runs.
task<std::string> leaves_activity(orchestration_context& ctx) {
  static_cast<void>(ctx.call_activity<std::string>("Gate", "left"));
  std::string out = co_await ctx.call_activity<std::string>("Greet", "leaver");
  co_return out;
}

task<std::string> await_event(orchestration_context& ctx) {
  std::string data = co_await ctx.wait_for_external_event<std::string>("Go");
  co_return data;
}

task<std::string> await_event_for(orchestration_context& ctx, long ms) {
  std::optional<std::string> data
    = co_await ctx.wait_for_external_event<std::string>("Go", milliseconds(ms));
  co_return data.value_or("timed out");
}

task<std::vector<std::string>> two_events(orchestration_context& ctx) {
  std::vector<std::string> out;
  out.push_back(co_await ctx.wait_for_external_event<std::string>("A"));
  out.push_back(co_await ctx.wait_for_external_event<std::string>("B"));
  co_return out;
}

task<std::string> sleep_for(orchestration_context& ctx, long ms) {
  co_await ctx.create_timer(milliseconds(ms));
  co_return "slept";
}

task<std::string> sleep_until(orchestration_context& ctx, long epoch_seconds) {
  const std::chrono::sys_seconds time{seconds(epoch_seconds)};
  co_await ctx.create_timer(time);
  co_return "slept until";
}

task<std::string> timer_or_event(orchestration_context& ctx) {
  auto timer = ctx.create_timer(hours(24) * 36500);
  auto wake = ctx.wait_for_external_event("Wake");
  const first_of first = co_await when_any(timer, wake);
  std::string out = "the timer";
  if (first == wake)
    out = "the event";
  co_return out;
}

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

/// Counts the events Go until Stop comes.
task<long> counts_go(orchestration_context& ctx) {
  long count = 0;
  auto stop = ctx.wait_for_external_event("Stop");
  for (;;) {
    auto go = ctx.wait_for_external_event("Go");
    const first_of first = co_await when_any(go, stop);
    if (first == stop)
      co_return count;
    ++count;
  }
}

task<std::string> shows_status(orchestration_context& ctx) {
  ctx.set_custom_status(json_text(R"({"stage":"two","n":2})"));
  co_await ctx.wait_for_external_event("Go");
  ctx.set_custom_status(json_text(R"({"stage":"three","n":3})"));
  co_return "shown";
}

/// Starts one child for each ID and waits for all of them. An empty ID means
/// the default ID.
task<std::vector<std::string>> parent_of(orchestration_context& ctx,
                                         std::vector<std::string> ids) {
  std::vector<pending<std::string>> children;
  for (const std::string& id : ids) {
    const sub_orchestration_options options{.instance_id = id};
    children.push_back(
      ctx.call_sub_orchestration<std::string>("AwaitEvent", nullptr, options));
  }
  std::vector<std::string> out = co_await when_all(ctx, children);
  co_return out;
}

/// Starts a chain of `depth` descendants. The last one waits for the event Go.
task<std::string> generations(orchestration_context& ctx, long depth) {
  std::string out;
  if (depth == 0) {
    out = co_await ctx.wait_for_external_event<std::string>("Go");
    co_return out;
  }
  const std::string child = ctx.instance_id() + "-child";
  const sub_orchestration_options options{.instance_id = child};
  const long below = depth - 1;
  out = co_await ctx.call_sub_orchestration<std::string>("Generations", below,
                                                         options);
  co_return out + " from below";
}

struct child_call {
  std::string name;
  std::string id;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(child_call, name, id)

task<json> calls_child(orchestration_context& ctx, child_call call) {
  const sub_orchestration_options options{.instance_id = call.id};
  json out
    = co_await ctx.call_sub_orchestration<json>(call.name, nullptr, options);
  co_return out;
}

task<std::vector<std::string>> fan_out(orchestration_context& ctx) {
  std::vector<pending<std::string>> all;
  all.push_back(ctx.call_activity<std::string>("Greet", "one"));
  all.push_back(ctx.call_activity<std::string>("Gate", "two"));
  all.push_back(ctx.call_activity<std::string>("Greet", "three"));
  all.push_back(ctx.call_activity<std::string>("Gate", "four"));
  std::vector<std::string> out = co_await when_all(ctx, all);
  co_return out;
}

task<std::string> behind_gate(orchestration_context& ctx, std::string text) {
  std::string out = co_await ctx.call_activity<std::string>("Gate", text);
  co_return out;
}

/// The second attempt begins `ms` milliseconds after the first one has failed.
task<std::string> retries(orchestration_context& ctx, long ms) {
  const activity_options options{
    .retry = {.attempts_max = 3, .interval_first = milliseconds(ms)},
    .time_out = hours(10)};
  std::string out = co_await ctx.call_activity<std::string>("SecondAttempt",
                                                            nullptr, options);
  co_return out;
}

task<json> retries_child(orchestration_context& ctx, long ms) {
  const sub_orchestration_options options{
    .instance_id = "child-of-retry",
    .retry = {.attempts_max = 3, .interval_first = milliseconds(ms)}};
  json out
    = co_await ctx.call_sub_orchestration<json>("Refused", nullptr, options);
  co_return out;
}

task<std::string> sends(orchestration_context& ctx, std::string target) {
  ctx.send_event(target, "Go", "from " + ctx.instance_id());
  co_return "sent";
}

/// The first turn waits at a gate and does not end.
task<std::string> slow_to_begin(orchestration_context& ctx) {
  gates().pass("turn " + ctx.instance_id());
  co_return "begun";
}

/// The second turn waits at a gate and does not end.
task<std::string> slow_to_take(orchestration_context& ctx) {
  std::string data = co_await ctx.wait_for_external_event<std::string>("Go");
  gates().pass("turn " + ctx.instance_id());
  co_return data;
}

task<std::string> first_version(orchestration_context& ctx) {
  std::string data = co_await ctx.wait_for_external_event<std::string>("Go");
  co_return "version 1: " + data;
}

task<std::string> second_version(orchestration_context& ctx) {
  std::string data = co_await ctx.wait_for_external_event<std::string>("Go");
  co_return "version 2: " + data;
}

task<std::string> code_before(orchestration_context& ctx) {
  std::string out = co_await ctx.call_activity<std::string>("Greet", "before");
  out += co_await ctx.wait_for_external_event<std::string>("Go");
  co_return out;
}

/// Makes other decisions than `code_before`, so it does not fit a history that
/// `code_before` has produced.
task<std::string> code_after(orchestration_context& ctx) {
  std::string out = co_await ctx.call_activity<std::string>("Gate", "after");
  out += co_await ctx.wait_for_external_event<std::string>("Go");
  co_return out;
}

} // namespace

gate_keeper& gates() {
  static gate_keeper keeper;
  return keeper;
}

std::shared_ptr<registry> functions_of(bool later) {
  auto all = std::make_shared<registry>();
  all->add_activity("Greet", greet)
    .add_activity("Refuse", refuse)
    .add_activity("AlwaysFails", always_fails)
    .add_activity("Gate", gate)
    .add_activity("SecondAttempt", second_attempt);
  all->add_orchestrator("Greetings", greetings)
    .add_orchestrator("Echo", echo)
    .add_orchestrator("Refused", refused)
    .add_orchestrator("RefusedThenEvent", refused_then_event)
    .add_orchestrator("RefusedBesideGate", refused_beside_gate)
    .add_orchestrator("HandlesThenFails", handles_then_fails)
    .add_orchestrator("LeavesActivity", leaves_activity)
    .add_orchestrator("AwaitEvent", await_event)
    .add_orchestrator("AwaitEventFor", await_event_for)
    .add_orchestrator("TwoEvents", two_events)
    .add_orchestrator("SleepFor", sleep_for)
    .add_orchestrator("SleepUntil", sleep_until)
    .add_orchestrator("TimerOrEvent", timer_or_event)
    .add_orchestrator("Counter", counter)
    .add_orchestrator("CountsGo", counts_go)
    .add_orchestrator("ShowsStatus", shows_status)
    .add_orchestrator("ParentOf", parent_of)
    .add_orchestrator("Generations", generations)
    .add_orchestrator("CallsChild", calls_child)
    .add_orchestrator("FanOut", fan_out)
    .add_orchestrator("BehindGate", behind_gate)
    .add_orchestrator("Retries", retries)
    .add_orchestrator("RetriesChild", retries_child)
    .add_orchestrator("Sends", sends)
    .add_orchestrator("SlowToBegin", slow_to_begin)
    .add_orchestrator("SlowToTake", slow_to_take);
  if (later) {
    all->add_orchestrator("Versioned", second_version, {.version = "2"});
    all->add_orchestrator("Changed", code_after);
  } else {
    all->add_orchestrator("Versioned", first_version, {.version = "1"});
    all->add_orchestrator("Changed", code_before);
    all->add_orchestrator("Retired", await_event);
  }
  return all;
}

} // namespace perdura::golden
