// SPDX-License-Identifier: Apache-2.0
/// The coroutine types of orchestrations. `task<T>` is the return type of an
/// orchestrator and of its helper coroutines; `pending<R>` is the result of a
/// request, which can be awaited.
///
/// Neither type is thread-safe; a coroutine runs on one thread at a time. A
/// suspended coroutine may be destroyed at any time, and a replay creates it
/// again. Destructors of its local variables must therefore have no effects
/// outside the coroutine.
#pragma once

#include <perdura/actors/authoring/payload.hpp>
#include <perdura/actors/authoring/retry_options.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace perdura::actors {

class orchestration_context;
class orchestration_engine;

/// `unit` if T is void, otherwise T.
template <class T>
using value_of = std::conditional_t<std::is_void_v<T>, unit, T>;

namespace detail {

/// Index of a request within its execution; see orchestration_engine.
using slot_id = std::uint32_t;

inline constexpr slot_id no_slot = ~slot_id{0};

class promise_base;

/// The registration of a suspended coroutine at the engine, which links those
/// that wait for the same slot, and those that it resumes next.
struct wait_entry {
  enum class place : std::uint8_t {
    none,  ///< Not registered.
    slot,  ///< In the list of the slot that the coroutine waits for.
    ready, ///< In the list of those whose slot is completed.
  };

  promise_base* previous = nullptr;
  promise_base* next = nullptr;
  std::uint64_t order = 0; ///< The engine counts the registrations.
  slot_id slot = no_slot;
  place in = place::none;
};

/// The result of a completed slot.
struct slot_answer {
  /// JSON text; null if the slot is a wait whose time-out passed before an
  /// event came.
  const std::string* text = nullptr;
  bool timed = false; ///< The slot is a wait with a time-out.
  payload_label label = {};
};

// Functions of the engine. They are declared here so that this header need not
// include the header of the engine, which documents them.

bool is_completed(orchestration_engine& engine, slot_id id);
/// @throws task_failed, task_cancelled
slot_answer take_result(orchestration_engine& engine, slot_id id);
/// Called while the exception is handled that converting the slot's result to
/// its C++ type has thrown.
void note_unreadable(orchestration_engine& engine, slot_id id);
void cancel(orchestration_engine& engine, slot_id id);
void suspend_on(orchestration_engine& engine, slot_id id, promise_base& waiter);
void deregister(orchestration_engine& engine, promise_base& waiter) noexcept;
void continue_with(orchestration_engine& engine,
                   std::coroutine_handle<> next) noexcept;
/// Called when the coroutine of a task in a when_all or when_any has ended.
void end_task(orchestration_engine& engine, promise_base& ended) noexcept;

/// Number of coroutine frames that exist, for tests of leaks.
inline std::atomic<long> frames_alive{0};

/// The types that an orchestrator may await.
template <class A>
concept awaitable = requires {
  typename std::remove_cvref_t<A>::perdura_awaitable;
};

/// True for task<T>.
template <class A>
struct is_task : std::false_type {};

/// Awaitables that own coroutines, so that they can be awaited only once.
template <class A>
concept awaited_once = is_task<std::remove_cvref_t<A>>::value || requires {
  typename std::remove_cvref_t<A>::perdura_awaited_once;
};

/// The common part of the promises. The promise deregisters from the engine
/// when its frame is destroyed, so that a destroyed frame is never resumed.
/// (The awaiter cannot do that: g++ 12 may copy it or destroy it twice.)
class promise_base {
public:
  promise_base() noexcept {
    frames_alive.fetch_add(1, std::memory_order_relaxed);
  }

  ~promise_base() {
    if (engine)
      deregister(*engine, *this);
    frames_alive.fetch_sub(1, std::memory_order_relaxed);
  }

  promise_base(const promise_base&) = delete;
  promise_base& operator=(const promise_base&) = delete;

  /// Continues the awaiting coroutine when this one ends. If this one ends
  /// while the await_suspend that started it is still running, the awaiting
  /// coroutine continues by itself.
  struct final_awaiter {
    bool await_ready() const noexcept {
      return false;
    }

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      promise_base& promise = ended.promise();
      if (promise.continuation) {
        if (!promise.inside_awaiter)
          continue_with(*promise.engine, promise.continuation);
      } else if (promise.chain != no_slot) {
        end_task(*promise.engine, promise);
      }
    }

    void await_resume() const noexcept {}
  };

  /// A helper starts when it is awaited, and an orchestrator when the engine
  /// resumes it for the first time.
  std::suspend_always initial_suspend() const noexcept {
    return {};
  }

  final_awaiter final_suspend() const noexcept {
    return {};
  }

  void unhandled_exception() noexcept {
    error = std::current_exception();
  }

  template <class A>
  decltype(auto) await_transform(A&& awaited) {
    static_assert(awaitable<A>,
                  "an orchestrator may await only results of its context, "
                  "when_all, when_any and task<T>: a replay can repeat only "
                  "these");
    static_assert(!awaited_once<A> || std::is_rvalue_reference_v<A&&>,
                  "a task<T>, or a when_all or when_any of tasks, can be "
                  "awaited once: co_await std::move(task)");
    return std::forward<A>(awaited);
  }

