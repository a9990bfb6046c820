/// One instance as a client sees it, read from the journal.
#pragma once

#include "actors/interface/management.hpp"
#include "persistence/journal/journal.hpp"

#include <memory>

namespace perdura::actors {

/// @error errc::not_found        No such instance is durable.
/// @error errc::storage_damaged  A row's checksum does not fit.
result<std::shared_ptr<const instance_status>>
read_status(const journal& from, partition_id partition,
            const get_status& request);

/// As a client sees it once `write`, which has made it `now`, is durable; no
/// input and no history. Null if its output stands in an earlier write.
std::shared_ptr<const instance_status>
status_after(const stored_instance& now, const instance_write& write);

/// The answer that carries a status, or says why there is none.
management_answer
answer_with(const instance_id& id,
            result<std::shared_ptr<const instance_status>> status);

} // namespace perdura::actors
