// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/outbox_age.hpp"

#include <chrono>

namespace perdura::actors {

namespace {

// Messages that are stored within this time share a sample.
constexpr std::chrono::seconds sample_distance{1};

} // namespace

void outbox_age::add(std::uint64_t first, persistence::elapsed_time now) {
  if (!samples_.empty() && now - samples_.back().stored < sample_distance)
    return;
  samples_.push_back({first, now});
  if (samples_.size() <= samples_max)
    return;
  // The older one of each pair stays, so that no age becomes too small.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < samples_.size(); i += 2)
    samples_[kept++] = samples_[i];
  samples_.resize(kept);
}

void outbox_age::acknowledge(std::uint64_t sequence, std::uint64_t last) {
  if (sequence >= last) {
    samples_.clear();
    return;
  }
  std::size_t passed = 0;
  while (passed + 1 < samples_.size()
         && samples_[passed + 1].first <= sequence + 1)
    ++passed;
  samples_.erase(samples_.begin(),
                 samples_.begin() + static_cast<std::ptrdiff_t>(passed));
}

std::optional<persistence::elapsed_time> outbox_age::oldest() const {
  if (samples_.empty())
    return std::nullopt;
  return samples_.front().stored;
}

} // namespace perdura::actors
