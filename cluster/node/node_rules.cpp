// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node_rules.hpp"

#include <perdura/actors/authoring/registry.hpp>

namespace perdura::cluster {

using namespace persistence;

result<std::string> resolve_version(const actors::registry& functions,
                                    const std::string& name,
                                    const std::string& version) {
  const auto newest = functions.default_version(name);
  if (!newest) {
    // The message lists names until they fill about 200 bytes.
    std::string known;
    for (const auto* entry : functions.orchestrators())
      if (known.size() < 200)
        known += (known.empty() ? "" : ", ") + entry->name();
    return error{errc::unknown_orchestrator,
                 "There is no orchestrator \"" + name + "\" on this node. "
                   + (known.empty() ? "The node has no orchestrators."
                                    : "The node has: " + known + ".")};
  }
  if (version.empty())
    return *newest;
  if (functions.find_orchestrator(name, version) == nullptr)
    return error{errc::unknown_orchestrator,
                 "Orchestrator \"" + name + "\" has no version \"" + version
                   + "\" on this node; its newest is \"" + *newest + "\"."};
  return version;
}

std::map<std::string, bool>
event_policies_of(const actors::registry& functions) {
  // `orchestrators` lists the versions of a name from the oldest to the newest,
  // so the newest one that sets a policy counts.
  std::map<std::string, bool> discards;
  for (const auto* entry : functions.orchestrators())
    if (entry->options().external_events)
      discards[entry->name()] = *entry->options().external_events
                                == actors::external_event_policy::discard;
  return discards;
}

retention_rules retention_rules_of(const node_config& config,
                                   const actors::registry& functions) {
  retention_rules rules;
  rules.hub = config.retention;
  rules.interval = config.retention_interval;
  // As in `event_policies_of`: the newest version that sets a time counts.
  for (const auto* entry : functions.orchestrators())
    if (entry->options().retention)
      rules.by_name[entry->name()] = *entry->options().retention;
  return rules;
}

} // namespace perdura::cluster
