// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_functions.hpp"

#include <chrono>
#include <exception>
#include <stdexcept>
#include <vector>

namespace perdura::tests {

using namespace actors;

namespace {

task<json> give(orchestration_context& ctx, json input) {
  json given = co_await ctx.call_activity<json>("Give", input);
  co_return given;
}

task<json> waits(orchestration_context& ctx) {
  json payload = co_await ctx.wait_for_external_event<json>("Go");
  co_return payload;
}

task<std::vector<json>> collect(orchestration_context& ctx, int count) {
  std::vector<json> got;
  for (int i = 0; i < count; ++i)
    got.push_back(co_await ctx.wait_for_external_event<json>("E"));
  co_return got;
}

struct family_input {
  std::string name;
  json input;
  int count = 1;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(family_input, name, input, count)

task<std::vector<json>> family(orchestration_context& ctx, family_input input) {
  std::vector<pending<json>> children;
  for (int i = 0; i < input.count; ++i) {
    const std::string id = ctx.instance_id() + "-" + std::to_string(i);
    children.push_back(ctx.call_sub_orchestration<json>(input.name, input.input,
                                                        {.instance_id = id}));
  }
  std::vector<json> results = co_await when_all(ctx, children);
  co_return results;
}

struct sender_input {
  std::string to;
  int count = 1;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(sender_input, to, count)

task<std::string> sender(orchestration_context& ctx, sender_input input) {
  for (int i = 0; i < input.count; ++i)
    ctx.send_event(input.to, "E", i);
  co_return "sent";
}

task<std::string> loop(orchestration_context& ctx, int left) {
  if (left > 0)
    ctx.continue_as_new(left - 1);
  co_return "looped";
}

/// The activity of the first execution is not awaited, so its result belongs to
/// no open task when the second execution runs.
task<json> abandon(orchestration_context& ctx, bool again) {
  json payload;
  if (again) {
    payload = co_await ctx.wait_for_external_event<json>("Go");
  } else {
    const auto forgotten = ctx.call_activity<int>("Give", 1);
    static_cast<void>(forgotten);
    co_await ctx.wait_for_external_event("Continue");
    ctx.continue_as_new(true);
  }
  co_return payload;
}

/// Two activities, one after the other.
task<std::string> two_gifts(orchestration_context& ctx, std::string name) {
  std::string first = co_await ctx.call_activity<std::string>("Give", name);
  const std::string again = first + "2";
  std::string second = co_await ctx.call_activity<std::string>("Give", again);
  co_return first + second;
}

/// The event may come before or after the activity has ended.
task<std::string> gift_and_event(orchestration_context& ctx) {
  auto go = ctx.wait_for_external_event<std::string>("Go");
  std::string text = co_await two_gifts(ctx, "go");
  text += co_await go;
  co_return text;
}

task<std::string> sleep_or_stop(orchestration_context& ctx) {
  std::string text = "slept";
  auto stop = co_await ctx.wait_for_external_event<std::string>(
    "Stop", std::chrono::hours(1));
  if (stop)
    text = *stop;
  co_return text;
}

task<std::string> join(orchestration_context& ctx,
                       std::vector<task<std::string>> list) {
  std::string text;
  auto all = co_await when_all(ctx, std::move(list));
  for (const std::string& one : all)
    text += one;
  co_return text;
}

task<std::string> continue_in_task(orchestration_context& ctx, int left) {
  std::string text = co_await two_gifts(ctx, "n");
  if (left > 0)
    ctx.continue_as_new(left - 1);
  co_return text;
}

/// The second task never ends before the first one.
task<std::string> first_gift(orchestration_context& ctx) {
  auto first = co_await when_any(two_gifts(ctx, "f"), sleep_or_stop(ctx));
  co_return first.result<0>().value();
}

/// Tasks that run side by side; the event "Stop" that a destroyed task has
/// waited for is received afterwards.
task<std::string> chains(orchestration_context& ctx) {
  std::vector<task<std::string>> list;
  for (const char* const name : {"a", "b", "c"})
    list.push_back(two_gifts(ctx, name));
  list.push_back(gift_and_event(ctx));
  list.push_back(first_gift(ctx));
  auto timer = ctx.create_timer(std::chrono::seconds(1));
  auto [texts, nothing, one]
    = co_await when_all(join(ctx, std::move(list)), timer, two_gifts(ctx, "d"));
  static_cast<void>(nothing);
  std::string stop = co_await ctx.wait_for_external_event<std::string>("Stop");
  co_return texts + one + stop;
}

task<std::string> call_failing(orchestration_context& ctx) {
  std::string text
    = co_await ctx.call_activity<std::string>("FailsUntilRewound");
  co_return text;
}

/// The second activity of the execution fails until the instance is rewound.
task<std::string> failing_chains(orchestration_context& ctx) {
  auto [a, b, c] = co_await when_all(two_gifts(ctx, "a"), call_failing(ctx),
                                     first_gift(ctx));
  co_return a + b + c;
}

/// Continues as new from a task, as long as `left` is not 0.
task<std::string> chain_loop(orchestration_context& ctx, int left) {
  auto [gift, text] = co_await when_all(two_gifts(ctx, std::to_string(left)),
                                        continue_in_task(ctx, left));
  co_return gift + text;
}

/// Schedules activities that it does not await, and ends in the way that `how`
/// names.
task<std::string> leave(orchestration_context& ctx, std::string how) {
  if (how == "rest")
    co_return "rested";
  std::vector<pending<int>> left;
  for (int i = 0; i < 3; ++i)
    left.push_back(ctx.call_activity<int>("Give", i));
  if (how == "wait")
    co_await ctx.wait_for_external_event("Never");
  if (how == "fail")
    throw std::runtime_error("left early");
  if (how == "continue")
    ctx.continue_as_new<std::string>("rest");
  co_return how;
}

/// Continues as new with the sum after each event "Add". `Keep` decides whether
/// unprocessed events are carried over.
template <bool Keep>
task<long> add(orchestration_context& ctx, long sum) {
  auto more = ctx.wait_for_external_event<long>("Add");
  auto stop = ctx.wait_for_external_event("Stop");
  const first_of first = co_await when_any(more, stop);
  if (first == stop)
    co_return sum;
  const long added = co_await more;
  ctx.continue_as_new(sum + added, Keep);
  co_return {};
}

task<json> rethrows(orchestration_context& ctx, bool by_child) {
  json out = json::array();
  out.push_back(co_await ctx.call_activity<json>("Give", "first"));
  std::exception_ptr failure;
  try {
    if (by_child)
      out.push_back(co_await ctx.call_sub_orchestration<json>("FailsOnce"));
    else
      out.push_back(co_await ctx.call_activity<json>("FailsUntilRewound"));
  } catch (const task_failed&) {
    failure = std::current_exception();
  }
  out.push_back(co_await ctx.call_activity<json>("Give", "last"));
  if (failure)
    std::rethrow_exception(failure);
  co_return out;
}

/// The pause lets a terminate arrive while the tree grows.
task<int> tree(orchestration_context& ctx, int levels) {
  std::vector<pending<int>> children;
  for (int i = 0; i < 2 && levels > 0; ++i) {
    co_await ctx.create_timer(std::chrono::milliseconds(40));
    children.push_back(ctx.call_sub_orchestration<int>("Tree", levels - 1));
  }
  if (levels % 2 == 0)
    co_await when_all(ctx, children);
  co_return levels;
}

task<std::vector<std::string>> steps(orchestration_context& ctx,
                                     std::vector<std::string> names) {
  std::vector<std::string> done;
  for (const std::string& name : names)
    done.push_back(co_await ctx.call_activity<std::string>("Step", name));
  co_return done;
}

} // namespace

void add_step(registry& functions, std::shared_ptr<step_control> control) {
  functions.add_activity("Step", [control](std::string name) {
    ++control->calls[name];
    int& failures = control->failures[name];
    if (failures != 0) {
      if (failures > 0)
        --failures;
      throw std::runtime_error("step " + name + " fails");
    }
    return name;
  });
}

void add_test_functions(registry& functions,
                        std::shared_ptr<step_control> control) {
  functions.add_orchestrator("Give", give)
    .add_orchestrator("Waits", waits)
    .add_orchestrator("Collect", collect)
    .add_orchestrator("Family", family)
    .add_orchestrator("Sender", sender)
    .add_orchestrator("Loop", loop)
    .add_orchestrator("Abandon", abandon)
    .add_orchestrator("Leave", leave)
    .add_orchestrator("AddKeep", add<true>)
    .add_orchestrator("AddDrop", add<false>)
    .add_orchestrator("Rethrows", rethrows)
    .add_orchestrator("Tree", tree)
    .add_orchestrator("Chains", chains)
    .add_orchestrator("ChainLoop", chain_loop)
    .add_orchestrator("FailingChains", failing_chains)
    .add_orchestrator("Steps", steps);
  functions.add_activity("Give", [](json given) { return given; });
  add_step(functions,
           control ? std::move(control) : std::make_shared<step_control>());
}

} // namespace perdura::tests
