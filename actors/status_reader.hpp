/// One instance as a client sees it, read from the journal.
#pragma once

#include "actors/management.hpp"
#include "persistence/journal.hpp"

#include <memory>

namespace perdura::actors {

/// @error errc::not_found        No such instance is durable.
/// @error errc::storage_damaged  A row's checksum does not fit.
result<std::shared_ptr<const instance_status>>
read_status(const journal& from, partition_id partition,
            const get_status& request);

} // namespace perdura::actors
