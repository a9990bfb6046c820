// SPDX-License-Identifier: Apache-2.0
/// Decides between sending and cancelling a request that waits until the owner
/// of its instance is reachable.
#pragma once

#include <atomic>
#include <memory>

namespace perdura::cluster {

/// Either the router sends the request, or its caller withdraws it, never both.
/// The caller can therefore report with certainty that nothing was done.
/// Thread-safe and lock-free.
class send_or_cancel_token {
public:
  /// Called by the router before it sends the request. Returns true if the
  /// request may be sent. Every later call then returns true, too, because a
  /// request that survives its session is sent again.
  bool begin_send() {
    state expected = state::waiting;
    return state_.compare_exchange_strong(expected, state::sent)
           || expected == state::sent;
  }

  /// Called by the gateway when the caller cancels the request. Returns true if
  /// the request was not sent and will never be sent.
  bool withdraw() {
    state expected = state::waiting;
    return state_.compare_exchange_strong(expected, state::withdrawn)
           || expected == state::withdrawn;
  }

private:
  // A token begins as `waiting` and changes at most once, to `sent` or to
  // `withdrawn`.
  enum class state { waiting, sent, withdrawn };
  std::atomic<state> state_{state::waiting};
};

using send_or_cancel_ptr = std::shared_ptr<send_or_cancel_token>;

} // namespace perdura::cluster
