// SPDX-License-Identifier: Apache-2.0
/// Runs an activity on the calling thread, without an activity pool.
#pragma once

#include "actors/authoring/registry.hpp"
#include "actors/interface/work_item.hpp"

namespace perdura::tests {

/// Runs one attempt and returns the result message for the partition. An
/// exception of the activity becomes a failure in the result.
actors::activity_result run_inline(const actors::registry& functions,
                                   const actors::activity_work_item& item);

} // namespace perdura::tests
