// SPDX-License-Identifier: Apache-2.0
/// `when_all` and `when_any` for helper coroutines: the tasks run side by side,
/// each as a sequence of its own.
///
///   task<int> order_one(orchestration_context& ctx, item one) {
///     int price = co_await ctx.call_activity<int>("Price", one);
///     co_return co_await ctx.call_activity<int>("Order", price);
///   }
///
///   task<int> order(orchestration_context& ctx, std::vector<item> items) {
///     std::vector<task<int>> orders;
///     for (const item& one : items)
///       orders.push_back(order_one(ctx, one));
///     std::vector<int> prices = co_await when_all(ctx, std::move(orders));
///     …
///   }
///
/// Rules:
///  - The tasks start, in order, when the result of `when_all` or `when_any` is
///    awaited. Each runs until it is suspended or ends. If the result is never
///    awaited, no task starts.
///  - A message resumes the coroutines that wait for its result, in the order
///    in which they began to wait. A coroutine that awaits tasks comes before
///    these tasks. The order depends only on the history, so a replay repeats
///    it.
///  - A coroutine that is destroyed destroys the tasks that it awaits.
///  - A task that is destroyed before its end runs no further. Its timers and
///    its waits for events are cancelled; its activities and sub-orchestrations
///    run to their end, and their results are not used.
///  - `ctx.continue_as_new` in a task takes effect when the orchestrator itself
///    returns.
///
/// A task may refer to local variables of the coroutine that awaits it, by a
/// parameter `T&`. A lambda with captures must not be a task: its captures are
/// destroyed before the task ends. In a co_await expression, g++ 12 destroys an
/// aggregate temporary twice, such as the parameter in
/// `co_await when_all(order_one(ctx, item{a, b}), …)`: store it in a variable
/// first. This applies to every helper, and the compiler does not report it.
#pragma once

#include <perdura/actors/authoring/task.hpp>
#include <perdura/actors/authoring/task_group.hpp>
#include <perdura/actors/authoring/when.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace perdura::actors {

namespace detail {

/// The type of a member's result, for task<R> and pending<R>.
template <class M>
struct member_traits {
  static constexpr bool is_member = false;
};

template <class R>
struct member_traits<task<R>> {
  static constexpr bool is_member = true;
  using result = R;
};

template <class R>
struct member_traits<pending<R>> {
  static constexpr bool is_member = true;
  using result = R;
};

template <class M>
using result_of_member = typename member_traits<M>::result;

/// Tasks and requests, with at least one task.
template <class... M>
concept members_with_tasks
  = (member_traits<std::remove_cvref_t<M>>::is_member && ...)
    && (is_task<std::remove_cvref_t<M>>::value || ...);

template <class R>
void add_member(task_group& group, task<R> one) {
  const auto frame = one.release();
  group.add(frame ? &frame.promise() : nullptr);
}

template <class R>
void add_member(task_group& group, const pending<R>& one) {
  group.add(one.id());
}

/// Returns the result of the task at `index`, or throws its exception.
template <class R>
R take_task(const task_group& group, std::size_t index) {
  return static_cast<task_promise<R>&>(group.task(index)).take();
}

template <class M>
value_of<result_of_member<M>> take_member(const task_group& group,
                                          std::size_t index) {
  using result = result_of_member<M>;
  const auto take = [&]() -> result {
    if constexpr (is_task<M>::value)
      return take_task<result>(group, index);
    else
      return pending<result>(group.engine(), group.slot(index)).await_resume();
  };
  if constexpr (std::is_void_v<result>) {
    take();
    return unit();
  } else {
    return take();
  }
}

template <class R>
outcome<R> outcome_of_task(const task_group& group, std::size_t index) {
  try {
    return outcome<R>(take_member<task<R>>(group, index));
  } catch (...) {
    return outcome<R>(std::current_exception());
  }
}

/// Destroys the coroutines of a group when the awaiting one continues.
class group_end {
public:
  explicit group_end(task_group& group) : group_(group) {}

  ~group_end() {
    group_.clear();
  }

  group_end(const group_end&) = delete;
  group_end& operator=(const group_end&) = delete;

private:
  task_group& group_;
};

/// The common part of the awaiters: starts the group.
class group_awaiter {
public:
  explicit group_awaiter(task_group* group) : group_(group) {}

  bool await_ready() const {
    if (group_ == nullptr)
      throw std::logic_error("a when_all or when_any of tasks can be awaited "
                             "once");
    group_->check();
    return false;
  }

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> awaiting) const {
    return group_->start(awaiting.promise());
  }

protected:
  task_group* group_;
};

