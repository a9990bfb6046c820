/// How values spread, in buckets that double: cheap enough to be always on.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace perdura::persistence {

/// Bucket i counts values up to 2^i that are in none before it; the last one
/// counts all beyond, too.
struct distribution {
  static constexpr std::size_t bucket_count = 32;

  static constexpr std::size_t bucket_of(std::uint64_t value) {
    const auto bits
      = value <= 1 ? 0U : static_cast<unsigned>(std::bit_width(value - 1));
    return bits < bucket_count ? bits : bucket_count - 1;
  }

  distribution& operator+=(const distribution& other) {
    for (std::size_t i = 0; i < bucket_count; ++i)
      counts[i] += other.counts[i];
    sum += other.sum;
    return *this;
  }

  std::array<std::uint64_t, bucket_count> counts{};
  std::uint64_t sum = 0;
};

/// Written by any thread, read by any.
class live_distribution {
public:
  void add(std::uint64_t value) {
    counts_[distribution::bucket_of(value)].fetch_add(
      1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  distribution now() const {
    distribution copy;
    for (std::size_t i = 0; i < copy.counts.size(); ++i)
      copy.counts[i] = counts_[i].load(std::memory_order_relaxed);
    copy.sum = sum_.load(std::memory_order_relaxed);
    return copy;
  }

private:
  std::array<std::atomic<std::uint64_t>, distribution::bucket_count> counts_{};
  std::atomic<std::uint64_t> sum_{0};
};

} // namespace perdura::persistence
