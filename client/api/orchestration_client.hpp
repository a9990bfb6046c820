// SPDX-License-Identifier: Apache-2.0
/// The management API: start, query, signal, suspend, terminate, rewind and
/// purge orchestration instances. The calls block for their result, up to a
/// time-out, and take payloads as C++ values; this header is a facade over
/// `async_client`, which makes the requests.
///
/// A call returns a `result`: a value, or an error whose code is one of `errc`
/// and whose sentence says what happened, to which instance, and what to do.
/// `kind_of` returns whether a failed call may have taken effect.
#pragma once

#include <perdura/actors/authoring/payload.hpp>
#include <perdura/client/api/async_client.hpp>
#include <perdura/client/api/instance_description.hpp>
#include <perdura/client/api/orchestration_status.hpp>
#include <perdura/client/api/request_options.hpp>
#include <perdura/client/api/request_results.hpp>
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace perdura::client {

/// A client for the instances of one task hub. Obtained from
/// `node_host::client` or `cluster_client::client`; a copy is cheap.
///
/// Thread-safe. Calls block unless their name ends in `_async`. Errors that
/// every call may return, besides those listed at the calls:
/// @error errc::unavailable      The owner of the instance cannot be reached.
/// @error errc::unknown_outcome  A change was sent, but its answer was lost or
///                               late. A repeat with the same request_id is
///                               safe.
/// @error errc::request_id_reused  The request_id was used within the last 10
///                               minutes for another request to the instance;
///                               nothing was done.
/// @error errc::overloaded       A limit of the node is reached, e.g. that of
///                               recorded request IDs; nothing was done.
/// @error errc::timed_out        A read was not answered before the deadline.
/// @error errc::shutting_down    The node or the cluster client is closed.
/// @error errc::invalid_argument The time-out or the deadline is negative;
///                               nothing was sent.
class orchestration_client {
public:
  explicit orchestration_client(
    std::shared_ptr<actors::management_gateway> gateway,
    call_options options = {});

  /// A client for the same task hub with other options.
  orchestration_client with(call_options options) const {
    return orchestration_client(core_.gateway(), options);
  }

  /// The calls that do not block. They share the gateway with this client.
  const async_client& async() const {
    return core_;
  }

  // --- Starting --------------------------------------------------------------

  /// Starts an instance of the orchestrator `name` and returns the instance
  /// ID. A finished instance with the same ID is replaced. Uses
  /// `options.time_out` instead of the client's deadline.
  /// @param input  Any type with a `to_json` for nlohmann::json, or json_text,
  ///               which is stored verbatim.
  /// @error errc::already_exists        A live instance has this ID.
  /// @error errc::unknown_orchestrator  The name or version is not registered.
  /// @error errc::invalid_instance_id, invalid_name, payload_too_large
  ///                                    An argument is not valid or too large.
  /// @error errc::timed_out             The instance did not begin to run
  ///                                    within the time-out. Its start is
  ///                                    durable; it will run.
  /// @error errc::storage_full          The owner refuses new instances.
  template <class In = std::nullptr_t>
  result<std::string> start_new(std::string_view name, const In& input = {},
                                const start_options& options = {}) {
    auto text = text_of(input);
    if (!text)
      return text.error();
    return start_json(name, std::move(*text), options);
  }

  /// As above; the text is moved into the request instead of copied.
  result<std::string> start_new(std::string_view name, json_text&& input,
                                const start_options& options = {});

  /// As `start_new`, with the input as JSON text, which is moved into the
  /// request.
  /// @error errc::invalid_json  `input` is not JSON.
  result<std::string> start_json(std::string_view name, std::string input,
                                 const start_options& options = {});

  /// As `start_new`, with the arguments of a parsed binding.
  result<std::string> start_new(start_binding binding);

  // --- Queries ---------------------------------------------------------------

  /// The status of an instance, or no value if there is no such instance. If
  /// the node's setting `compat_seed` is true, a Pending instance has no value
  /// either.
  result<std::optional<orchestration_status>>
  get_status(std::string_view instance_id, const status_options& options = {});

  /// The status of an instance, its open tasks, the events that it waits for
  /// and those that it has not received, and the node that owns it. No value if
  /// there is no such instance, as for `get_status`. Any node answers for any
  /// instance.
  /// @error errc::unsupported  The owner runs an older version of Perdura.
  result<std::optional<instance_description>>
  describe(std::string_view instance_id);

  /// The statuses of all instances that match, without their history.
  /// @error errc::cancelled  `stop` was requested before the last page.
  result<std::vector<orchestration_status>>
  get_status_all(const instance_filter& filter = {}, std::stop_token stop = {});

  /// One page of the instances that match, without their history.
  /// @param token  Empty for the first page, then the continuation token of
  ///               the page before. A token is valid on every node.
  /// @error errc::invalid_argument  The filter or the token is not valid.
  result<status_page> list_instances(const instance_filter& filter = {},
                                     const std::string& token = {});

  /// Calls `visit` for each instance that matches, until `visit` returns false.
  /// An instance that exists from the first page to the last is visited exactly
  /// once.
  /// @error errc::cancelled  `stop` was requested before the last page.
  result<void> for_each_instance(
    const instance_filter& filter,
    const std::function<bool(const orchestration_status&)>& visit,
    std::stop_token stop = {});

  /// Counts the instances of all partitions, indexed by the number of the
  /// `runtime_status`.
  /// @error errc::unavailable  A node that owns partitions is unreachable.
  result<std::array<std::uint64_t, 8>> count_instances();

  /// Counts the instances of the reachable nodes, and lists the partitions of
  /// the unreachable nodes.
  result<counted_instances> count_reachable_instances();

  // --- Control ---------------------------------------------------------------

  /// Sends an event to an instance. The event is stored until the orchestrator
  /// waits for an event of this name; events of the same name are received in
  /// the order in which they were stored. The case of ASCII letters in names is
  /// ignored.
  /// @param data  Any type with a `to_json` for nlohmann::json, or json_text.
  /// @error errc::not_found         No such instance.
  /// @error errc::already_finished  The instance has ended.
  /// @error errc::limit_exceeded    The instance already stores 10,000 events,
  /// or
  ///                                16 MiB of events, that the orchestrator has
  ///                                not received.
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

  /// As `raise_event`, with the data as JSON text.
  /// @error errc::invalid_json  `data` is not JSON.
  result<void> raise_event_json(std::string_view instance_id,
                                std::string_view event_name, std::string data,
                                const std::string& request_id = {});

  /// Sends an event to the live instance with the ID; if there is none, starts
  /// one and sends it the event. The start and the event become durable
  /// together, also if the live instance ends meanwhile. An event that a live
  /// instance has stored and does not receive stays unread, as after
  /// `raise_event`. The result has `is_new` if the instance was started; else
  /// the input is not used. A scheduled instance is live. Returns as
  /// `start_new` does, and at once if the instance was live.
  /// @param options  `scheduled_at` must not be set, and `get_or_start` has no
  ///                 effect.
  /// @error errc::already_exists   The finished instance with this ID cannot be
  ///                               replaced: some of its activities have not
  ///                               ended.
  /// @error errc::limit_exceeded   As for `raise_event`.
  /// Other errors as for `start_new`.
  template <class In = std::nullptr_t, class T = std::nullptr_t>
  result<started_instance>
  start_or_raise(std::string_view name, std::string_view instance_id,
                 std::string_view event_name, const In& input = {},
                 const T& data = {}, const start_options& options = {}) {
    auto input_text = text_of(input);
    if (!input_text)
      return input_text.error();
    auto data_text = text_of(data);
    if (!data_text)
      return data_text.error();
    return start_or_raise_json(name, instance_id, event_name,
                               std::move(*input_text), std::move(*data_text),
                               options);
  }

  /// As `start_or_raise`, with the input and the data as JSON text.
  /// @error errc::invalid_json  `input` or `data` is not JSON.
  result<started_instance>
  start_or_raise_json(std::string_view name, std::string_view instance_id,
                      std::string_view event_name, std::string input,
                      std::string data, const start_options& options = {});

  /// Ends a live instance at once; `reason` becomes its output. Activities and
  /// sub-orchestrations that have been started run to completion.
  /// @param recursive  Also terminate all sub-orchestrations below the
  ///                   instance, and refuse those that are started later. The
  ///                   instance itself may have ended. They have ended on all
  ///                   nodes some milliseconds after the call, or when a node
  ///                   that is away has returned.
  /// @error errc::not_found         No such instance.
  /// @error errc::already_finished  The instance has ended, and the call is not
  ///                                recursive or it has no sub-orchestrations.
  /// @error errc::limit_exceeded    The sub-orchestrations of 64 other
  ///                                instances of the partition are being
  ///                                terminated.
  result<void> terminate(std::string_view instance_id, std::string_view reason,
                         bool recursive = false,
                         const std::string& request_id = {});

  /// Suspends the instance before its next turn. Until `resume`, events and
  /// results of activities are stored and not processed. A repeat has no
  /// further effect.
  /// @error errc::not_found         No such instance.
  /// @error errc::already_finished  The instance has ended.
  result<void> suspend(std::string_view instance_id,
                       std::string_view reason = {},
                       const std::string& request_id = {});

  /// Continues a suspended instance. No effect if it is not suspended.
  /// @error errc::not_found         No such instance.
  /// @error errc::already_finished  The instance has ended.
  result<void> resume(std::string_view instance_id,
                      std::string_view reason = {},
                      const std::string& request_id = {});

  /// Continues a failed instance: its failed activities and sub-orchestrations
  /// are run again, but those that succeeded are not.
  /// @error errc::not_found   No such instance.
  /// @error errc::not_failed  The instance has not failed.
  result<void> rewind(std::string_view instance_id,
                      std::string_view reason = {},
                      const std::string& request_id = {});

  /// Lets a held instance run again: one whose code has ended the process of
  /// its node again and again, or does not match its history. An instance that
  /// is not held is not changed.
  /// @error errc::not_found         No such instance.
  /// @error errc::already_finished  The instance has ended.
  result<void> release(std::string_view instance_id,
                       const std::string& request_id = {});

  /// Pauses all instances of an orchestrator, on all nodes: no turn of them
  /// begins until `unpause_orchestrator`. They accept starts, events and other
  /// requests, which wait; activities that have been scheduled run. The call
  /// returns when one node has stored the pause; the others take it within
  /// milliseconds, or when they return.
  /// @param reason  Shown where paused orchestrators are listed.
  /// @error errc::unknown_orchestrator  No code is registered for the name.
  /// @error errc::limit_exceeded        256 orchestrators are paused.
  result<void> pause_orchestrator(std::string_view name,
                                  std::string_view reason = {});

  /// Lets a paused orchestrator run again. No effect if it is not paused.
  result<void> unpause_orchestrator(std::string_view name,
                                    std::string_view reason = {});

  /// Starts an instance with the name, version and input of `instance_id` and
  /// returns the ID of the new instance when its start is durable.
  /// @param new_instance_id  If true, the new instance gets a generated ID. If
  ///                         false, it replaces the old instance under the
  ///                         same ID, and the old one must have ended.
  /// @error errc::not_found       No such instance.
  /// @error errc::already_exists  `new_instance_id` is false, and the instance
  ///                              is live.
  result<std::string> restart(std::string_view instance_id,
                              bool new_instance_id = true,
                              const std::string& request_id = {});

  /// Deletes a finished instance and its history.
  /// @error errc::not_found     No such instance.
  /// @error errc::not_finished  The instance is live, or some of its activities
  ///                            have not ended: each scheduled activity runs at
  ///                            least once.
  result<void> purge(std::string_view instance_id,
                     const std::string& request_id = {});

  /// As `purge`, also if activities of the instance have not ended. Those that
  /// have not begun never run.
  result<void> purge_by_force(std::string_view instance_id,
                              const std::string& request_id = {});

  /// Deletes the finished instances that match and returns their number. Live
  /// instances are never deleted, even if the filter selects their status. If
  /// `stop` is requested while the instances of a page are being deleted, the
  /// call returns the number of instances deleted so far. `filter.top` has no
  /// effect.
  /// @param most  Deletes at most this number of instances.
  /// @error errc::cancelled  `stop` was requested before a page was read;
  ///                         instances may have been deleted.
  result<std::size_t> purge_all(const instance_filter& filter,
                                std::stop_token stop = {},
                                std::size_t most = SIZE_MAX);

  // --- Waiting ---------------------------------------------------------------

  /// Blocks until the instance has ended and returns its status, without the
  /// input. The node that owns the instance reports the end, so the client does
  /// not poll. The wait continues through continue-as-new and through restarts
  /// of nodes.
  /// @error errc::timed_out  The instance did not end within `time_out`.
  /// @error errc::not_found  No such instance, or the instance was purged
  /// during
  ///                         the wait.
  result<orchestration_status> wait_for_completion(std::string_view instance_id,
                                                   wait_time time_out);

  /// Waits for the end of an instance; if it does not end within `time_out`,
  /// the result holds its management URLs.
  /// @param retry_interval  Must not be longer than `time_out`. It has no other
  ///                        effect, because the client does not poll.
  /// @error errc::invalid_argument  `retry_interval` is longer than `time_out`.
  /// @error errc::not_found         No such instance.
  /// @source Durable Functions, WaitForCompletionOrCreateCheckStatusResponse.
  result<completion_or_check_status> wait_for_completion_or_create_check_status(
    std::string_view instance_id, wait_time time_out = std::chrono::seconds(10),
    wait_time retry_interval = std::chrono::seconds(1));

  /// The management URLs of an instance. They are empty if the node has no
  /// HTTP API. If the HTTP API requires keys, the URLs have tokens for the
  /// instance that exists now, but not for a later one with the same ID, and
  /// the call blocks for at most 3 s until the owner has reported it. Tokens
  /// for an ID without an instance are valid for any instance with this ID.
  management_payload
  create_http_management_payload(std::string_view instance_id) const;

  // --- Calls that do not block -----------------------------------------------

  // See `async_client`, whose functions these call. If the owner of the
  // instance is unreachable, a call fails at once with errc::unavailable,
  // except `get_status_async` with `wait_for_owner`.

  using status_callback = async_client::status_callback;
  using started_callback = std::function<void(result<std::string>)>;
  using done_callback = async_client::done_callback;
  using operation = control_operation;

  /// As `start_json` with `until_running` set to false.
  void start_async(std::string_view name, std::string input,
                   const start_options& options, started_callback done);

  /// As `get_status`, but a missing instance is errc::not_found.
  void get_status_async(std::string_view instance_id,
                        const status_options& options, status_callback done);

  /// As `wait_for_completion`, without a time-out.
  /// @return a number for `cancel_wait`.
  std::uint64_t wait_async(std::string_view instance_id, status_callback done);

  /// Ends the wait with this number. The callback of the wait is called with
  /// errc::cancelled, or with errc::unavailable if the request to wait has not
  /// reached the owner. No effect if the wait has already ended.
  void cancel_wait(std::uint64_t number);

  /// As `raise_event_json`.
  void raise_event_async(std::string_view instance_id,
                         std::string_view event_name, std::string data,
                         const std::string& request_id, done_callback done);

  /// As `terminate`, `suspend`, `resume`, `rewind` or `purge`. A purge ignores
  /// the reason and the request ID; only a terminate uses `recursive`.
  void control_async(operation kind, std::string_view instance_id,
                     std::string_view reason, bool recursive,
                     const std::string& request_id, done_callback done);

  /// The gateway that accepts the requests of this client. For the HTTP API of
  /// this library.
  const std::shared_ptr<actors::management_gateway>& gateway() const {
    return core_.gateway();
  }

private:
  /// The value as JSON text. A string becomes a JSON string; json_text is not
  /// changed. An exception that a user's `to_json` throws becomes an error.
  template <class T>
  static result<std::string> text_of(T&& value) {
    using value_type = std::remove_cvref_t<T>;
    // Strings of other types, such as string literals, are converted.
    constexpr bool is_other_string
      = std::is_convertible_v<
          const value_type&,
          std::
            string_view> && !std::is_same_v<value_type, std::string> && !std::is_null_pointer_v<value_type>;
    try {
      if constexpr (is_other_string)
        return actors::to_payload(std::string(std::string_view(value)));
      else
        return actors::to_payload(std::forward<T>(value));
    } catch (const actors::limit_exceeded& failure) {
      return error{errc::payload_too_large, failure.what()};
    } catch (const std::exception& failure) {
      return error{errc::invalid_json, failure.what()};
    }
  }

  /// The core with the option `wait_for_owner` of this client.
  async_client waiting_core() const;

  async_client core_;
  call_options options_;
};

} // namespace perdura::client
