// SPDX-License-Identifier: Apache-2.0
/// Reads the status of one instance, as clients see it, from the journal.
#pragma once

#include "actors/interface/management.hpp"
#include "actors/partition/durable_partition.hpp"
#include "actors/partition/volatile_partition.hpp"
#include "persistence/journal/state_reader.hpp"
#include "persistence/records/turn_writes.hpp"

#include <memory>

namespace perdura::actors {

using persistence::instance_write;
using persistence::partition_id;
using persistence::state_reader;
using persistence::stored_instance;

/// Reads the durable status of an instance. Thread-safe; reads again if the
/// instance has continued as new between two reads.
/// @error errc::not_found        The journal holds no such instance.
/// @error errc::unavailable      The instance changed during every attempt.
/// @error errc::storage_damaged  The checksum of a row does not match.
result<std::shared_ptr<const instance_status>>
read_status(const state_reader& from, partition_id partition,
            const get_status& request);

/// Returns the status that an instance has once `write` is durable, without
/// input and history. `now` is the stored instance with `write` applied.
/// Null if the output is in the history of an earlier write.
std::shared_ptr<const instance_status>
status_after(const stored_instance& now, const instance_write& write);

/// Returns the status with the part of its details that the journal does not
/// have: the node, the state of the turns, whether the orchestrator is paused
/// by name, and where a terminated tree is left.
/// @param live  Null if the instance is not in memory.
std::shared_ptr<const instance_status>
with_partition_state(const instance_status& status,
                     const durable_partition& durable,
                     const live_instance* live);

/// Returns an answer with the status, or with the error.
management_answer
answer_with(const instance_id& id,
            result<std::shared_ptr<const instance_status>> status);

} // namespace perdura::actors
