// SPDX-License-Identifier: Apache-2.0
// A task can be awaited once, so when_all and when_any take it over. A helper
// coroutine must not refer to a temporary. The test compiles this file once for
// each value of PERDURA_CASE: case 0 must compile, and each other case must be
// refused.
#include <perdura/actors/authoring/workflow.hpp>

namespace perdura {

task<int> helper(orchestration_context& ctx, std::string name) {
  co_return co_await ctx.call_activity<int>(name);
}

task<int> changes(orchestration_context& ctx, int& sum) {
  sum += co_await ctx.call_activity<int>("A");
  co_return sum;
}

#if PERDURA_CASE == 7
task<int> refers(orchestration_context& ctx, const std::string& name) {
  co_return co_await ctx.call_activity<int>(name);
}
#elif PERDURA_CASE == 8
task<int> refers(orchestration_context& ctx, std::string_view name) {
  co_return co_await ctx.call_activity<int>(name);
}
#elif PERDURA_CASE == 9
task<int> refers(orchestration_context& ctx, std::string&& name) {
  co_return co_await ctx.call_activity<int>(name);
}
#endif

task<int> example(orchestration_context& ctx) {
  auto timer = ctx.create_timer(seconds(1));
  auto one = helper(ctx, "A");
  std::vector<task<int>> list;
  list.push_back(helper(ctx, "A"));
  int sum = 0;
#if PERDURA_CASE == 0
  auto all = co_await when_all(std::move(one), helper(ctx, "B"), timer);
  sum += std::get<0>(all);
  auto first = co_await when_any(changes(ctx, sum), timer);
  if (first == timer)
    sum = 0;
  sum += first.result<0>().value();
  auto later = when_all(ctx, std::move(list));
  sum += (co_await std::move(later)).front();
#elif PERDURA_CASE == 1
  auto all = co_await when_all(one, helper(ctx, "B"));
#elif PERDURA_CASE == 2
  auto first = co_await when_any(one, timer);
#elif PERDURA_CASE == 3
  auto all = co_await when_all(ctx, list);
#elif PERDURA_CASE == 4
  auto first = co_await when_any(ctx, list);
#elif PERDURA_CASE == 5
  auto later = when_all(std::move(one), helper(ctx, "B"));
  auto all = co_await later;
#elif PERDURA_CASE == 6
  auto first = co_await when_any(std::move(one), timer);
  first.result<1>();
#endif
  co_return sum;
}

} // namespace perdura
