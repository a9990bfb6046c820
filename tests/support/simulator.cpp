// SPDX-License-Identifier: Apache-2.0
#include "tests/support/simulator.hpp"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace perdura::tests {

namespace {

constexpr std::size_t violations_max = 50;

} // namespace

simulator::simulator(std::uint64_t seed) : hash_(seed), chance_(seed) {}

void simulator::at(steady_time when, action what) {
  queue_.push_back({std::max(when, now_), ++last_number_, std::move(what)});
  std::push_heap(queue_.begin(), queue_.end(), is_later{});
}

bool simulator::step() {
  if (queue_.empty())
    return false;
  std::pop_heap(queue_.begin(), queue_.end(), is_later{});
  const event next = std::move(queue_.back());
  queue_.pop_back();
  now_ = next.when;
  ++events_;
  next.what();
  return true;
}

/// The remainder is not quite uniform, but unlike the distributions of the
/// standard library it is the same with every implementation.
std::uint64_t simulator::below(std::uint64_t most) {
  return chance_() % most;
}

steady_time simulator::between(steady_time least, steady_time most) {
  return least
         + steady_time(
           below(static_cast<std::uint64_t>((most - least).count()) + 1));
}

void simulator::trace(std::string_view kind, std::uint64_t who,
                      std::string_view details) {
  hash_ = XXH3_64bits_withSeed(kind.data(), kind.size(), hash_);
  const std::uint64_t numbers[]
    = {who, static_cast<std::uint64_t>(now_.count())};
  hash_ = XXH3_64bits_withSeed(numbers, sizeof numbers, hash_);
  hash_ = XXH3_64bits_withSeed(details.data(), details.size(), hash_);
}

void simulator::report_violation(std::string sentence) {
  if (violations_.size() < violations_max)
    violations_.push_back(std::move(sentence));
}

} // namespace perdura::tests
