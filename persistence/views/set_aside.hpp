// SPDX-License-Identifier: Apache-2.0
/// Instances whose rows a flush cannot bring up to date because they are
/// damaged. Their changes are stored as rows of their own, in the transaction
/// that writes the other instances, and applied when the rows are readable
/// again. One damaged instance therefore stops neither the flush nor the
/// deletion of old journal records.
#pragma once

#include "persistence/records/turn_writes.hpp"
#include "persistence/stores/row_store.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace perdura::persistence {

/// The instances that are set aside, by partition and ID, each with the error
/// that names the damaged row.
using set_aside_instances
  = std::map<std::pair<std::uint32_t, instance_id>, error>;

/// The prefix of the keys of the changes that are set aside: rows of
/// `table::meta` with an instance_write.
std::string set_aside_prefix();

/// The key of a change. Changes of one instance are ordered by `position`, the
/// journal position that the flush reaches.
std::string set_aside_key(partition_id partition, const instance_id& id,
                          journal_position position);

/// The instance that a key belongs to; no value if the key is not valid.
std::optional<std::pair<std::uint32_t, instance_id>>
parse_set_aside_key(std::string_view key);

/// Applies the changes of instances whose rows are readable again, each in a
/// transaction of its own, and returns the instances that stay set aside.
/// Called when the views are opened.
/// @throws storage_exception  The store cannot be read or written.
set_aside_instances apply_set_aside(row_store& rows);

} // namespace perdura::persistence
