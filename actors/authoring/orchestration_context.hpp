/// What an orchestrator can ask for. Everything it does to the world goes
/// through here, is recorded, and comes back the same in a replay.
///
/// An orchestrator is `task<R> f(orchestration_context& ctx, Input in)`. It
/// must do the same again when it is replayed: no clock but `current_time`,
/// no randomness but `new_guid`, no I/O, no threads, no global state.
///
/// What g++ 12 miscompiles in a coroutine (clang is fine):
///  - `co_await ctx.call_activity<R>("X", order{a, b})`: name the input first
///    (a static_assert says so);
///  - `co_await x ? a_string : b_string`: take the value first;
///  - `json{{…}}`, `std::vector<T>{…}` within a co_await: name them first;
///  - co_await in `&&`, `||` or the head of a switch: take the value first.
#pragma once

#include <perdura/actors/authoring/payload.hpp>
#include <perdura/actors/authoring/retry_options.hpp>
#include <perdura/actors/authoring/task.hpp>
#include <perdura/actors/authoring/when.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace perdura::actors {

namespace detail {

/// g++ before 13 destroys an aggregate temporary of a co_await expression
/// twice.
template <class In>
constexpr bool is_safe_input =
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13                  \
  && !defined(PERDURA_ALLOW_AGGREGATE_TEMPORARY)
  std::is_lvalue_reference_v<
    In> || !std::is_aggregate_v<std::remove_cvref_t<In>> || std::is_array_v<std::remove_reference_t<In>> || std::is_trivially_destructible_v<std::remove_cvref_t<In>>;
#else
  true;
#endif

/// In microseconds, held within what they can count.
template <class Rep, class Period>
duration clamped(std::chrono::duration<Rep, Period> wanted) {
  using wide = std::chrono::duration<long double, std::micro>;
  const auto count = wide(wanted).count();
  // Half of the range: sums with a time of today still fit.
  constexpr auto most = static_cast<long double>(duration::max().count() / 2);
  if (count != count)
    return duration::zero();
  if (count >= most)
    return duration(duration::max().count() / 2);
  if (count <= -most)
    return duration(-(duration::max().count() / 2));
  return duration(static_cast<duration::rep>(count));
}

} // namespace detail

class orchestration_context {
public:
  /// By the run alone; users are handed one.
  explicit orchestration_context(orchestration_engine& engine)
    : engine_(&engine) {}

  orchestration_context(const orchestration_context&) = delete;
  orchestration_context& operator=(const orchestration_context&) = delete;

  /// Asks for an activity at once; suspends only when awaited. It runs at
  /// least once. Throws task_failed when awaited after it failed for good.
  /// @throws limit_exceeded  payload_bytes_max, decisions_per_turn_max
  template <class R = void, class In = std::nullptr_t>
  pending<R> call_activity(std::string_view name, In&& input = nullptr,
                           const activity_options& options = {}) {
    static_assert(detail::is_safe_input<In>,
                  "name the input first: auto in = "
                  "T{...}; g++ 12 destroys an aggregate temporary of a "
                  "co_await expression twice");
    return {*engine_, ask_activity(name,
                                   to_payload<std::remove_cvref_t<In>>(
                                     input, {"the input of activity", name}),
                                   options)};
  }

  /// Starts another orchestration as a child of this one.
  /// @throws std::invalid_argument  `options.instance_id` is no instance ID.
  template <class R = void, class In = std::nullptr_t>
  pending<R> call_sub_orchestration(std::string_view name, In&& input = nullptr,
                                    const sub_orchestration_options& options
                                    = {}) {
    static_assert(detail::is_safe_input<In>,
                  "name the input first: see call_activity");
    return {*engine_, ask_sub_orchestration(
                        name,
                        to_payload<std::remove_cvref_t<In>>(
                          input, {"the input of sub-orchestration", name}),
                        options)};
  }

  /// Durable, of any length (up to the year 9999), never early.
  template <class Rep, class Period>
  pending<void> create_timer(std::chrono::duration<Rep, Period> delay) {
    return {*engine_, ask_timer(after(detail::clamped(delay)))};
  }

  template <class Duration>
  pending<void> create_timer(
    std::chrono::time_point<std::chrono::system_clock, Duration> fire_at) {
    return {*engine_,
            ask_timer(timestamp(detail::clamped(fire_at.time_since_epoch())))};
  }

  /// The oldest event of that name that no other wait has got, or the next
  /// one to come. Names compare case-insensitively (ASCII).
  template <class R = void>
  pending<R> wait_for_external_event(std::string_view name) {
    return {*engine_, ask_event(name, std::nullopt)};
  }

  /// The same with a time-out, after which it gives nothing: `optional<R>`,
  /// for void a bool. Leaves no timer behind.
  template <class R = void, class Rep, class Period>
  auto wait_for_external_event(std::string_view name,
                               std::chrono::duration<Rep, Period> time_out) {
    using answer
      = std::conditional_t<std::is_void_v<R>, bool, std::optional<value_of<R>>>;
    return pending<answer>(*engine_,
                           ask_event(name, after(detail::clamped(time_out))));
  }

  /// Raises an event at another instance. Nothing tells whether it exists.
  template <class Data = std::nullptr_t>
  void send_event(std::string_view instance, std::string_view name,
                  const Data& data = nullptr) {
    decide_event(
      instance, name,
      to_payload<std::remove_cvref_t<Data>>(data, {"the data of event", name}));
  }

  /// Ends this execution, once the code has returned, and begins a new one
  /// of the same instance with an empty history. What the code returns is
  /// ignored: `ctx.continue_as_new(next); co_return {};`
  template <class In = std::nullptr_t>
  void continue_as_new(const In& input = nullptr,
                       bool keep_unprocessed_events = true) {
    decide_continuation(to_payload<std::remove_cvref_t<In>>(
                          input, {"the input of continue_as_new", {}}),
                        keep_unprocessed_events);
  }

  /// Shown with the instance's status from the end of this turn on.
  /// @throws limit_exceeded  custom_status_bytes_max
  template <class Status>
  void set_custom_status(const Status& status) {
    decide_custom_status(to_payload<std::remove_cvref_t<Status>>(
      status, {"the custom status", {}}));
  }

  const std::string& instance_id() const;
  const std::string& execution_id() const;
  /// Empty: nobody's child.
  const std::string& parent_instance_id() const;
  /// Of this orchestrator, as registered.
  const std::string& name() const;
  const std::string& version() const;

  /// UTC; the same in a replay. Never decreases, and is not before a timer's
  /// time once that has fired.
  timestamp current_time() const;

  /// A new identifier, the same in a replay, as a UUID in text.
  std::string new_guid();

  /// Are these lines run again to find the place where they waited?
  bool is_replaying() const;

  /// Log lines that a replay does not repeat.
  void log_info(std::string_view text);
  void log_warn(std::string_view text);
  void log_error(std::string_view text);

private:
  friend orchestration_engine& detail::engine_of(orchestration_context& ctx);

  detail::slot_id ask_activity(std::string_view name, std::string input,
                               const activity_options& options);
  detail::slot_id
  ask_sub_orchestration(std::string_view name, std::string input,
                        const sub_orchestration_options& options);
  detail::slot_id ask_timer(timestamp fire_at);
  detail::slot_id ask_event(std::string_view name,
                            std::optional<timestamp> until);
  void decide_event(std::string_view instance, std::string_view name,
                    std::string data);
  void decide_continuation(std::string input, bool keep_events);
  void decide_custom_status(std::string status);
  timestamp after(duration delay) const;

  orchestration_engine* engine_;
};

} // namespace perdura::actors
