// SPDX-License-Identifier: Apache-2.0
/// Sends the request to pause an orchestrator to one partition after another.
/// Internal to the client API.
#pragma once

#include "actors/interface/management.hpp"
#include <perdura/client/api/async_client.hpp>

#include <cstdint>
#include <memory>
#include <mutex>

namespace perdura::client {

/// One call of `async_client::pause_orchestrator`. Any partition accepts the
/// request; if one cannot, the next one is tried. Kept by the callback of each
/// request. Thread-safe.
class pause_attempts : public std::enable_shared_from_this<pause_attempts> {
public:
  /// `done` receives the last answer; it is called by the gateway's thread.
  using answer_callback = std::function<void(actors::management_answer)>;

  pause_attempts(std::shared_ptr<actors::management_gateway> gateway,
                 actors::pause_orchestrator request, answer_callback done);
  ~pause_attempts();

  pause_attempts(const pause_attempts&) = delete;
  pause_attempts& operator=(const pause_attempts&) = delete;

  /// Sends the first request and returns its number, which is that of the whole
  /// call; 0 if it has been answered already.
  std::uint64_t start();

  /// Cancels the call with this number: the request that is under way, and all
  /// later ones. Returns false if the number is not that of such a call.
  static bool cancel(const actors::management_gateway& gateway,
                     std::uint64_t number);

private:
  std::uint64_t send();
  void on_answer(actors::management_answer answer);
  bool sends_again(persistence::errc code) noexcept;
  void cancel();

  std::shared_ptr<actors::management_gateway> gateway_;
  actors::pause_orchestrator request_;
  answer_callback done_;
  std::mutex mutex_;
  // Guarded by `mutex_`.
  unsigned sent_ = 0;
  std::uint64_t under_way_ = 0; ///< The number of the newest request.
  bool is_cancelled_ = false;
  std::uint64_t number_ = 0; ///< That of the call; 0 until it is registered.
};

} // namespace perdura::client
