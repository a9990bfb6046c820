// SPDX-License-Identifier: Apache-2.0
/// Fault injection for tests: makes a journal stop at a chosen commit, as a
/// crash of the process would.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

namespace perdura::persistence {

/// The places at which a journal can be made to stop.
enum class crash_point : std::uint8_t {
  /// A batch has left the queue and has not been written.
  before_commit,
  /// A batch is durable and its listeners have not been called.
  after_commit,
  /// The next slice of a flush has not been written.
  before_views_commit,
  /// A slice of a flush is durable.
  after_views_commit,
};

/// Decides whether a journal crashes at `point`. `n` is the number of the
/// commit; commits are counted from 1, separately for each lane and, within a
/// lane, for the journal and the views. If the hook returns true, the journal
/// writes nothing and calls no listener from then on.
using crash_hook = std::function<bool(crash_point point, std::uint64_t n)>;

/// The crash hook of a journal, and whether the journal has crashed. All lanes
/// of a journal share one switch. `crashed` may be called from any thread. The
/// threads of several lanes may call `crashes_at`, and thus the hook, at the
/// same time.
class crash_switch {
public:
  /// An empty hook never crashes.
  explicit crash_switch(crash_hook hook) : hook_(std::move(hook)) {}

  /// Calls the hook, unless the journal has crashed already.
  /// @return True if the journal has crashed, now or earlier.
  bool crashes_at(crash_point point, std::uint64_t n) {
    if (!crashed() && hook_ && hook_(point, n))
      crashed_ = true;
    return crashed();
  }

  bool crashed() const {
    return crashed_;
  }

private:
  crash_hook hook_;
  std::atomic<bool> crashed_{false};
};

} // namespace perdura::persistence
