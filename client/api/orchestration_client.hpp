/// Starts, asks, signals and ends orchestrations: the management API.
#pragma once

#include <perdura/actors/authoring/management_payload.hpp>
#include <perdura/actors/authoring/payload.hpp>
#include <perdura/client/api/orchestration_status.hpp>
#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::actors {
class management_gateway;
} // namespace perdura::actors

namespace perdura::client {

using actors::json_text;
using actors::management_payload;
using persistence::errc;
using persistence::error;
using persistence::result;
using persistence::timestamp;

struct start_options {
  std::string instance_id;  ///< Empty: 32 random hex digits.
  std::string version;      ///< Empty: the orchestrator's newest.
  timestamp scheduled_at{}; ///< Epoch: at once.
  /// A live instance of this ID is what is wanted, not an error.
  bool get_or_start = false;
  /// Return when the instance runs (or its start is scheduled), not only when
  /// the start is durable.
  bool until_running = true;
  /// For `until_running`. @source "Manage instances": 30 seconds.
  std::chrono::milliseconds time_out{30'000};
  std::string request_id; ///< Empty: one is made.
};

/// What an output binding holds: `{FunctionName, Input, InstanceId}`.
struct start_binding {
  std::string function_name;
  json_text input;
  std::string instance_id; ///< Empty: random.
};

/// One binding object or an array of them.
/// @error errc::invalid_json, invalid_argument  Says which member is wrong.
result<std::vector<start_binding>> parse_start_bindings(std::string_view text);

/// Of one request.
inline constexpr std::size_t start_bindings_max = 1000;

struct status_options {
  bool show_input = true;
  bool show_history = false;
  bool show_history_output = false; ///< Results in the history.
};

/// Joined by "and". Times include both ends.
struct instance_filter {
  std::optional<timestamp> created_from;
  std::optional<timestamp> created_to;
  std::vector<runtime_status> statuses; ///< Any of them; empty: all.
  std::string instance_id_prefix;
  std::string name;
  std::size_t top = 100; ///< A page, 1 to 1,000.
  bool show_input = true;
  /// What nodes that are away own is left out and named, not an error.
  bool partial = false;
};

struct status_page {
  std::vector<orchestration_status> instances; ///< By created time, ID.
  std::string continuation_token;              ///< Empty: the last page.
  std::vector<std::uint32_t> missing_partitions;
};

struct counted_instances {
  std::array<std::uint64_t, 8> by_status{}; ///< By runtime_status' number.
  std::vector<std::uint32_t> missing_partitions;
};

/// What an error says of the operation itself.
enum class failure_kind : std::uint8_t {
  not_done,    ///< It was looked at and refused: nothing was done.
  unavailable, ///< It did not get there: nothing was done; try again.
  unknown,     ///< It may be done or not; a repeat with its request_id is safe.
};

failure_kind kind_of(errc code);

/// For each call that blocks.
struct call_options {
  /// Of calls that have no time-out of their own.
  std::chrono::milliseconds deadline{60'000};
  /// While the owner of the instance is away, wait for it until the deadline
  /// instead of failing with errc::unavailable at once.
  bool wait_for_owner = false;
};

/// Either the outcome, or where to ask for it.
struct completion_or_check_status {
  bool completed = false;      ///< It has ended, in whatever way.
  orchestration_status status; ///< If it has.
  management_payload payload;
};

/// Safe to use from any thread. Calls block; errors are values, with a
/// sentence that says what happened, to which instance, and what to do.
class orchestration_client {
public:
  explicit orchestration_client(
    std::shared_ptr<actors::management_gateway> gateway,
    call_options options = {});

  /// The same, with other options.
  orchestration_client with(call_options options) const {
    return orchestration_client(gateway_, options);
  }

  /// Starts an orchestration and returns its ID. `input`: anything that
  /// nlohmann's to_json knows, or json_text.
  /// @error errc::already_exists        A live instance has this ID.
  /// @error errc::unknown_orchestrator  No such name or version.
  /// @error errc::timed_out             Not running within the time-out; the
  ///                                    start is durable all the same.
  template <class In = std::nullptr_t>
  result<std::string> start_new(std::string_view name, const In& input = {},
                                const start_options& options = {}) {
    auto text = text_of(input);
    if (!text)
      return text.error();
    return start_json(name, std::move(*text), options);
  }

  result<std::string> start_json(std::string_view name, std::string input,
                                 const start_options& options = {});
  result<std::string> start_new(const start_binding& binding);

  /// Empty if there is no such instance (under `compat = "seed"` also until
  /// it has run).
  result<std::optional<orchestration_status>>
  get_status(std::string_view instance_id, const status_options& options = {});

