// SPDX-License-Identifier: Apache-2.0
/// Helper coroutines for tests of when_all and when_any with tasks.
#pragma once

#include "tests/actors/single_orchestrator.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

namespace perdura::actors::test {

inline task<std::string> price_and_order(orchestration_context& ctx,
                                         std::string item) {
  std::string price = co_await ctx.call_activity<std::string>("Price", item);
  std::string order = co_await ctx.call_activity<std::string>("Order", price);
  co_return order;
}

inline task<int> at_once(orchestration_context&, int value) {
  co_return value;
}

inline task<int> call(orchestration_context& ctx, std::string name) {
  co_return co_await ctx.call_activity<int>(name);
}

inline task<void> call_twice(orchestration_context& ctx, std::string name) {
  co_await ctx.call_activity(name);
  co_await ctx.call_activity(name);
}

inline task<int> call_and_throw(orchestration_context& ctx, std::string name) {
  co_await ctx.call_activity(name);
  throw std::out_of_range(name);
}

/// Both activities of a pair run at the same time.
inline task<int> pair_of(orchestration_context& ctx, std::string a,
                         std::string b) {
  auto [x, y] = co_await when_all(call(ctx, a), call(ctx, b));
  co_return x + y;
}

inline task<int> first_of_pair(orchestration_context& ctx, std::string a,
                               std::string b) {
  auto first = co_await when_any(call(ctx, a), call(ctx, b));
  if (first.index() == 0)
    co_return first.result<0>().value();
  co_return first.result<1>().value();
}

/// A local object of a coroutine; counts the objects that exist.
struct counted_local {
  static inline int alive = 0;

  counted_local() {
    ++alive;
  }

  counted_local(const counted_local&) = delete;
  counted_local& operator=(const counted_local&) = delete;

  ~counted_local() {
    --alive;
  }
};

inline task<int> with_local(orchestration_context& ctx, std::string name) {
  counted_local local;
  co_return co_await call(ctx, name);
}

inline task<void> wait_for(orchestration_context& ctx, std::string event) {
  co_await ctx.wait_for_external_event(event);
}

inline task<void> wait_at_most(orchestration_context& ctx, std::string event) {
  co_await ctx.wait_for_external_event(event, std::chrono::hours(1));
}

inline task<void> sleep_for(orchestration_context& ctx,
                            std::chrono::seconds time) {
  co_await ctx.create_timer(time);
}

inline task<void> add_to(orchestration_context& ctx, int& sum,
                         std::string name) {
  sum += co_await ctx.call_activity<int>(name);
}

} // namespace perdura::actors::test
