// SPDX-License-Identifier: Apache-2.0
/// Rules that a node derives from its registered functions and its settings.
/// All functions are pure: they read only their arguments.
#pragma once

#include "actors/partition/partition_config.hpp"
#include "cluster/node/node_config.hpp"
#include "cluster/node/retention_actor.hpp"
#include <perdura/persistence/records/error.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace perdura::actors {
class registry;
} // namespace perdura::actors

namespace perdura::cluster {

/// The version with which an instance of orchestrator `name` starts: `version`,
/// or the newest one if `version` is empty.
/// @error errc::unknown_orchestrator  The orchestrator or the version is not
///                                    registered; the message names the
///                                    registered ones.
persistence::result<std::string>
resolve_version(const actors::registry& functions, const std::string& name,
                const std::string& version);

/// The orchestrators that have an event policy of their own, by name: true if
/// events that the instance does not wait for are discarded, false if they are
/// kept. The policy of the hub applies to all others. If several versions of an
/// orchestrator have a policy, that of the newest of them applies.
std::map<std::string, bool>
event_policies_of(const actors::registry& functions);

/// The retention times from the settings and from the orchestrators' options.
/// If several versions of an orchestrator have a retention time, that of the
/// newest of them applies.
retention_rules retention_rules_of(const node_config& config,
                                   const actors::registry& functions);

/// The settings that all `owned_count` partitions of a node have in common;
/// `id` is not set. `config.partition_count` is the number that is stored in
/// the hub. The node's limit of idle instances is divided evenly between its
/// partitions, and each partition keeps at least one instance.
actors::partition_config
partition_config_of(const node_config& config, std::size_t owned_count,
                    std::shared_ptr<const actors::registry> functions);

} // namespace perdura::cluster
