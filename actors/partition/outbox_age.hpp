// SPDX-License-Identifier: Apache-2.0
/// How long the oldest message to one destination has waited.
///
/// Not thread-safe: one partition_processor owns each object.
#pragma once

#include "persistence/records/time_scales.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace perdura::actors {

/// Keeps samples instead of the time of each message, so its size is bounded.
/// The age that it states may be too great by the distance of two samples, and
/// begins anew with the process.
class outbox_age {
public:
  /// Maximum number of samples. Beyond it, every second one is dropped.
  static constexpr std::size_t samples_max = 64;

  /// Messages from `first` on were stored at `now`. Sequences and times never
  /// decrease from call to call.
  void add(std::uint64_t first, persistence::elapsed_time now);

  /// The messages up to `sequence` are acknowledged; `last` is the last one
  /// that was stored.
  void acknowledge(std::uint64_t sequence, std::uint64_t last);

  /// When the oldest message that is not acknowledged was stored; empty if
  /// there is none.
  std::optional<persistence::elapsed_time> oldest() const;

private:
  struct sample {
    std::uint64_t first = 0;
    persistence::elapsed_time stored{};
  };

  std::vector<sample> samples_; ///< Oldest first.
};

} // namespace perdura::actors
