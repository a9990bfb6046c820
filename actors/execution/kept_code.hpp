// SPDX-License-Identifier: Apache-2.0
/// Code of orchestrators that must not be destroyed.
#pragma once

#include "actors/authoring/orchestration_context.hpp"
#include "actors/authoring/registry.hpp"

#include <memory>

namespace perdura::actors {

/// Keeps the code and its context until the process ends, where tools that look
/// for lost memory find them. Thread-safe.
void keep_forever(std::unique_ptr<detail::root_task> code,
                  std::unique_ptr<orchestration_context> context);

} // namespace perdura::actors
