// SPDX-License-Identifier: Apache-2.0
/// Orchestrators for tests of replay and rewind.
#pragma once

#include "tests/actors/single_orchestrator.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace perdura::actors::test {

using orchestrator_function = task<std::string> (*)(orchestration_context&);

inline task<std::string> two_steps(orchestration_context& ctx) {
  auto a = co_await ctx.call_activity<std::string>("Pack");
  auto b = co_await ctx.call_activity<std::string>("Charge", a);
  co_return a + b;
}

/// Ten activities, awaited one by one.
inline task<std::string> ten(orchestration_context& ctx) {
  std::vector<pending<std::string>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(ctx.call_activity<std::string>("Send", i));
  std::string text;
  for (auto& one : all)
    text += co_await one;
  co_return text;
}

inline task<std::string> ten_at_once(orchestration_context& ctx) {
  std::vector<pending<std::string>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(ctx.call_activity<std::string>("Send", i));
  std::string text;
  auto values = co_await when_all(ctx, all);
  for (auto& one : values)
    text += one;
  co_return text;
}

inline task<std::string> retried(orchestration_context& ctx) {
  co_return co_await ctx.call_activity<std::string>(
    "Charge", nullptr,
    {.retry = {.attempts_max = 3, .interval_first = std::chrono::seconds(10)}});
}

inline task<std::string> fallback(orchestration_context& ctx) {
  std::string text;
  auto first = co_await ctx.call_activity<std::string>("Try").as_outcome();
  if (!first)
    text = co_await ctx.call_activity<std::string>("Other");
  text += co_await ctx.call_activity<std::string>("Charge");
  co_return text;
}

inline task<std::string> with_child(orchestration_context& ctx) {
  co_return co_await ctx.call_sub_orchestration<std::string>("Child");
}

inline task<std::string> buggy(orchestration_context& ctx) {
  auto a = co_await ctx.call_activity<std::string>("Pack");
  std::ignore = ctx.call_activity<std::string>("Charge", a);
  std::ignore = ctx.call_activity<std::string>("Send", a);
  throw std::logic_error("a bug");
  co_return a;
}

inline task<std::string> fixed(orchestration_context& ctx) {
  auto a = co_await ctx.call_activity<std::string>("Pack");
  auto b = ctx.call_activity<std::string>("Charge", a);
  auto c = ctx.call_activity<std::string>("Send", a);
  auto [x, y] = co_await when_all(b, c);
  co_return a + x + y;
}

inline task<std::string> fixed_differently(orchestration_context& ctx) {
  auto a = co_await ctx.call_activity<std::string>("Pack");
  auto b = co_await ctx.call_activity<std::string>("Charge", a);
  auto c = co_await ctx.call_activity<std::string>("Mail", a);
  co_return a + b + c;
}

} // namespace perdura::actors::test