/// The common part of the results of when_all and when_any: owns the tasks.
class owned_group {
public:
  using perdura_awaitable = void;
  using perdura_awaited_once = void;

  explicit owned_group(std::unique_ptr<task_group> group)
    : group_(std::move(group)) {}

protected:
  std::unique_ptr<task_group> group_;
};

template <class... M>
std::unique_ptr<task_group> make_group(task_group::completion when,
                                       M&&... members) {
  static_assert((!(is_task<std::remove_cvref_t<M>>::value
                   && std::is_lvalue_reference_v<M>)&&...),
                "a task<T> can be awaited once: pass std::move(task)");
  auto group = std::make_unique<task_group>(when);
  (add_member(*group, std::forward<M>(members)), ...);
  return group;
}

template <class R>
std::unique_ptr<task_group> make_group(task_group::completion when,
                                       std::vector<task<R>>& tasks) {
  auto group = std::make_unique<task_group>(when);
  for (task<R>& one : tasks)
    add_member(*group, std::move(one));
  tasks.clear();
  return group;
}

} // namespace detail

/// The result of when_all for a list of tasks. Awaiting it gives a
/// std::vector<R> in the order of the list, or nothing if R is void.
template <class R>
class [[nodiscard]] all_tasks : public detail::owned_group {
public:
  using owned_group::owned_group;

  class awaiter : public detail::group_awaiter {
  public:
    using group_awaiter::group_awaiter;

    auto await_resume() const {
      const detail::group_end end(*group_);
      detail::throw_first_failure(group_->engine(), group_->id());
      if constexpr (std::is_void_v<R>) {
        for (std::size_t i = 0; i < group_->size(); ++i)
          detail::take_task<void>(*group_, i);
      } else {
        std::vector<R> values;
        values.reserve(group_->size());
        for (std::size_t i = 0; i < group_->size(); ++i)
          values.push_back(detail::take_task<R>(*group_, i));
        return values;
      }
    }
  };

  awaiter operator co_await() && {
    return awaiter(group_.get());
  }
};

/// The result of when_all for arguments of types M, each task<R> or pending<R>.
/// Awaiting it gives a tuple in the order of the arguments, with `unit` in the
/// place of void.
template <class... M>
class [[nodiscard]] all_members : public detail::owned_group {
public:
  using owned_group::owned_group;

  class awaiter : public detail::group_awaiter {
  public:
    using group_awaiter::group_awaiter;

    std::tuple<value_of<detail::result_of_member<M>>...> await_resume() const {
      const detail::group_end end(*group_);
      detail::throw_first_failure(group_->engine(), group_->id());
      return values(std::index_sequence_for<M...>());
    }

  private:
    template <std::size_t... I>
    std::tuple<value_of<detail::result_of_member<M>>...>
    values(std::index_sequence<I...>) const {
      // Braces guarantee evaluation from left to right.
      return std::tuple<value_of<detail::result_of_member<M>>...>{
        detail::take_member<M>(*group_, I)...};
    }
  };

  awaiter operator co_await() && {
    return awaiter(group_.get());
  }
};

/// The task of a list that has ended first, and its result.
template <class R>
class first_task {
public:
  first_task(std::size_t index, outcome<R> result)
    : index_(index), result_(std::move(result)) {}

  /// The place of the task in the list.
  std::size_t index() const {
    return index_;
  }

  /// The value or the failure of the task.
  outcome<R>& result() {
    return result_;
  }

private:
  std::size_t index_;
  outcome<R> result_;
};

/// The member of a when_any that was completed first. It is identified by its
/// index and, if it is a request, by comparison: `if (first == deadline) …`.
/// M are the types of the arguments.
template <class... M>
class first_member : public first_of {
  template <std::size_t I>
  using member = std::tuple_element_t<I, std::tuple<M...>>;

public:
  /// For each argument, the outcome of a task, or nothing for a request.
  using outcomes
    = std::variant<std::monostate,
                   std::conditional_t<detail::is_task<M>::value,
                                      outcome<detail::result_of_member<M>>,
                                      std::monostate>...>;

  first_member(first_of first, outcomes result)
    : first_of(first), result_(std::move(result)) {}

  /// The value or the failure of the task that is argument I. (The result of a
  /// request is awaited as usual.)
  /// @throws std::logic_error  Another member was the first.
  template <std::size_t I>
  outcome<detail::result_of_member<member<I>>>& result() {
    static_assert(detail::is_task<member<I>>::value,
                  "await the request that was completed first");
    if (result_.index() != I + 1)
      throw std::logic_error("result<I> of a when_any: another member was "
                             "completed first");
    return std::get<I + 1>(result_);
  }

private:
  outcomes result_;
};

