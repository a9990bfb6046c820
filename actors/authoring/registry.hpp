/// Names for functions: what a node can run. Filled before the node starts,
/// only read from then on.
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

/// What happens to an event that nobody waits for.
enum class external_event_policy : std::uint8_t {
  buffer, ///< It is kept, in order, until somebody does.
  discard ///< It is dropped, as Durable Functions' documentation has it.
};

struct orchestrator_options {
  /// Instances keep the version they were started with; a start without one
  /// takes the greatest ("1.10" is greater than "1.9").
  std::string version = {};
  std::optional<external_event_policy> external_events = {}; ///< Else hub's.
  /// Kept this long after its end; 0: for ever. Else the hub's.
  std::optional<duration> retention = {};
};

struct activity_limits {
  std::size_t concurrency_max = 0; ///< At once on this node; 0: no limit.
};

/// The JSON text that an activity gave, or what it threw.
using activity_outcome = std::variant<std::string, failure_details>;

namespace detail {

/// An orchestrator's coroutine, its types forgotten.
class root_task {
public:
  virtual ~root_task() = default;
  virtual std::coroutine_handle<> attach(orchestration_engine& engine) = 0;
  virtual bool is_done() const = 0;
  /// Of one that is done; once.
  virtual void check() = 0;
  /// @throws what the code threw, limit_exceeded, payload_error
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

/// `result` and `list` of a function, or of an object's call operator.
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

template <class T>
struct task_value;

template <class T>
struct task_value<task<T>> {
  using type = T;
};

} // namespace detail

/// One orchestrator, of one version.
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

  /// Makes the coroutine; it has not begun yet.
  /// @throws payload_error  The input does not fit.
  std::unique_ptr<detail::root_task> make(orchestration_context& ctx,
                                          const std::string& input) const {
    return make_(ctx, input);
  }

private:
  std::string name_;
  orchestrator_options options_;
  maker make_;
};

class registry {
public:
  /// A function `task<R> f(orchestration_context&)` or
  /// `task<R> f(orchestration_context&, In)`, or a lambda without captures.
  /// @throws std::invalid_argument  A bad name, or one that is taken.
  template <class F>
  registry& add_orchestrator(std::string_view name, F f,
                             orchestrator_options options = {}) {
    static_assert(std::is_pointer_v<F> || std::is_empty_v<F>,
                  "an orchestrator is a function or a lambda without "
                  "captures: captures die before the coroutine does");
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

  /// Anything callable: `R f()`, `R f(In)`, with an activity_context& before
  /// if wanted. It may block and is called by several threads at once.
  /// @throws std::invalid_argument  A bad name, or one that is taken.
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
                  "activity_context& before it if wanted");
    static_assert(!detail::is_task<typename signature::result>::value,
                  "an activity is an ordinary function, not a coroutine");
    // Shared: a std::function wants copies, a callable may be move-only.
    auto shared = std::make_shared<const F>(std::move(f));
    add_entry(std::string(name), limits,
              [shared](activity_context& ctx, const std::string& text) {
                return call<parameters, typename signature::result>(*shared,
                                                                    ctx, text);
              });
    return *this;
  }

  /// Null if there is none of exactly this version (empty: unversioned).
  const orchestrator_entry* find_orchestrator(std::string_view name,
                                              std::string_view version) const;

  /// The greatest version there is; nothing if the name is unknown.
  std::optional<std::string> default_version(std::string_view name) const;

  bool has_activity(std::string_view name) const;

  /// Null if there is no such activity.
  const activity_limits* find_activity_limits(std::string_view name) const;

  /// Runs it on this thread. Whatever goes wrong becomes failure_details:
  /// unknown name, input that does not fit, an exception, a bad output.
  activity_outcome run_activity(std::string_view name, activity_context& ctx,
                                const std::string& input) const;

  /// In order of name, versions of one name ascending.
  std::vector<const orchestrator_entry*> orchestrators() const;
  std::vector<std::string> activity_names() const;

private:
  using activity_function
    = std::function<std::string(activity_context&, const std::string&)>;

  struct activity_entry {
    activity_limits limits;
    activity_function call;
  };

  struct version_less {
    bool operator()(std::string_view a, std::string_view b) const;
    using is_transparent = void;
  };

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

/// "1.9" before "1.10", a release's own text otherwise; nothing before all.
bool is_version_less(std::string_view a, std::string_view b);

} // namespace perdura::actors
