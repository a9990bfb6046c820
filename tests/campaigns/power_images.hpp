// SPDX-License-Identifier: Apache-2.0
/// Checks many states in which a power failure can leave a directory.
#pragma once

#include "campaigns/disk_replay.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace perdura::tests {

/// How a state can fail its check.
enum class power_failure_kind : std::uint8_t {
  lost,       ///< Something that was reported as durable is missing.
  unopenable, ///< It is refused.
  unsound,    ///< `verify_hub` reports a problem.
  wrong,      ///< Something else than what was written is read.
  crashed,    ///< The process has ended by a signal.
};

inline constexpr std::size_t power_failure_kinds = 5;

/// A failed check. The sentence says what differs.
struct power_finding {
  power_failure_kind kind = power_failure_kind::wrong;
  std::string sentence;
};

/// Work on a directory that was recorded, and the check of a state after a
/// power failure during it.
struct power_run {
  using check = std::function<std::optional<power_finding>(
    const std::filesystem::path& directory, std::uint64_t moment,
    std::mt19937_64& random, std::optional<power_run>* recovery)>;

  std::string name; ///< Names the run and its seed.
  disk_record record;
  /// Opens the directory with the product and uses it. `moment` is the last
  /// mark in the record before the power failure. If `recovery` is not null,
  /// the function may record its own work on the directory, so that the power
  /// fails again during it.
  check check_state;
};

/// The numbers of checked states and of failures.
struct power_counts {
  std::size_t states = 0;
  std::size_t recoveries = 0; ///< Those of `states` after a second failure.
  std::array<std::size_t, power_failure_kinds> failures{};
  std::vector<std::string> sentences; ///< One for each failure.

  std::size_t of(power_failure_kind kind) const {
    return failures[static_cast<std::size_t>(kind)];
  }

  /// Failures of all kinds.
  std::size_t all_failures() const;
};

/// Checks states of a run, in child processes, because a damaged file can end
/// the process. `scratch` is a directory that the function may fill.
/// @param count  At most this many different states. States after a power
///               failure during a recovery come in addition.
/// @param seed   The same seed gives the same states.
power_counts check_power_failures(const power_run& run,
                                  const std::filesystem::path& scratch,
                                  std::size_t count, std::uint64_t seed,
                                  const sync_fault& fault = {});

} // namespace perdura::tests
