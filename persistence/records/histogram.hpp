// SPDX-License-Identifier: Apache-2.0
/// Histograms of counts and times. The upper limit of each bucket is twice the
/// limit of the bucket before it. Adding a value takes only two atomic
/// additions, so histograms are always enabled.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace perdura::persistence {

/// A histogram as a plain value. Bucket 0 counts the values 0 and 1, bucket i
/// the values from 2^(i−1) + 1 to 2^i, and the last bucket all larger values
/// too.
struct histogram {
  static constexpr std::size_t bucket_count = 32;

  static constexpr std::size_t bucket_of(std::uint64_t value) {
    const auto bits
      = value <= 1 ? 0U : static_cast<unsigned>(std::bit_width(value - 1));
    return bits < bucket_count ? bits : bucket_count - 1;
  }

  histogram& operator+=(const histogram& other) {
    for (std::size_t i = 0; i < bucket_count; ++i)
      counts[i] += other.counts[i];
    sum += other.sum;
    return *this;
  }

  std::array<std::uint64_t, bucket_count> counts{};
  std::uint64_t sum = 0; ///< Sum of all values.
};

/// The name of version 0.1.0; removed in the next release.
using distribution [[deprecated("renamed to histogram")]] = histogram;

/// A histogram to which any thread may add and which any thread may read. A
/// copy that is made while a value is being added may contain the value only in
/// a bucket or only in the sum.
class atomic_histogram {
public:
  void add(std::uint64_t value) {
    counts_[histogram::bucket_of(value)].fetch_add(1,
                                                   std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  /// Returns a copy of the current content.
  histogram now() const {
    histogram copy;
    for (std::size_t i = 0; i < copy.counts.size(); ++i)
      copy.counts[i] = counts_[i].load(std::memory_order_relaxed);
    copy.sum = sum_.load(std::memory_order_relaxed);
    return copy;
  }

private:
  std::array<std::atomic<std::uint64_t>, histogram::bucket_count> counts_{};
  std::atomic<std::uint64_t> sum_{0};
};

} // namespace perdura::persistence
