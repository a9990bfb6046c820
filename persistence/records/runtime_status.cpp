// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/runtime_status.hpp"

#include "persistence/records/text.hpp"

#include <array>

namespace perdura::persistence {

namespace {

/// The names, indexed by the number of the state.
constexpr std::array<const char*, runtime_status_count> status_names{
  "Running",  "Completed",  "ContinuedAsNew", "Failed",
  "Canceled", "Terminated", "Pending",        "Suspended"};

} // namespace

const char* to_string(runtime_status status) {
  const auto number = static_cast<std::size_t>(status);
  return number < status_names.size() ? status_names[number] : "Unknown";
}

bool parse_runtime_status(std::string_view text, runtime_status& into) {
  for (std::size_t i = 0; i < status_names.size(); ++i)
    if (equal_ignoring_case(text, status_names[i])) {
      into = static_cast<runtime_status>(i);
      return true;
    }
  return false;
}

} // namespace perdura::persistence
