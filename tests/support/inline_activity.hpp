/// An activity run where it stands, without a pool: for the harnesses.
#pragma once

#include "actors/authoring/registry.hpp"
#include "actors/interface/work_item.hpp"

namespace perdura::tests {

/// One attempt, and what its partition is told of it.
actors::activity_result run_inline(const actors::registry& functions,
                                   const actors::activity_work_item& item);

} // namespace perdura::tests