  orchestration_engine* engine = nullptr; ///< Set when the coroutine starts.
  std::coroutine_handle<> self;
  std::coroutine_handle<> continuation; ///< The coroutine that awaits this one.
  bool inside_awaiter = false; ///< Running inside the parent's await_suspend.
  /// The task of a when_all or when_any to which the coroutine belongs; no_slot
  /// for the orchestrator and the helpers that it awaits itself.
  slot_id chain = no_slot;
  wait_entry wait;
  std::exception_ptr error; ///< The exception that the coroutine threw.
};

template <class T>
class task_promise;

/// Converts the result of a slot to R. After the time-out of a wait, R is an
/// empty optional or false.
template <class R>
R answer_of(const slot_answer& answer) {
  if constexpr (!std::is_void_v<R>) {
    if constexpr (std::is_same_v<R, bool>) {
      if (answer.timed)
        return answer.text != nullptr;
    }
    if constexpr (optional_value<R>::value) {
      if (answer.timed) {
        if (!answer.text)
          return std::nullopt;
        return R(
          from_payload<typename R::value_type>(*answer.text, answer.label));
      }
    }
    return from_payload<R>(*answer.text, answer.label);
  }
}

} // namespace detail

/// The result of awaiting a request with `as_outcome`, which does not throw: a
/// value or a failure. Example:
///
///     auto r = co_await ctx.call_activity<int>("X", in).as_outcome();
///     if (!r) …
template <class T>
class outcome {
public:
  explicit outcome(value_of<T> value) : value_(std::move(value)) {}

  explicit outcome(std::exception_ptr failure) : failure_(std::move(failure)) {}

  /// True if there is a value.
  explicit operator bool() const {
    return !failure_;
  }

  /// Returns the value, or throws the exception of the failure.
  value_of<T>& value() {
    if (failure_)
      std::rethrow_exception(failure_);
    return *value_;
  }

  value_of<T>& operator*() {
    return value();
  }

  value_of<T>* operator->() {
    return &value();
  }

  /// Returns the exception of the failure. Null if there is a value.
  std::exception_ptr error() const {
    return failure_;
  }

  /// Returns type and message of the failure. Empty if there is a value.
  failure_details failure() const {
    return failure_ ? failure_of(failure_) : failure_details{};
  }

private:
  std::optional<value_of<T>> value_;
  std::exception_ptr failure_;
};

/// The future result of a request: an activity, a sub-orchestration, a timer
/// or an event wait. A handle that can be copied, and awaited any number of
/// times or never; awaiting a completed request does not suspend. Valid as
/// long as the orchestrator's coroutine exists.
template <class R>
class [[nodiscard]] pending {
public:
  using perdura_awaitable = void;

  pending(orchestration_engine& engine, detail::slot_id id)
    : engine_(&engine), id_(id) {}

  /// Returns true if the request has a result, has failed, or was cancelled.
  bool is_completed() const {
    return detail::is_completed(*engine_, id_);
  }

  /// Cancels a timer or an event wait that is not completed. It then counts as
  /// completed, and awaiting it throws task_cancelled. Has no effect on a
  /// completed request, and none on activities and sub-orchestrations, which
  /// run to their end.
  void cancel() const {
    detail::cancel(*engine_, id_);
  }

  /// The awaitable of as_outcome.
  class outcome_awaiter {
  public:
    using perdura_awaitable = void;

    explicit outcome_awaiter(pending awaited) : awaited_(awaited) {}

    bool await_ready() const {
      return awaited_.await_ready();
    }

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) const {
      awaited_.await_suspend(waiter);
    }

    outcome<R> await_resume() const {
      try {
        if constexpr (std::is_void_v<R>) {
          awaited_.await_resume();
          return outcome<R>(unit());
        } else {
          return outcome<R>(awaited_.await_resume());
        }
      } catch (...) {
        return outcome<R>(std::current_exception());
      }
    }

  private:
    pending awaited_;
  };

  /// Makes an awaitable that gives an outcome<R> and does not throw.
  outcome_awaiter as_outcome() const {
    return outcome_awaiter(*this);
  }

  bool await_ready() const {
    return detail::is_completed(*engine_, id_);
  }

  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> waiter) const {
    detail::suspend_on(*engine_, id_, waiter.promise());
  }

  R await_resume() const {
    [[maybe_unused]] const detail::slot_answer answer
      = detail::take_result(*engine_, id_);
    if constexpr (!std::is_void_v<R>) {
      try {
        return detail::answer_of<R>(answer);
      } catch (...) {
        detail::note_unreadable(*engine_, id_);
        throw;
      }
    }
  }

  detail::slot_id id() const {
    return id_;
  }

  orchestration_engine& engine() const {
    return *engine_;
  }

private:
  orchestration_engine* engine_;
  detail::slot_id id_;
};

