// SPDX-License-Identifier: Apache-2.0
/// The asynchronous core of the client API: checks arguments, makes requests,
/// submits them to the gateway, and turns the answers into results for
/// callbacks. No function blocks, waits or has a time-out. The blocking facade
/// is `orchestration_client`.
#pragma once

#include <perdura/client/api/instance_description.hpp>
#include <perdura/client/api/orchestration_status.hpp>
#include <perdura/client/api/request_options.hpp>
#include <perdura/client/api/request_results.hpp>
#include <perdura/persistence/records/error.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace perdura::actors {
class management_gateway;
} // namespace perdura::actors

namespace perdura::client {

/// Runs a function, at once or later, on a thread of its choice. Called on a
/// thread of the gateway, often that of a partition, or on the thread that
/// makes the call. An executor must not block. If it drops the function, the
/// callback of the call is never called.
using call_executor = std::function<void(std::function<void()>)>;

class started_wait;

/// Submits requests for the instances of one task hub. A copy is cheap.
///
/// Thread-safe. Each callback is called exactly once: by the executor or, if
/// there is none, on a thread of the gateway or on the calling thread before
/// the call returns. Threads of the gateway also run partitions: without an
/// executor a callback must not block and must return quickly. Turning an
/// answer into a result copies the payloads and the history in it; this too is
/// done by the executor.
///
/// An exception of a callback or of an executor is logged once with the
/// instance and counted (perdura_callback_failures_total), and has no other
/// effect. It never reaches the thread that makes the call.
///
/// Each call returns a number for `cancel`; 0 if it has ended already. The
/// errors are those of the functions of `orchestration_client`.
class async_client {
public:
  using started_callback = std::function<void(result<started_instance>)>;
  using status_callback = std::function<void(result<orchestration_status>)>;
  using description_callback
    = std::function<void(result<instance_description>)>;
  using done_callback = std::function<void(result<void>)>;
  /// Also receives the wait, which `started_wait::cancel` ends.
  using started_wait_callback = std::function<void(
    result<started_instance>, const std::shared_ptr<started_wait>&)>;

  explicit async_client(std::shared_ptr<actors::management_gateway> gateway);

  /// A client for the same task hub whose results are made by `executor`.
  async_client on(call_executor executor) const;

  /// A client for the same task hub whose requests wait while the owner of the
  /// instance is unreachable, until `cancel`. If `wait` is false, they fail at
  /// once with errc::unavailable, which is the default.
  async_client waiting_for_owner(bool wait = true) const;

  /// A client whose calls for existing instances fail with errc::forbidden
  /// unless the instance was created at this time: a caller may mean an earlier
  /// instance with the same ID, which was purged or replaced since. The epoch
  /// means any instance, which is the default. Does not apply to
  /// `wait_until_running`.
  async_client for_created_at(timestamp created_at) const;

  /// Starts an instance; the result is available when the start is durable.
  /// `options.until_running` and `options.time_out` are ignored.
  /// @param input  JSON text, which is moved into the request.
  std::uint64_t start(std::string_view name, std::string input,
                      const start_options& options,
                      started_callback done) const;

  /// Starts an instance and waits for its end. The wait is sent together with
  /// the start, so the owner handles both in one batch. `started` is called
  /// first. If it receives an error, `ended` is not called; otherwise `ended`
  /// is called once, after `started` has returned. The errors are those of
  /// `start` and `wait_until_ended`.
  void start_and_wait(std::string_view name, std::string input,
                      const start_options& options,
                      started_wait_callback started,
                      status_callback ended) const;

  /// The status of an instance. A missing instance is errc::not_found; with
  /// `compat_seed` a Pending instance is missing, too.
  std::uint64_t get_status(std::string_view instance_id,
                           const status_options& options,
                           status_callback done) const;

  /// The status of an instance, and the tasks and events that it waits for. A
  /// missing instance is errc::not_found, as for `get_status`.
  std::uint64_t describe(std::string_view instance_id,
                         description_callback done) const;

  /// Waits until the instance has begun to run.
  std::uint64_t wait_until_running(std::string_view instance_id,
                                   done_callback done) const;

  /// Waits until the instance has ended. The status has no input.
  std::uint64_t wait_until_ended(std::string_view instance_id,
                                 status_callback done) const;

  /// Sends an event.
  /// @param data  JSON text, which is moved into the request.
  std::uint64_t raise_event(std::string_view instance_id,
                            std::string_view event_name, std::string data,
                            const std::string& request_id,
                            done_callback done) const;

  /// Sends an event to an instance, and starts the instance if it is not live;
  /// see `orchestration_client::start_or_raise`. The result has `is_new` if it
  /// was started.
  /// @param input, data  JSON text, which is moved into the request.
  std::uint64_t start_or_raise(std::string_view name,
                               std::string_view instance_id,
                               std::string_view event_name, std::string input,
                               std::string data, const start_options& options,
                               started_callback done) const;

  /// Terminates, suspends, resumes, rewinds or purges an instance. A purge
  /// ignores the reason; only a terminate uses `recursive`.
  std::uint64_t control(control_operation kind, std::string_view instance_id,
                        std::string_view reason, bool recursive,
                        const std::string& request_id,
                        done_callback done) const;

  /// Pauses an orchestrator by name, or lets it run again. Any partition
  /// accepts the request; if one cannot, others are tried, at most 16.
  std::uint64_t pause_orchestrator(std::string_view name, bool is_paused,
                                   std::string_view reason,
                                   done_callback done) const;

  /// Ends the call with this number. Its callback is called with
  /// errc::cancelled, or with errc::unavailable if the request has not reached
  /// the owner; then it is never executed. No effect if the call has ended.
  void cancel(std::uint64_t number) const;

  /// The gateway that accepts the requests of this client.
  const std::shared_ptr<actors::management_gateway>& gateway() const {
    return gateway_;
  }

private:
  std::shared_ptr<actors::management_gateway> gateway_;
  call_executor executor_; ///< Empty: results are made where answers arrive.
  bool wait_for_owner_ = false;
  timestamp created_at_{}; ///< See for_created_at.
};

} // namespace perdura::client
