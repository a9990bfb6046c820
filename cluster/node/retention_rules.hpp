// SPDX-License-Identifier: Apache-2.0
/// How long finished instances are kept after their end.
#pragma once

#include "persistence/records/ids.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

namespace perdura::cluster {

/// The retention times. The value 0 keeps instances for ever.
struct retention_rules {
  /// Applies to all orchestrators that are not in `by_name`.
  persistence::duration hub{0};

  /// The retention time of each orchestrator that has one of its own, by name.
  std::map<std::string, persistence::duration> by_name;

  /// The time between the end of a search for expired instances and the next
  /// search.
  persistence::duration interval = std::chrono::minutes(1);

  /// True if no rule ever purges an instance.
  bool keeps_everything() const {
    return hub.count() == 0
           && std::all_of(by_name.begin(), by_name.end(), [](const auto& rule) {
                return rule.second.count() == 0;
              });
  }
};

} // namespace perdura::cluster
