// SPDX-License-Identifier: Apache-2.0
/// The operations that an orchestrator can perform.
///
/// An orchestrator is a coroutine `task<R> f(orchestration_context& ctx, In
/// in)`. Its requests and their results are recorded in the history of the
/// instance. After a crash or an eviction the code runs again from its
/// beginning, and every request gets the recorded result: this is a replay.
///
/// An orchestrator must therefore be deterministic: with the same history it
/// must make the same requests in the same order. It must not use clocks other
/// than `current_time`, random numbers other than `new_guid`, I/O, threads, or
/// global state. Activities may use all of these. If a replay finds other
/// requests than the recorded ones, the instance is held (no further turn runs)
/// until a program with matching code is started. A node can be configured so
/// that the instance fails instead.
///
/// g++ 12 miscompiles the following expressions in a coroutine; clang does not:
///  - `co_await ctx.call_activity<R>("X", order{a, b})`: store the input in a
///    variable first (a static_assert reports this);
///  - `co_await helper(ctx, order{a, b})`, also in a when_all: store the
///    parameter first (the compiler does not report this);
///  - `co_await x ? a_string : b_string`: store the awaited value first;
///  - `json{{…}}` or `std::vector<T>{…}` inside a co_await expression: store
///    the object first;
///  - co_await in an operand of `&&` or `||`: store the awaited value first;
///  - co_await in the head of an `if`, `while` or `switch` whose body declares
///    no variable at its outermost level: store the awaited value first. An
///    instance whose code stops at such an await is held, and the reason names
///    the orchestrator.
#pragma once

