// SPDX-License-Identifier: Apache-2.0
/// The registry of the orchestrators and activities that a node can run.
///
/// Fill the registry before the node starts. From then on it must not change,
/// and its const functions may be called from any thread.
#pragma once

#include <perdura/actors/authoring/activity_context.hpp>
#include <perdura/actors/authoring/orchestration_context.hpp>
#include <perdura/actors/authoring/payload.hpp>
#include <perdura/actors/authoring/task.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace perdura::actors {

/// The handling of an external event for which the orchestrator has no open
/// wait.
enum class external_event_policy : std::uint8_t {
  buffer, ///< The event is kept, in order of arrival, for a later wait.
  discard ///< The event is dropped, as documented for Durable Functions.
};

/// Options of one orchestrator in one version.
struct orchestrator_options {
  /// An instance keeps the version that it was started with. A start that
  /// names no version uses the greatest registered one. "1.10" is greater than
  /// "1.9", and the empty version is the least.
  std::string version = {};
  /// If not set, the setting of the task hub applies.
  std::optional<external_event_policy> external_events = {};
  /// Finished instances are deleted after this time; 0 keeps them for ever.
  /// If not set, the setting of the task hub applies.
  std::optional<time_span> retention = {};
};

/// Limits of one activity.
struct activity_limits {
  /// Maximum number of runs of this activity at the same time on one node; 0
  /// means that only the limit of the node applies.
  std::size_t concurrency_max = 0;
};

/// The output of an activity as JSON text, or its failure.
using activity_outcome = std::variant<std::string, failure_details>;

namespace detail {

/// The coroutine of an orchestrator, with its types erased.
class root_task {
public:
  virtual ~root_task() = default;

  /// Connects the coroutine to the engine and returns its handle; the
  /// coroutine has not started.
  virtual std::coroutine_handle<> attach(orchestration_engine& engine) = 0;
  virtual bool is_done() const = 0;

  /// Rethrows the exception of a coroutine that is done, if it threw one.
  virtual void check() = 0;

  /// Returns the output of a coroutine that is done, as JSON text. Call once.
  /// @throws limit_exceeded, payload_error  The output cannot be written.
  virtual std::string output() = 0;
};

template <class T>
class root_task_of final : public root_task {
public:
  explicit root_task_of(task<T> root) : root_(std::move(root)) {}

  std::coroutine_handle<> attach(orchestration_engine& engine) override {
    root_.frame().promise().engine = &engine;
    return root_.frame();
  }

  bool is_done() const override {
    return root_.frame().done();
  }

  void check() override {
    if (auto error = root_.frame().promise().error)
      std::rethrow_exception(error);
  }

  std::string output() override {
    if constexpr (std::is_void_v<T>) {
      root_.frame().promise().take();
      return "null";
    } else {
      return to_payload<T>(root_.frame().promise().take(), {"the output", {}});
    }
  }

private:
  task<T> root_;
};

template <class... A>
struct parameters {};

/// The `result` type and the parameter `list` of a function, or of the call
/// operator of an object.
template <class F>
struct signature : signature<decltype(&F::operator())> {};

template <class R, class... A>
struct signature<R(A...)> {
  using result = R;
  using list = parameters<A...>;
  static constexpr bool callable_as_const = true;
};

template <class R, class... A>
struct signature<R(A...) noexcept> : signature<R(A...)> {};

template <class F>
struct signature<F*> : signature<F> {};

template <class C, class R, class... A>
struct signature<R (C::*)(A...) const> : signature<R(A...)> {};

template <class C, class R, class... A>
struct signature<R (C::*)(A...) const noexcept> : signature<R(A...)> {};

template <class C, class R, class... A>
struct signature<R (C::*)(A...)> : signature<R(A...)> {
  static constexpr bool callable_as_const = false;
};

template <class C, class R, class... A>
struct signature<R (C::*)(A...) noexcept> : signature<R (C::*)(A...)> {};

template <class F>
concept has_signature = requires {
  typename signature<F>::list;
};

/// For the parameters of an orchestrator: `fit` is true if they are allowed;
/// `input` is the type of the input, or void.
template <class List>
struct orchestrator_parameters {
  static constexpr bool fit = false;
};

template <>
struct orchestrator_parameters<parameters<orchestration_context&>> {
  static constexpr bool fit = true;
  using input = void;
};

template <class In>
struct orchestrator_parameters<parameters<orchestration_context&, In>> {
  static constexpr bool fit = !std::is_reference_v<In> && !dangles<In>;
  using input = std::remove_cv_t<In>;
};

/// For the parameters of an activity: `fit` and `input` have the same meaning
/// as in orchestrator_parameters; `with_context` is true if the first parameter
/// is an activity_context.
template <class List>
struct activity_parameters {
  static constexpr bool fit = false;
};

template <>
struct activity_parameters<parameters<>> {
  static constexpr bool fit = true;
  static constexpr bool with_context = false;
  using input = void;
};

template <>
struct activity_parameters<parameters<activity_context&>> {
  static constexpr bool fit = true;
  static constexpr bool with_context = true;
  using input = void;
};

template <class In>
struct activity_parameters<parameters<In>> {
  static constexpr bool fit
    = !std::is_same_v<
        std::remove_cvref_t<In>,
        std::
          string_view> && !(std::is_lvalue_reference_v<In> && !std::is_const_v<std::remove_reference_t<In>>);
  static constexpr bool with_context = false;
  using input = std::remove_cvref_t<In>;
};

template <class In>
struct activity_parameters<parameters<activity_context&, In>>
  : activity_parameters<parameters<In>> {
  static constexpr bool with_context = true;
};

/// The type T of a task<T>.
template <class T>
struct task_value;

template <class T>
struct task_value<task<T>> {
  using type = T;
};

} // namespace detail

