/// Where a test may stop a journal, as a crash would.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

namespace perdura::persistence {

enum class crash_point : std::uint8_t {
  before_commit,
  after_commit,
  before_views_commit,
  after_views_commit,
};

/// Called with the number of the commit, from 1, of its kind. Returns true to
/// crash: from then on nothing is written and no listener is called.
using crash_hook = std::function<bool(crash_point, std::uint64_t n)>;

class crash_switch {
public:
  explicit crash_switch(crash_hook hook) : hook_(std::move(hook)) {}

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
