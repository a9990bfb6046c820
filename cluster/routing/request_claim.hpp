/// Who has a request that waits for its owner's return: it is sent, or taken
/// back, and never both.
#pragma once

#include <atomic>
#include <memory>

namespace perdura::cluster {

class request_claim {
public:
  /// The router's: true if it may send it. Again and again, once it may.
  bool send() {
    state expected = state::waiting;
    return state_.compare_exchange_strong(expected, state::sent)
           || expected == state::sent;
  }

  /// The caller's: true if it was never sent, and never will be.
  bool withdraw() {
    state expected = state::waiting;
    return state_.compare_exchange_strong(expected, state::withdrawn)
           || expected == state::withdrawn;
  }

private:
  enum class state { waiting, sent, withdrawn };
  std::atomic<state> state_{state::waiting};
};

using claim_ptr = std::shared_ptr<request_claim>;

} // namespace perdura::cluster
