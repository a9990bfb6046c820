// SPDX-License-Identifier: Apache-2.0
/// Helpers for tests that drive one orchestrator with a turn_driver.
#pragma once

#include "tests/actors/turn_driver.hpp"

#include <initializer_list>
#include <memory>
#include <vector>

namespace perdura::actors::test {

/// A registry with one orchestrator, named "Ship".
std::shared_ptr<registry> registry_with(auto orchestrator) {
  auto r = std::make_shared<registry>();
  r->add_orchestrator("Ship", orchestrator);
  return r;
}

/// A vector for comparisons: BOOST_TEST cannot take an initializer list.
inline std::vector<task_sequence>
sequences(std::initializer_list<task_sequence> list) {
  return list;
}

// Sequences of the first two waits for external events in an execution.
inline constexpr task_sequence wait_1 = wait_sequence_first;
inline constexpr task_sequence wait_2 = wait_sequence_first + 1;

} // namespace perdura::actors::test
