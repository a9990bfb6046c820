/// `task<T>` is what an orchestrator, or a coroutine that helps it, returns;
/// `pending<R>` is something that was asked for and may be awaited.
///
/// Both live on one thread at a time and hold no lock. A frame may be
/// destroyed at any suspension (eviction) and be built again by replay.
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

/// `unit` for void, else the type itself.
template <class T>
using value_of = std::conditional_t<std::is_void_v<T>, unit, T>;

namespace detail {

/// Place of something asked for within its execution.
using slot_id = std::uint32_t;

class promise_base;

/// The answer of a finished slot. `text` is null if the time was out first.
struct settled {
  const std::string* text = nullptr;
  bool timed = false; ///< A wait with a time-out: the answer may be missing.
  payload_place place = {};
};

// What handles want of the engine behind the context.

/// Finished? Seen by the code: replay must find the same again.
bool is_settled(orchestration_engine& engine, slot_id id);
/// @throws task_failed, task_cancelled
settled take(orchestration_engine& engine, slot_id id);
void cancel(orchestration_engine& engine, slot_id id);
void suspend_on(orchestration_engine& engine, slot_id id, promise_base& waiter);
void forget(orchestration_engine& engine, promise_base& waiter) noexcept;
void continue_with(orchestration_engine& engine,
                   std::coroutine_handle<> next) noexcept;

/// Coroutine frames that exist; 0 when every run is gone.
inline std::atomic<long> frames_alive{0};

/// Marks what an orchestrator may await.
template <class A>
concept awaitable = requires {
  typename std::remove_cvref_t<A>::perdura_awaitable;
};

template <class A>
struct is_task : std::false_type {};

/// Deregisters itself when its frame goes, so that an evicted frame is never
/// resumed. (The awaiter could not: g++ 12 may copy or destroy it twice.)
class promise_base {
public:
  promise_base() noexcept {
    frames_alive.fetch_add(1, std::memory_order_relaxed);
  }

  ~promise_base() {
    if (engine)
      forget(*engine, *this);
    frames_alive.fetch_sub(1, std::memory_order_relaxed);
  }

  promise_base(const promise_base&) = delete;
  promise_base& operator=(const promise_base&) = delete;

  struct final_awaiter {
    bool await_ready() const noexcept {
      return false;
    }

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      promise_base& promise = ended.promise();
      if (promise.continuation && !promise.inside_awaiter)
        continue_with(*promise.engine, promise.continuation);
    }

    void await_resume() const noexcept {}
  };

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
                  "an orchestrator awaits only what its context, when_all, "
                  "when_any or a task<T> gives: anything else would not come "
                  "back in a replay");
    static_assert(!is_task<std::remove_cvref_t<A>>::value
                    || std::is_rvalue_reference_v<A&&>,
                  "a task<T> is awaited once: co_await std::move(it)");
    return std::forward<A>(awaited);
  }

  orchestration_engine* engine = nullptr;
  std::coroutine_handle<> self;
  std::coroutine_handle<> continuation;
  bool inside_awaiter = false; ///< Runs within its parent's await_suspend.
  std::exception_ptr error;
};

template <class T>
class task_promise;

template <class R>
R answer_of(const settled& answer) {
  if constexpr (std::is_void_v<R>) {
    return;
  } else {
    if constexpr (std::is_same_v<R, bool>) {
      if (answer.timed)
        return answer.text != nullptr;
    }
    if constexpr (optional_value<R>::value) {
      if (answer.timed) {
        if (!answer.text)
          return std::nullopt;
        return R(
          from_payload<typename R::value_type>(*answer.text, answer.place));
      }
    }
    return from_payload<R>(*answer.text, answer.place);
  }
}

} // namespace detail

/// A value, or the failure that took its place, without an exception thrown:
/// `auto r = co_await ctx.call_activity<int>("X", in).as_outcome(); if (!r) …`
template <class T>
class outcome {
public:
  explicit outcome(value_of<T> value) : value_(std::move(value)) {}

  explicit outcome(std::exception_ptr failure) : failure_(std::move(failure)) {}

  explicit operator bool() const {
    return !failure_;
  }