/// One orchestrator in one version. Immutable.
class orchestrator_entry {
public:
  using maker = std::function<std::unique_ptr<detail::root_task>(
    orchestration_context& ctx, const std::string& input)>;

  orchestrator_entry(std::string name, orchestrator_options options, maker make)
    : name_(std::move(name)),
      options_(std::move(options)),
      make_(std::move(make)) {}

  const std::string& name() const {
    return name_;
  }

  const std::string& version() const {
    return options_.version;
  }

  const orchestrator_options& options() const {
    return options_;
  }

  /// Creates the coroutine without starting it. `ctx` must outlive it.
  /// @throws payload_error  The input does not match the parameter's type.
  std::unique_ptr<detail::root_task> make(orchestration_context& ctx,
                                          const std::string& input) const {
    return make_(ctx, input);
  }

private:
  std::string name_;
  orchestrator_options options_;
  maker make_;
};

/// Orchestrators and activities by name. Not thread-safe while it is filled.
class registry {
public:
  /// Adds an orchestrator: a function or a lambda without captures, of the form
  /// `task<R> f(orchestration_context&)` or
  /// `task<R> f(orchestration_context&, In)`. Input and output are stored as
  /// JSON; see payload.hpp. Returns the registry, so that calls can be chained.
  /// @throws std::invalid_argument  The name is not 1 to 256 bytes of UTF-8
  ///         without control characters, or name and version are in use.
  template <class F>
  registry& add_orchestrator(std::string_view name, F f,
                             orchestrator_options options = {}) {
    static_assert(std::is_pointer_v<F> || std::is_empty_v<F>,
                  "an orchestrator is a function or a lambda without "
                  "captures: captures are destroyed before the coroutine");
    static_assert(detail::has_signature<F>,
                  "an orchestrator has one signature: no auto parameters");
    using signature = detail::signature<F>;
    using result = typename signature::result;
    using parameters
      = detail::orchestrator_parameters<typename signature::list>;
    static_assert(detail::is_task<result>::value,
                  "an orchestrator returns perdura::task<R>");
    static_assert(parameters::fit,
                  "an orchestrator takes "
                  "(orchestration_context&) or (orchestration_context&, In), "
                  "In by value");
    using value = typename detail::task_value<result>::type;
    using input = typename parameters::input;
    add_entry(
      {std::string(name), std::move(options),
       [f](orchestration_context& ctx,
           const std::string& text) -> std::unique_ptr<detail::root_task> {
         if constexpr (std::is_void_v<input>) {
           return std::make_unique<detail::root_task_of<value>>(f(ctx));
         } else {
           return std::make_unique<detail::root_task_of<value>>(
             f(ctx, from_payload<input>(
                      text, {"the input of orchestrator", ctx.name()})));
         }
       }});
    return *this;
  }

