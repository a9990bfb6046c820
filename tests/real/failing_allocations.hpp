// SPDX-License-Identifier: Apache-2.0
/// Makes one allocation of a chosen thread fail. The test program replaces the
/// global operator new for that.
#pragma once

#include <cstdint>
#include <string>

namespace perdura::tests {

/// The `n`-th allocation, from now on, of any thread with this name throws
/// std::bad_alloc, once. Threads with the name may already run.
void fail_allocation_of(const std::string& thread_name, std::uint64_t n);

/// Cancels a failure that has not happened yet.
/// @return true if the allocation has failed.
bool end_failing_allocations();

} // namespace perdura::tests