#include <perdura/actors/authoring/payload.hpp>
#include <perdura/actors/authoring/retry_options.hpp>
#include <perdura/actors/authoring/task.hpp>
#include <perdura/actors/authoring/when.hpp>
#include <perdura/actors/authoring/when_tasks.hpp>
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace perdura::actors {

using persistence::execution_id;

namespace detail {

/// False for an aggregate temporary: g++ before 13 destroys such a temporary
/// of a co_await expression twice.
template <class In>
constexpr bool is_safe_input =
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13                  \
  && !defined(PERDURA_ALLOW_AGGREGATE_TEMPORARY)
  std::is_lvalue_reference_v<
    In> || !std::is_aggregate_v<std::remove_cvref_t<In>> || std::is_array_v<std::remove_reference_t<In>> || std::is_trivially_destructible_v<std::remove_cvref_t<In>>;
#else
  true;
#endif

} // namespace detail

/// The version of the orchestrator that the execution after a continue_as_new
/// runs.
enum class next_version : std::uint8_t {
  newest, ///< The greatest registered one.
  same,   ///< That of the execution that ends.
};

/// The interface of an orchestrator to its instance. Valid as long as the
/// orchestrator's coroutine exists. Not thread-safe: use it only in the
/// orchestrator and in coroutines that the orchestrator awaits.
///
/// Inputs, outputs and events are stored as JSON, at most 1 MiB each; see
/// payload.hpp. A request is made when its function is called, not when the
/// result is awaited, so that several requests can run at the same time. One
/// turn can make at most 10,000 requests (decisions_per_turn_max). Unless
/// stated otherwise, names are 1 to 256 bytes of UTF-8 without control
/// characters; a name that breaks this rule throws std::invalid_argument.
class orchestration_context {
public:
  /// For the execution engine only.
  explicit orchestration_context(orchestration_engine& engine)
    : engine_(&engine) {}

  orchestration_context(const orchestration_context&) = delete;
  orchestration_context& operator=(const orchestration_context&) = delete;

  /// Schedules an activity. It runs at least once for each attempt, on the node
  /// that owns the instance. Awaiting the result throws task_failed if the last
  /// attempt has failed.
  /// @throws limit_exceeded         The input is too large or nested too
  ///                                deeply, or the turn has too many requests.
  /// @throws payload_error          The input cannot be written as JSON.
  /// @throws std::invalid_argument  The name or the retry policy is invalid.
  template <class R = void, class In = std::nullptr_t>
  pending<R> call_activity(std::string_view name, In&& input = nullptr,
                           const activity_options& options = {}) {
    static_assert(detail::is_safe_input<In>,
                  "store the input in a variable first: auto in = "
                  "T{...}; g++ 12 destroys an aggregate temporary of a "
                  "co_await expression twice");
    return {*engine_,
            request_activity(name,
                             to_payload<std::remove_cvref_t<In>>(
                               input, {"the input of activity", name}),
                             options)};
  }

  /// Starts an orchestration as a child of this one, on the node that owns the
  /// new instance. Awaiting the result throws task_failed if the child fails,
  /// is terminated, or cannot be started. Exceptions as for call_activity.
  /// @throws std::invalid_argument  `options.instance_id` is not a valid
  ///                                instance ID.
  template <class R = void, class In = std::nullptr_t>
  pending<R> call_sub_orchestration(std::string_view name, In&& input = nullptr,
                                    const sub_orchestration_options& options
                                    = {}) {
    static_assert(detail::is_safe_input<In>,
                  "store the input in a variable first: see call_activity");
    return {*engine_, request_sub_orchestration(
                        name,
                        to_payload<std::remove_cvref_t<In>>(
                          input, {"the input of sub-orchestration", name}),
                        options)};
  }

  /// Creates a durable timer that fires as soon as `delay` has passed since the
  /// time of the current turn, and never earlier. Use it for pauses and
  /// time-outs: the delay is elapsed time, which a step of the machine's wall
  /// clock does not change. A due time after the year 9999 becomes the end of
  /// that year; a negative delay means zero.
  template <class Rep, class Period>
  pending<void> create_timer(std::chrono::duration<Rep, Period> delay) {
    return {*engine_, request_timer(
                        after(persistence::saturated<duration>(delay)), false)};
  }

  /// Creates a durable timer that fires when the wall clock of the node shows
  /// the given UTC time, or at once if that time has passed. Use it only for a
  /// time of day that people agree on: if the clock is set, the timer fires
  /// earlier or later. `current_time()` may differ from the wall clock, so
  /// `create_timer(ctx.current_time() + delay)` is not the same as
  /// `create_timer(delay)`.
  template <class Duration>
  pending<void> create_timer(
    std::chrono::time_point<std::chrono::system_clock, Duration> fire_at) {
    return {*engine_, request_timer(timestamp(persistence::saturated<duration>(
                                      fire_at.time_since_epoch())),
                                    true)};
  }

  /// Waits for an external event. If events of that name are buffered, the wait
  /// receives the oldest of them; otherwise the next one that arrives. Each
  /// event is received by one wait, the oldest that is open. ASCII letter case
  /// of names is ignored.
  /// A wait stays open until an event has come or `cancel` is called, also if
  /// when_any has ended with another of its members: cancel the wait then, or
  /// it receives the next event of its name:
  /// `auto go = ctx.wait_for_external_event("Go"); … go.cancel();`
  /// Awaiting the result throws payload_error if the event's data do not match
  /// R, and task_cancelled after `cancel`. The code can catch the exception and
  /// wait for another event. If the exception ends the orchestrator, a rewind
  /// discards the event, and the wait is open again.
  template <class R = void>
  pending<R> wait_for_external_event(std::string_view name) {
    return {*engine_, request_event(name, std::nullopt)};
  }

  /// Waits for an external event with a time-out. The result is an
  /// `optional<R>`, empty after the time-out; for `R = void` it is a bool,
  /// false after the time-out. The timer is cancelled when the event comes.
  template <class R = void, class Rep, class Period>
  auto wait_for_external_event(std::string_view name,
                               std::chrono::duration<Rep, Period> time_out) {
    using answer
      = std::conditional_t<std::is_void_v<R>, bool, std::optional<value_of<R>>>;
    return pending<answer>(
      *engine_,
      request_event(name, after(persistence::saturated<duration>(time_out))));
  }

  /// Sends an event to another instance. Delivery is durable and exactly once.
  /// If no unfinished instance has the ID, or if its event buffer is full, the
  /// event is dropped with a log line and without an error.
  template <class Data = std::nullptr_t>
  void send_event(std::string_view instance, std::string_view name,
                  const Data& data = nullptr) {
    request_send_event(
      instance, name,
      to_payload<std::remove_cvref_t<Data>>(data, {"the data of event", name}));
  }

  /// Requests that this execution ends when the code returns, and that a new
  /// execution of the same instance begins, with this input and an empty
  /// history. The returned value is ignored:
  /// `ctx.continue_as_new(next); co_return {};`
  /// Events that this execution has not consumed are delivered to the new one
  /// unless `keep_unprocessed_events` is false. Results of tasks that are still
  /// running are dropped. The new execution runs the newest registered version
  /// of the orchestrator, unless `version` is next_version::same.
  template <class In = std::nullptr_t>
  void continue_as_new(const In& input = nullptr,
                       bool keep_unprocessed_events = true,
                       next_version version = next_version::newest) {
    request_continuation(to_payload<std::remove_cvref_t<In>>(
                           input, {"the input of continue_as_new", {}}),
                         keep_unprocessed_events, version);
  }

  /// Sets the custom status, which clients see in the status of the instance
  /// after this turn.
  /// @throws limit_exceeded  The JSON text is longer than 16 KiB
  ///                         (custom_status_bytes_max).
  template <class Status>
  void set_custom_status(const Status& status) {
    request_custom_status(to_payload<std::remove_cvref_t<Status>>(
      status, {"the custom status", {}}));
  }

  /// The ID of this instance.
  const std::string& instance_id() const;

  /// The ID of this execution of the instance; each start and each
  /// continue_as_new has a new one.
  const std::string& execution_id() const;

  /// The ID of the parent instance. Empty if no orchestration started this one.
  const std::string& parent_instance_id() const;

  /// The name of this orchestrator, as registered.
  const std::string& name() const;

  /// The version of this orchestrator, as registered; may be empty.
  const std::string& version() const;

  /// The UTC time of the current turn, the same in a replay. It never decreases
  /// within an instance, and after a timer has fired it is not less than the
  /// time of that timer. If the wall clock of the node was set, it may be
  /// before or after the time that the wall clock shows.
  timestamp current_time() const;

  /// Returns a new UUID as text, the same in a replay: 36 characters, version 8
  /// of RFC 9562.
  std::string new_guid();

  /// Returns true while the code runs a turn that the history already contains.
  /// The requests of the code must not depend on this value.
  bool is_replaying() const;

  /// The log functions write one line to the node's log, with the instance's
  /// ID. A replay does not write the line again.
  void log_info(std::string_view text);
  void log_warn(std::string_view text);
  void log_error(std::string_view text);

private:
  friend orchestration_engine& detail::engine_of(orchestration_context& ctx);

  detail::slot_id request_activity(std::string_view name, std::string input,
                                   const activity_options& options);
  detail::slot_id
  request_sub_orchestration(std::string_view name, std::string input,
                            const sub_orchestration_options& options);
  detail::slot_id request_timer(timestamp fire_at, bool absolute);
  detail::slot_id request_event(std::string_view name,
                                std::optional<timestamp> until);
  void request_send_event(std::string_view instance, std::string_view name,
                          std::string data);
  void request_continuation(std::string input, bool keep_events,
                            next_version version);
  void request_custom_status(std::string status);
  timestamp after(duration delay) const;

  orchestration_engine* engine_;
};

} // namespace perdura::actors
