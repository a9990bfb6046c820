// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/rewind_runner.hpp"
#include "tests/actors/single_orchestrator.hpp"

#include <stdexcept>

// Generated orchestrations whose activities, children and events fail at random
// and that are rewound until they complete. Each activity succeeds once, and
// the output is that of a run without failures.

using namespace std::chrono_literals;

namespace perdura::actors::test {

namespace generated {

namespace {

using texts = std::vector<pending<std::string>>;

/// Starts the activities with at most three of them running at a time, and
/// waits for all of them at the end.
task<std::string> window(orchestration_context& ctx, std::vector<int> keys) {
  texts all;
  texts running;
  for (const int key : keys) {
    if (running.size() == 3) {
      auto first = co_await when_any(ctx, running);
      running.erase(running.begin() + static_cast<long>(first.index()));
    }
    all.push_back(ctx.call_activity<std::string>("A", key));
    running.push_back(all.back());
  }
  auto values = co_await when_all(ctx, all);
  std::string text;
  for (const std::string& value : values)
    text += value;
  co_return text;
}

/// Reports which of the work and its deadline came first, before it waits for
/// the work.
task<std::string> race(orchestration_context& ctx, int key) {
  auto work = ctx.call_activity<std::string>("A", key);
  auto deadline = ctx.create_timer(20ms);
  co_await when_any(work, deadline);
  deadline.cancel();
  std::string text = co_await ctx.call_activity<std::string>("Report", key);
  text += co_await work;
  co_return text;
}

/// Undoes the step if it fails, and then fails in one of three ways.
task<std::string> undone(orchestration_context& ctx, int key, int way) {
  auto tried = co_await ctx.call_activity<std::string>("A", key).as_outcome();
  if (!tried) {
    co_await ctx.call_activity<std::string>("Undo", key);
    if (way == 0)
      std::rethrow_exception(tried.error());
    if (way == 1)
      throw std::runtime_error("the step was undone");
    try {
      std::rethrow_exception(tried.error());
    } catch (...) {
      std::throw_with_nested(std::runtime_error("the step was undone"));
    }
  }
  co_return *tried;
}

/// A failure of the first activity is handled. The second one has an input that
/// a replay must repeat.
task<std::string> handled(orchestration_context& ctx, int key) {
  auto tried = co_await ctx.call_activity<std::string>("Try", key).as_outcome();
  if (!tried)
    co_await ctx.call_activity<std::string>("Note", key);
  ctx.set_custom_status(key);
  ctx.send_event("log", "Line", key);
  json input{key, ctx.new_guid(),
             ctx.current_time().time_since_epoch().count() > 0};
  std::string text = co_await ctx.call_activity<std::string>("A", input);
  co_return text;
}

task<std::string> retried(orchestration_context& ctx, int key) {
  const activity_options options{.retry
                                 = {.attempts_max = 3, .interval_first = 30ms}};
  auto slow = ctx.create_timer(70ms);
  std::string text = co_await ctx.call_activity<std::string>("R", key, options);
  co_await slow;
  co_return text;
}

/// Waits for a number, for at most an hour.
task<std::string> approval(orchestration_context& ctx, int key) {
  auto wait = ctx.wait_for_external_event<int>("E" + std::to_string(key));
  std::string text = co_await ctx.call_activity<std::string>("A", key);
  const int number = co_await wait;
  co_return text + std::to_string(number);
}

/// Equal calls one after the other, and an event that may not come in time.
task<std::string> polled(orchestration_context& ctx, int key) {
  auto wait = ctx.wait_for_external_event<int>("E" + std::to_string(key), 40ms);
  for (int i = 0; i < 3; ++i)
    co_await ctx.call_activity<std::string>("Poll", key);
  co_await wait;
  std::string text = co_await ctx.call_activity<std::string>("A", key);
  co_return text;
}

task<std::string> children(orchestration_context& ctx, std::vector<int> keys) {
  texts all;
  for (const int key : keys)
    all.push_back(ctx.call_sub_orchestration<std::string>("Child", key));
  std::string text;
  for (const auto& one : all)
    text += co_await one;
  co_return text;
}

/// Tasks that run side by side, each with failures of its own.
task<std::string> chains(orchestration_context& ctx, std::vector<int> keys,
                         int way) {
  std::vector<task<std::string>> list;
  list.push_back(undone(ctx, keys[0], 0));
  list.push_back(undone(ctx, keys[1], way));
  list.push_back(polled(ctx, keys[2]));
  list.push_back(race(ctx, keys[3]));
  std::string text;
  auto all = co_await when_all(ctx, std::move(list));
  for (const std::string& one : all)
    text += one;
  co_return text;
}

task<std::string> sleep_long(orchestration_context& ctx) {
  co_await ctx.create_timer(1000h);
  co_return "slept";
}

/// The second task never ends: timers fire only if nothing else can happen.
task<std::string> limited(orchestration_context& ctx, int key, int way) {
  auto first = co_await when_any(undone(ctx, key, way), sleep_long(ctx));
  std::string text = co_await ctx.call_activity<std::string>("Report", key);
  text += first.result<0>().value();
  co_return text;
}

task<std::string> interpret(orchestration_context& ctx, json program) {
  std::string text;
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto kind = program[i].at(0).get<std::string>();
    std::vector<int> keys = program[i].at(1).get<std::vector<int>>();
    const int key = keys.front();
    std::string part;
    if (kind == "window")
      part = co_await window(ctx, keys);
    else if (kind == "race")
      part = co_await race(ctx, key);
    else if (kind == "undone")
      part = co_await undone(ctx, key, program[i].at(2).get<int>());
    else if (kind == "handled")
      part = co_await handled(ctx, key);
    else if (kind == "retried")
      part = co_await retried(ctx, key);
    else if (kind == "polled")
      part = co_await polled(ctx, key);
    else if (kind == "approval")
      part = co_await approval(ctx, key);
    else if (kind == "chains")
      part = co_await chains(ctx, keys, program[i].at(2).get<int>());
    else if (kind == "limited")
      part = co_await limited(ctx, key, program[i].at(2).get<int>());
    else
      part = co_await children(ctx, keys);
    text += kind + part;
  }
  co_return text;
}

struct generated_case {
  json program = json::array();
  std::map<std::string, int> failures;
  std::vector<std::pair<std::string, std::string>> events;
};

generated_case generate(unsigned seed, bool fails) {
  std::mt19937 random(seed);
  generated_case made;
  int key = 0;
  const auto may_fail = [&](const std::string& name, int most) {
    const int count
      = random() % 3 == 0 ? 1 + static_cast<int>(random() % most) : 0;
    if (fails)
      made.failures[name + " " + std::to_string(key)] = count;
  };
  for (unsigned i = 0, count = 1 + random() % 5; i < count; ++i) {
    static const char* const kinds[]
      = {"window",   "race",     "undone", "handled", "retried",
         "approval", "children", "polled", "chains",  "limited"};
    const std::string kind = kinds[random() % 10];
    std::vector<int> keys;
    const unsigned many = kind == "window"     ? 3 + random() % 6
                          : kind == "children" ? 3
                          : kind == "chains"   ? 4
                                               : 1;
    for (unsigned k = 0; k < many; ++k) {
      keys.push_back(++key);
      may_fail("A", 2);
      may_fail("Try", 2);
      may_fail("Report", 1);
      may_fail("Undo", 1);
      may_fail("R", 7);
      may_fail("Poll", 2);
      may_fail("Child", 2);
    }
    if (kind == "approval" || kind == "polled") {
      const std::string name = "E" + std::to_string(key);
      const bool malformed = random() % 2 == 0;
      if (malformed && fails)
        made.events.emplace_back(name, "\"no number\"");
      made.events.emplace_back(name, std::to_string(key));
    }
    made.program.push_back({kind, keys, static_cast<int>(random() % 3)});
  }
  return made;
}

struct generated_run {
  std::string output;
  std::vector<std::string> violations;
  int rewinds = 0;
};

generated_run run(unsigned seed, bool fails,
                  std::function<void(turn_driver&)> after_rewind = {}) {
  const generated_case made = generate(seed, fails);
  const auto functions = registry_with(interpret);
  turn_driver driver(functions, "Ship", made.program.dump());
  rewind_runner runner(driver, seed);
  runner.successes = {{"Poll", 3}};
  runner.failures = made.failures;
  runner.events = made.events;
  runner.after_rewind = std::move(after_rewind);
  generated_run done;
  done.output = runner.run_to_completion();
  done.violations = runner.violations;
  done.rewinds = runner.rewinds;
  const std::string held = driver.reason_held(functions);
  if (held != "not held")
    done.violations.push_back(held);
  return done;
}

} // namespace

BOOST_AUTO_TEST_SUITE(rewind_random)

BOOST_AUTO_TEST_CASE(each_activity_succeeds_once_and_the_output_is_the_same) {
  int rewinds = 0;
  for (unsigned seed = 1; seed <= 300; ++seed)
    BOOST_TEST_CONTEXT("seed " << seed << " "
                               << generate(seed, true).program.dump()) {
      const generated_run failing = run(seed, true);
      BOOST_TEST(failing.output == run(seed, false).output);
      for (const std::string& violation : failing.violations)
        BOOST_ERROR(violation);
      rewinds += failing.rewinds;
    }
  BOOST_TEST(rewinds > 300);
}

// A planted fault: the rewind forgets the decisions of the void turns, so
// activities run twice.
BOOST_AUTO_TEST_CASE(forgotten_decisions_are_found) {
  const auto forget = [](turn_driver& driver) {
    auto& rewound = std::get<execution_rewound>(driver.history.back().body);
    for (event_index i = rewound.turn_first; i < driver.history.size(); ++i)
      if (auto* one = std::get_if<task_scheduled>(&driver.history[i].body))
        rewound.dropped.push_back(one->sequence);
  };
  int found = 0;
  for (unsigned seed = 1; seed <= 30; ++seed)
    found += run(seed, true, forget).violations.empty() ? 0 : 1;
  BOOST_TEST(found > 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace generated

} // namespace perdura::actors::test
