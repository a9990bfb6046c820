// SPDX-License-Identifier: Apache-2.0
/// The memory that the HTTP server uses for what its callers send and do not
/// read: one budget for all connections.
#pragma once

#include <atomic>
#include <cstddef>

namespace perdura::client {

/// Bytes in use. Thread-safe. The limit belongs to the callers, so that it can
/// be configured after the budget has been made.
class byte_budget {
public:
  std::size_t used() const {
    return used_.load(std::memory_order_relaxed);
  }

  /// Takes the bytes, unless more than `most` would be in use.
  bool take(std::size_t bytes, std::size_t most) {
    const std::size_t before = used_.fetch_add(bytes);
    if (before + bytes <= most)
      return true;
    used_.fetch_sub(bytes);
    return false;
  }

  /// Takes the bytes in any case.
  void take_always(std::size_t bytes) {
    used_.fetch_add(bytes);
  }

  void give_back(std::size_t bytes) {
    used_.fetch_sub(bytes);
  }

private:
  std::atomic<std::size_t> used_{0};
};

/// The part of a budget that one buffer uses. Not thread-safe.
class byte_lease {
public:
  explicit byte_lease(byte_budget& budget) : budget_(budget) {}

  ~byte_lease() {
    release();
  }

  byte_lease(const byte_lease&) = delete;
  byte_lease& operator=(const byte_lease&) = delete;

  /// The buffer has `bytes` now. Returns false, and changes nothing, if it has
  /// grown and more than `most` would be in use.
  bool set(std::size_t bytes, std::size_t most) {
    if (bytes > held_ && !budget_.take(bytes - held_, most))
      return false;
    if (bytes < held_)
      budget_.give_back(held_ - bytes);
    held_ = bytes;
    return true;
  }

  /// Like `set`, for a buffer that is kept in any case.
  void set_always(std::size_t bytes) {
    release();
    budget_.take_always(bytes);
    held_ = bytes;
  }

  void release() {
    budget_.give_back(held_);
    held_ = 0;
  }

private:
  byte_budget& budget_;
  std::size_t held_ = 0;
};

} // namespace perdura::client
