// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node_rules.hpp"

#include "cluster/placement/partition_map.hpp"
#include <perdura/actors/authoring/registry.hpp>
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <algorithm>
#include <utility>

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
  // With an interval of 0, the searches would follow without a pause.
  rules.interval = std::max(bounded_wait(config.retention_interval),
                            duration(std::chrono::milliseconds(1)));
  // As in `event_policies_of`: the newest version that sets a time counts.
  for (const auto* entry : functions.orchestrators())
    if (entry->options().retention)
      rules.by_name[entry->name()] = *entry->options().retention;
  return rules;
}

actors::partition_config
partition_config_of(const node_config& config, std::size_t owned_count,
                    std::shared_ptr<const actors::registry> functions) {
  actors::partition_config made;
  made.partition_count = config.partition_count;
  made.node = config.cluster.node;
  made.partition_of = partition_of;
  // The policy of an orchestrator takes precedence over the hub's.
  made.discards_events
    = [policies = event_policies_of(*functions),
       hub = config.external_events_discard](const std::string& name) {
        const auto policy = policies.find(name);
        return policy == policies.end() ? hub : policy->second;
      };
  if (!config.missing_activities_fail)
    made.has_activity = [functions](const std::string& name) {
      return functions->has_activity(name);
    };
  made.resolve = [functions = std::move(functions)](
                   const std::string& name, const std::string& version) {
    return resolve_version(*functions, name, version);
  };
  made.nondeterminism_fails = config.nondeterminism_fails;
  made.paused = config.paused;
  made.turn_wait_max = bounded_wait(config.turn_wait_max);
  made.idle_instances_max = std::max<std::size_t>(
    1, config.idle_instances_max / std::max<std::size_t>(1, owned_count));
  made.idle_instance_bytes_max
    = config.idle_instance_bytes_max / std::max<std::size_t>(1, owned_count);
  made.request_keys_max = config.request_keys_max;
  made.request_key_bytes_max = config.request_key_bytes_max;
  made.idle_instance_time_max = bounded_wait(config.idle_instance_time_max);
  made.outbox_messages_max
    = std::max<std::uint64_t>(1, config.outbox_messages_max);
  return made;
}

} // namespace perdura::cluster
