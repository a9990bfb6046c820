#include "cluster/node/node_rules.hpp"

#include <perdura/actors/authoring/registry.hpp>

namespace perdura::cluster {

using namespace persistence;

result<std::string> version_of(const actors::registry& functions,
                               const std::string& name,
                               const std::string& version) {
  const auto newest = functions.default_version(name);
  if (!newest) {
    std::string known;
    for (const auto* entry : functions.orchestrators())
      if (known.size() < 200)
        known += (known.empty() ? "" : ", ") + entry->name();
    return error{
      errc::unknown_orchestrator,
      "There is no orchestrator \"" + name + "\" on this node. "
        + (known.empty() ? "It has none." : "It has: " + known + ".")};
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
  std::map<std::string, bool> discards;
  for (const auto* entry : functions.orchestrators())
    if (entry->options().external_events)
      discards.emplace(entry->name(),
                       *entry->options().external_events
                         == actors::external_event_policy::discard);
  return discards;
}

retention_rules rules_of(const node_config& config,
                         const actors::registry& functions) {
  retention_rules rules;
  rules.hub = config.retention;
  rules.interval = config.retention_interval;
  for (const auto* entry : functions.orchestrators())
    if (entry->options().retention)
      rules.by_name[entry->name()] = *entry->options().retention;
  return rules;
}

} // namespace perdura::cluster
