/// What a node's functions and settings say together.
#pragma once

#include "cluster/node_config.hpp"
#include "cluster/retention_actor.hpp"
#include <perdura/persistence/error.hpp>

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

/// Whether the orchestrator wants events that nobody waits for dropped.
bool discards_events(const actors::registry& functions, bool hub_discards,
                     const std::string& name);

retention_rules rules_of(const node_config& config,
                         const actors::registry& functions);

} // namespace perdura::cluster
