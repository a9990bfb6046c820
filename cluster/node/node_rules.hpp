/// What a node's functions and settings say together.
#pragma once

#include "cluster/node/node_config.hpp"
#include "cluster/node/retention_actor.hpp"
#include <perdura/persistence/records/error.hpp>

#include <map>
#include <string>

namespace perdura::actors {
class registry;
} // namespace perdura::actors

namespace perdura::cluster {

/// Which version a start gets: the one asked for or the newest.
/// @error errc::unknown_orchestrator  Says which there are.
persistence::result<std::string> version_of(const actors::registry& functions,
                                            const std::string& name,
                                            const std::string& version);

/// Which orchestrators say whether events that nobody waits for are dropped;
/// of the others the hub decides.
std::map<std::string, bool>
event_policies_of(const actors::registry& functions);

retention_rules rules_of(const node_config& config,
                         const actors::registry& functions);

} // namespace perdura::cluster
