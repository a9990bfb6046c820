// SPDX-License-Identifier: Apache-2.0
/// The functions that the instances in tests/golden need, for the present API.
/// Replay compares the decisions of each orchestrator with its history. The
/// orchestrators therefore decide exactly as they did when the directories were
/// written (tests/golden/writer/golden_functions.cpp). In the writer the
/// activity Refuse failed and the activity Gate waited. Both succeed here.
#pragma once

#include <perdura/actors/authoring/registry.hpp>

#include <memory>

namespace perdura::tests {

enum class golden_program {
  /// All functions, so that each instance can continue.
  complete,
  /// The functions of the second process that wrote the directories: Retired
  /// and version 1 of Versioned are missing, and Changed has other code. With
  /// these functions some instances cannot continue, so the node holds them.
  second,
};

std::shared_ptr<const actors::registry> golden_functions(golden_program which);

} // namespace perdura::tests
