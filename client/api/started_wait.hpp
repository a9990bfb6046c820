// SPDX-License-Identifier: Apache-2.0
/// A start and a wait for the end of the started instance that were sent
/// together. Their answers may arrive in any order and on different threads;
/// the caller receives them in order.
#pragma once

#include "client/api/async_client.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace perdura::client {

/// Thread-safe. Made by `async_client::start_and_wait`.
class started_wait : public std::enable_shared_from_this<started_wait> {
public:
  /// `client` repeats the wait if it has reached the owner before the start.
  started_wait(async_client client, std::string instance_id,
               async_client::started_wait_callback started,
               async_client::status_callback ended);

  // The answers of the two requests.
  void on_started(result<started_instance> answer);
  void on_ended(result<orchestration_status> answer);

  /// Sets the number of the wait for `cancel`. The wait is cancelled at once if
  /// the start has failed.
  void set_number(std::uint64_t number);

  /// Ends the wait. If the instance has not ended yet, `ended` is called with
  /// errc::cancelled.
  void cancel();

private:
  enum class phase {
    starting, ///< The start has no answer yet, or `started_` is running.
    waiting,
    over, ///< The start has failed, or `ended_` has been called.
  };

  void wait_again();

  const async_client client_;
  const std::string instance_id_;
  async_client::started_wait_callback started_;
  async_client::status_callback ended_;
  std::mutex mutex_; ///< Guards the members below.
  phase phase_ = phase::starting;
  /// The answer to the wait, if it has arrived during phase::starting.
  std::optional<result<orchestration_status>> early_;
  std::uint64_t number_ = 0; ///< The number of the wait; 0 before it is known.
  bool has_waited_again_ = false;
};

} // namespace perdura::client