  /// @throws what it failed with
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

  /// Null if there is a value.
  std::exception_ptr error() const {
    return failure_;
  }

  /// Of the failure; empty if there is a value.
  failure_details failure() const {
    return failure_ ? failure_of(failure_) : failure_details{};
  }

private:
  std::optional<value_of<T>> value_;
  std::exception_ptr failure_;
};

/// Something that was asked for and recorded: an activity, a child, a timer,
/// an event. A handle: copy it, await it now, later, or never; awaiting a
/// finished one does not suspend. Valid as long as its orchestrator runs.
template <class R>
class [[nodiscard]] pending {
public:
  using perdura_awaitable = void;

  pending(orchestration_engine& engine, detail::slot_id id)
    : engine_(&engine), id_(id) {}

  /// Has it an answer, a failure, or was it cancelled?
  bool is_completed() const {
    return detail::is_settled(*engine_, id_);
  }

  /// Gives up a timer or a wait that is still open: it counts as completed,
  /// and awaiting it throws task_cancelled. No effect on what is completed,
  /// and none on activities and sub-orchestrations: they run to their end.
  void cancel() const {
    detail::cancel(*engine_, id_);
  }

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

  /// Awaits without throwing.
  outcome_awaiter as_outcome() const {
    return outcome_awaiter(*this);
  }

  bool await_ready() const {
    return detail::is_settled(*engine_, id_);
  }

  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> waiter) const {
    detail::suspend_on(*engine_, id_, waiter.promise());
  }

  R await_resume() const {
    return detail::answer_of<R>(detail::take(*engine_, id_));
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

/// A coroutine of the orchestration: the orchestrator itself, or a helper
/// that takes the context too. It starts when it is awaited, once.
template <class T = void>
class [[nodiscard]] task {
public:
  static_assert(std::is_void_v<T> || std::is_same_v<T, std::remove_cvref_t<T>>,
                "task<T> gives a value");

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

  class awaiter {
  public:
    explicit awaiter(handle frame) : frame_(frame) {}

    bool await_ready() const {
      if (!frame_ || frame_.done())
        throw std::logic_error("a task<T> is awaited once");
      return false;
    }

    /// Runs the child on this stack. One that did not have to wait is done by
    /// now, and the parent goes on without having suspended: a loop over such
    /// children needs no stack, whatever the compiler makes of tail calls.
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> parent) const {
      promise_type& child = frame_.promise();
      child.engine = parent.promise().engine;
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

  /// `U = T` makes `co_return {};` work.
  template <class U = T>
    requires std::convertible_to<U&&, T>

  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }

  T take() {
    if (error)
      std::rethrow_exception(error);
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

/// Would this parameter point to something gone after the first await?
template <class A>
constexpr bool dangles
  = std::is_rvalue_reference_v<
      A> || (std::is_lvalue_reference_v<A> && std::is_const_v<std::remove_reference_t<A>> && !std::is_empty_v<std::remove_cvref_t<A>>)
    || std::is_same_v<std::remove_cv_t<A>, std::string_view>;

/// Only what follows the context is looked at: before it stands the object of
/// a member function, or a lambda's closure, which is incomplete here
/// (add_orchestrator looks at that).
template <class... A>
struct parameters_stay : std::true_type {};

template <class F, class... A>
struct parameters_stay<F, A...> : parameters_stay<A...> {};

template <class... A>
struct parameters_stay<orchestration_context&, A...>
  : std::bool_constant<!(dangles<A> || ...)> {};

} // namespace detail

} // namespace perdura::actors

/// Looks at the parameters of every orchestrator and helper.
template <class T, class... A>
struct std::coroutine_traits<perdura::actors::task<T>, A...> {
  static_assert(
    (std::is_same_v<A, perdura::actors::orchestration_context&> || ...),
    "a coroutine that returns task<T> takes orchestration_context& first");
  static_assert(perdura::actors::detail::parameters_stay<A...>::value,
                "take orchestrator parameters by value (a helper's by T&): "
                "const T&, T&& and string_view dangle after the first await");
  using promise_type = perdura::actors::detail::task_promise<T>;
};