/// The coroutine of an orchestrator or of a helper, with a result of type T.
/// The first parameter of the coroutine is `orchestration_context&`; further
/// ones are passed by value. A helper's task starts when it is awaited:
/// `co_await helper(ctx, x)`, or when a `when_all` or `when_any` of several
/// tasks is awaited (when_tasks.hpp). Such a task can be awaited only once, and
/// a task that is never awaited never starts. The task owns the coroutine
/// frame.
template <class T = void>
class [[nodiscard]] task {
public:
  static_assert(std::is_void_v<T> || std::is_same_v<T, std::remove_cvref_t<T>>,
                "T of task<T> must not be a reference or const");

  using perdura_awaitable = void;
  using value_type = T;
  using promise_type = detail::task_promise<T>;
  using handle = std::coroutine_handle<promise_type>;

  explicit task(handle frame) noexcept : frame_(frame) {}

  task(task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}

  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (frame_)
        frame_.destroy();
      frame_ = std::exchange(other.frame_, {});
    }
    return *this;
  }

  ~task() {
    if (frame_)
      frame_.destroy();
  }

  /// Starts the coroutine of the task and suspends the awaiting one until it
  /// ends.
  class awaiter {
  public:
    explicit awaiter(handle frame) : frame_(frame) {}

    bool await_ready() const {
      if (!frame_ || frame_.done())
        throw std::logic_error("a task<T> can be awaited once");
      return false;
    }

    /// Runs the child on the stack of the parent. If the child ends without
    /// suspending, the parent continues at once: a loop over such children
    /// does not grow the stack, even without tail calls.
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> parent) const {
      promise_type& child = frame_.promise();
      child.engine = parent.promise().engine;
      child.chain = parent.promise().chain;
      child.continuation = parent;
      child.inside_awaiter = true;
      frame_.resume();
      child.inside_awaiter = false;
      return !frame_.done();
    }

    T await_resume() const {
      return frame_.promise().take();
    }

  private:
    handle frame_;
  };

  awaiter operator co_await() && {
    return awaiter(frame_);
  }

  handle frame() const {
    return frame_;
  }

  /// Returns the coroutine frame, which the caller must destroy. Null if the
  /// task was moved from.
  handle release() noexcept {
    return std::exchange(frame_, {});
  }

private:
  handle frame_;
};

namespace detail {

template <class T>
struct is_task<task<T>> : std::true_type {};

template <class T>
class task_promise : public promise_base {
public:
  task<T> get_return_object() {
    auto frame = std::coroutine_handle<task_promise>::from_promise(*this);
    self = frame;
    return task<T>(frame);
  }

  /// The default `U = T` allows `co_return {};`.
  template <class U = T>
    requires std::convertible_to<U&&, T>

  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }

  /// Returns the result of a coroutine that has ended, or throws its exception.
  /// Moves from the result, so it is called once.
  T take() {
    if (error)
      std::rethrow_exception(error);
    if (!value_)
      throw std::logic_error("its coroutine ended without co_return: each path "
                             "must return a value");
    return std::move(*value_);
  }

private:
  std::optional<T> value_;
};

template <>
class task_promise<void> : public promise_base {
public:
  task<void> get_return_object() {
    auto frame = std::coroutine_handle<task_promise>::from_promise(*this);
    self = frame;
    return task<void>(frame);
  }

  void return_void() noexcept {}

  void take() {
    if (error)
      std::rethrow_exception(error);
  }
};

/// True if a parameter of this type can refer to an object that is destroyed
/// at the first await.
template <class A>
constexpr bool dangles
  = std::is_rvalue_reference_v<
      A> || (std::is_lvalue_reference_v<A> && std::is_const_v<std::remove_reference_t<A>> && !std::is_empty_v<std::remove_cvref_t<A>>)
    || std::is_same_v<std::remove_cv_t<A>, std::string_view>;

/// Checks the parameters after the context. A parameter before the context can
/// only be the object of a member function or the closure of a lambda. The type
/// of a closure is incomplete here, so add_orchestrator checks instead that the
/// lambda has no captures.
template <class... A>
struct parameters_stay : std::true_type {};

template <class F, class... A>
struct parameters_stay<F, A...> : parameters_stay<A...> {};

template <class... A>
struct parameters_stay<orchestration_context&, A...>
  : std::bool_constant<!(dangles<A> || ...)> {};

} // namespace detail

} // namespace perdura::actors

/// Checks the parameters of every coroutine that returns task<T>.
template <class T, class... A>
struct std::coroutine_traits<perdura::actors::task<T>, A...> {
  static_assert(
    (std::is_same_v<A, perdura::actors::orchestration_context&> || ...),
    "the first parameter of a coroutine that returns task<T> must be "
    "orchestration_context&");
  static_assert(perdura::actors::detail::parameters_stay<A...>::value,
                "pass the parameters of an orchestrator by value (those of a "
                "helper also by T&): const T&, T&& and string_view dangle "
                "after the first await");
  using promise_type = perdura::actors::detail::task_promise<T>;
};
