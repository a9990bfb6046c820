// SPDX-License-Identifier: Apache-2.0
/// The size of messages between partitions in memory, for the bounds of the
/// queues that hold them.
#pragma once

#include "persistence/records/records.hpp"

#include <cstddef>

namespace perdura::persistence {

/// The size of a message in memory in bytes, estimated. Pure and thread-safe.
std::size_t message_bytes_of(const outbox_message& message);

} // namespace perdura::persistence