  /// Adds an activity: a function or another callable object of the form
  /// `R f()` or `R f(In)`, optionally with an `activity_context&` as the first
  /// parameter. Several threads may call the object at the same time. An
  /// activity may block and may throw: any exception fails the task.
  /// @throws std::invalid_argument  The name is not 1 to 256 bytes of UTF-8
  ///         without control characters, or is in use.
  template <class F>
  registry& add_activity(std::string_view name, F f,
                         activity_limits limits = {}) {
    static_assert(detail::has_signature<F>,
                  "an activity has one signature: no auto parameters");
    using signature = detail::signature<F>;
    using parameters = detail::activity_parameters<typename signature::list>;
    static_assert(signature::callable_as_const,
                  "several threads call an activity at once: no mutable "
                  "lambda, no call operator that is not const");
    static_assert(parameters::fit,
                  "an activity takes nothing or In (by value or const&), with "
                  "activity_context& as an optional first parameter");
    static_assert(!detail::is_task<typename signature::result>::value,
                  "an activity is an ordinary function, not a coroutine");
    // Shared, because std::function requires a copyable target and the
    // callable may be move-only.
    auto shared = std::make_shared<const F>(std::move(f));
    add_entry(std::string(name), limits,
              [shared](activity_context& ctx, const std::string& text) {
                return call<parameters, typename signature::result>(*shared,
                                                                    ctx, text);
              });
    return *this;
  }

  /// Returns the orchestrator of exactly this version, or null. An empty
  /// version means the orchestrator that was added without one.
  const orchestrator_entry* find_orchestrator(std::string_view name,
                                              std::string_view version) const;

  /// Returns the greatest registered version, or nothing if no orchestrator
  /// has the name.
  std::optional<std::string> default_version(std::string_view name) const;

  bool has_activity(std::string_view name) const;

  /// Returns null if no activity has the name.
  const activity_limits* find_activity_limits(std::string_view name) const;

  /// Runs the activity on the calling thread. Never throws: an unknown name, an
  /// input that does not match, an exception of the activity and an output
  /// that cannot be written become failure_details.
  activity_outcome run_activity(std::string_view name, activity_context& ctx,
                                const std::string& input) const;

  /// Returns all orchestrators, sorted by name and then by version.
  std::vector<const orchestrator_entry*> orchestrators() const;
  std::vector<std::string> activity_names() const;

private:
  using activity_function
    = std::function<std::string(activity_context&, const std::string&)>;

  struct activity_entry {
    activity_limits limits;
    activity_function call;
  };

  /// Compares with is_version_less.
  struct version_less {
    bool operator()(std::string_view a, std::string_view b) const;
    using is_transparent = void;
  };

  /// Calls the activity with its input converted from JSON, and returns the
  /// output as JSON text.
  template <class Parameters, class R, class F>
  static std::string call(const F& f, activity_context& ctx,
                          const std::string& text) {
    using input = typename Parameters::input;
    auto invoke = [&](auto&&... arguments) -> std::string {
      if constexpr (std::is_void_v<R>) {
        f(std::forward<decltype(arguments)>(arguments)...);
        return "null";
      } else {
        return to_payload<std::remove_cvref_t<R>>(
          f(std::forward<decltype(arguments)>(arguments)...),
          {"the output of activity", ctx.activity_name()});
      }
    };
    if constexpr (std::is_void_v<input>) {
      if constexpr (Parameters::with_context)
        return invoke(ctx);
      else
        return invoke();
    } else {
      auto value = from_payload<input>(
        text, {"the input of activity", ctx.activity_name()});
      if constexpr (Parameters::with_context)
        return invoke(ctx, std::move(value));
      else
        return invoke(std::move(value));
    }
  }

  void add_entry(orchestrator_entry entry);
  void add_entry(std::string name, activity_limits limits,
                 activity_function call);

  std::map<std::string, std::map<std::string, orchestrator_entry, version_less>,
           std::less<>>
    orchestrators_;
  std::map<std::string, activity_entry, std::less<>> activities_;
};

/// Orders versions: digit sequences compare as numbers, so "1.9" is less than
/// "1.10"; other characters compare as bytes; the empty version is the least.
bool is_version_less(std::string_view a, std::string_view b);

} // namespace perdura::actors