/// The result of when_any for a list of tasks. Awaiting it gives a
/// first_task<R>.
template <class R>
class [[nodiscard]] any_task : public detail::owned_group {
public:
  using owned_group::owned_group;

  class awaiter : public detail::group_awaiter {
  public:
    using group_awaiter::group_awaiter;

    first_task<R> await_resume() const {
      const detail::group_end end(*group_);
      const std::size_t index
        = detail::winner_of(group_->engine(), group_->id());
      return {index, detail::outcome_of_task<R>(*group_, index)};
    }
  };

  awaiter operator co_await() && {
    return awaiter(group_.get());
  }
};

/// The result of when_any for arguments of types M. Awaiting it gives a
/// first_member<M...>.
template <class... M>
class [[nodiscard]] any_member : public detail::owned_group {
public:
  using owned_group::owned_group;

  class awaiter : public detail::group_awaiter {
  public:
    using group_awaiter::group_awaiter;

    first_member<M...> await_resume() const {
      const detail::group_end end(*group_);
      const std::size_t index
        = detail::winner_of(group_->engine(), group_->id());
      return {first_of(index, group_->slot(index)),
              result(index, std::index_sequence_for<M...>())};
    }

  private:
    using outcomes = typename first_member<M...>::outcomes;

    template <std::size_t... I>
    outcomes result(std::size_t index, std::index_sequence<I...>) const {
      outcomes found;
      ((I == index ? set<I>(found) : void()), ...);
      return found;
    }

    template <std::size_t I>
    void set(outcomes& found) const {
      using member = std::tuple_element_t<I, std::tuple<M...>>;
      if constexpr (detail::is_task<member>::value)
        found.template emplace<I + 1>(
          detail::outcome_of_task<detail::result_of_member<member>>(*group_,
                                                                    I));
      else
        found.template emplace<I + 1>();
    }
  };

  awaiter operator co_await() && {
    return awaiter(group_.get());
  }
};

/// Runs tasks side by side and waits until all of them have ended and all
/// requests among the arguments are completed, even if one has failed. Awaiting
/// the result gives a tuple of the values. If members have failed, it throws
/// the failure of the first of them in the order of the arguments: for a task,
/// the exception that has ended it. When the awaiting coroutine continues, the
/// coroutines of the tasks are destroyed.
/// @throws std::logic_error  When the result is awaited: a task was moved from.
template <class... M>

  requires detail::members_with_tasks<M...>

    all_members<std::remove_cvref_t<M>...> when_all(M&&... members) {
    return all_members<std::remove_cvref_t<M>...>(detail::make_group(
      detail::task_group::completion::all, std::forward<M>(members)...));
  }

/// Runs the tasks of a list side by side and waits until all of them have
/// ended; see above. Awaiting the result gives a vector of the values. An empty
/// list is completed at once. The list is empty afterwards.
template <class R>
all_tasks<R> when_all(orchestration_context&, std::vector<task<R>>&& tasks) {
  return all_tasks<R>(
    detail::make_group(detail::task_group::completion::all, tasks));
}

template <class R>
all_tasks<R> when_all(orchestration_context&, std::vector<task<R>>& tasks)
  = delete; // pass std::move(tasks)

/// Runs tasks side by side and waits until the first member ends or is
/// completed, with a value or a failure. The tasks start in the order of the
/// arguments; after a member that is completed at once, no further task starts.
/// Before the awaiting coroutine continues, the coroutines of the other tasks
/// are destroyed, in the order of the arguments, and run no further; see the
/// rules above. Requests among the arguments continue: cancel a timer or a wait
/// that is no longer needed. Awaiting the result throws nothing:
/// `first_member::result` has the value or the failure of the task.
/// @throws std::logic_error  When the result is awaited: a task was moved from.
template <class... M>

  requires detail::members_with_tasks<M...>

    any_member<std::remove_cvref_t<M>...> when_any(M&&... members) {
    return any_member<std::remove_cvref_t<M>...>(detail::make_group(
      detail::task_group::completion::any, std::forward<M>(members)...));
  }

/// Runs the tasks of a list side by side and waits until the first of them
/// ends; see above. Awaiting the result gives a first_task. The list is empty
/// afterwards.
/// @throws std::invalid_argument  The list is empty.
template <class R>
any_task<R> when_any(orchestration_context&, std::vector<task<R>>&& tasks) {
  if (tasks.empty())
    throw std::invalid_argument("when_any needs at least one member");
  return any_task<R>(
    detail::make_group(detail::task_group::completion::any, tasks));
}

template <class R>
any_task<R> when_any(orchestration_context&, std::vector<task<R>>& tasks)
  = delete; // pass std::move(tasks)

} // namespace perdura::actors