  /// All instances, or those that match, without history. Stops early, with
  /// errc::cancelled, when `stop` is requested.
  result<std::vector<orchestration_status>>
  get_status_all(const instance_filter& filter = {}, std::stop_token stop = {});

  /// One page.
  result<status_page> list_instances(const instance_filter& filter = {},
                                     const std::string& token = {});

  /// Calls `visit` for each instance until it returns false. An instance that
  /// is there during the whole walk is visited exactly once.
  result<void> for_each_instance(
    const instance_filter& filter,
    const std::function<bool(const orchestration_status&)>& visit,
    std::stop_token stop = {});

  /// By runtime_status' number.
  result<std::array<std::uint64_t, 8>> count_instances();
  /// Without what nodes that are away own; names it.
  result<counted_instances> count_reachable_instances();

  template <class T = std::nullptr_t>
  result<void> raise_event(std::string_view instance_id,
                           std::string_view event_name, const T& data = {},
                           const std::string& request_id = {}) {
    auto text = text_of(data);
    if (!text)
      return text.error();
    return raise_event_json(instance_id, event_name, std::move(*text),
                            request_id);
  }

  /// @error errc::not_found, already_finished, limit_exceeded
  result<void> raise_event_json(std::string_view instance_id,
                                std::string_view event_name, std::string data,
                                const std::string& request_id = {});

  /// Activities and sub-orchestrations run to completion; `recursive` also
  /// terminates the children.
  result<void> terminate(std::string_view instance_id, std::string_view reason,
                         bool recursive = false,
                         const std::string& request_id = {});
  result<void> suspend(std::string_view instance_id,
                       std::string_view reason = {},
                       const std::string& request_id = {});
  result<void> resume(std::string_view instance_id,
                      std::string_view reason = {},
                      const std::string& request_id = {});
  /// @error errc::not_failed  Only a failed instance can be rewound.
  result<void> rewind(std::string_view instance_id,
                      std::string_view reason = {},
                      const std::string& request_id = {});
  /// Starts again with the same name and input; returns the ID.
  result<std::string> restart(std::string_view instance_id,
                              bool new_instance_id = true);
  /// @error errc::not_finished
  result<void> purge(std::string_view instance_id);
  /// Finished instances only, whatever the filter says. Returns how many.
  result<std::size_t> purge_all(const instance_filter& filter,
                                std::stop_token stop = {});

  /// Returns when the instance has ended, woken and not polled. Its status
  /// has no input: who waits knows it; get_status shows it.
  /// @error errc::timed_out, not_found
  result<orchestration_status>
  wait_for_completion(std::string_view instance_id,
                      std::chrono::milliseconds time_out);

  /// @error errc::invalid_argument  retry_interval is longer than time_out.
  result<completion_or_check_status> wait_for_completion_or_create_check_status(
    std::string_view instance_id,
    std::chrono::milliseconds time_out = std::chrono::seconds(10),
    std::chrono::milliseconds retry_interval = std::chrono::seconds(1));

  management_payload
  create_http_management_payload(std::string_view instance_id) const;

  // --- For doors that must not block ----------------------------------------

  using status_callback = std::function<void(result<orchestration_status>)>;
  using started_callback = std::function<void(result<std::string>)>;
  using done_callback = std::function<void(result<void>)>;

  /// As start_json with `until_running` off. Called once, on another thread.
  void start_async(std::string_view name, std::string input,
                   const start_options& options, started_callback done);
  void get_status_async(std::string_view instance_id,
                        const status_options& options, status_callback done);
  /// As wait_for_completion, without a time. Returns a number for cancel_wait.
  std::uint64_t wait_async(std::string_view instance_id, status_callback done);
  void cancel_wait(std::uint64_t number);
  void raise_event_async(std::string_view instance_id,
                         std::string_view event_name, std::string data,
                         const std::string& request_id, done_callback done);
  enum class operation : std::uint8_t {
    terminate,
    suspend,
    resume,
    rewind,
    purge,
  };
  void control_async(operation what, std::string_view instance_id,
                     std::string_view reason, bool recursive,
                     const std::string& request_id, done_callback done);

  const std::shared_ptr<actors::management_gateway>& gateway() const {
    return gateway_;
  }

private:
  template <class T>
  static result<std::string> text_of(const T& value) {
    try {
      if constexpr (std::is_convertible_v<
                      const T&, std::string_view> && !std::is_null_pointer_v<T>)
        return actors::to_payload(std::string(std::string_view(value)));
      else
        return actors::to_payload(value);
    } catch (const actors::limit_exceeded& failure) {
      return error{errc::payload_too_large, failure.what()};
    } catch (const std::exception& failure) {
      return error{errc::invalid_json, failure.what()};
    }
  }

  std::shared_ptr<actors::management_gateway> gateway_;
  call_options options_;
};

} // namespace perdura::client
