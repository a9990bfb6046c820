#include "tests/support/simulated_world.hpp"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace perdura::tests {

namespace {

constexpr std::size_t complaints_max = 50;

} // namespace

simulated_world::simulated_world(std::uint64_t seed)
  : hash_(seed), chance_(seed) {}

void simulated_world::at(moment when, action what) {
  queue_.push_back({std::max(when, now_), ++last_number_, std::move(what)});
  std::push_heap(queue_.begin(), queue_.end(), is_later{});
}

bool simulated_world::step() {
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

/// The remainder is good enough here, and the same with every library.
std::uint64_t simulated_world::below(std::uint64_t most) {
  return chance_() % most;
}

moment simulated_world::between(moment least, moment most) {
  return least
         + moment(
           below(static_cast<std::uint64_t>((most - least).count()) + 1));
}

void simulated_world::trace(std::string_view kind, std::uint64_t who,
                            std::string_view details) {
  hash_ = XXH3_64bits_withSeed(kind.data(), kind.size(), hash_);
  const std::uint64_t numbers[]
    = {who, static_cast<std::uint64_t>(now_.count())};
  hash_ = XXH3_64bits_withSeed(numbers, sizeof numbers, hash_);
  hash_ = XXH3_64bits_withSeed(details.data(), details.size(), hash_);
}

void simulated_world::complain(std::string sentence) {
  if (complaints_.size() < complaints_max)
    complaints_.push_back(std::move(sentence));
}

} // namespace perdura::tests
