// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/partition_rules.hpp"

#include "persistence/records/checksum.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

/// The place of the rule for the name, or of the next greater name.
template <class Rules>
auto place_of(Rules& rules, std::string_view name) {
  return std::lower_bound(
    rules.pauses.begin(), rules.pauses.end(), name,
    [](const name_pause& a, std::string_view b) { return a.name < b; });
}

/// Drops the oldest rules of orchestrators that run again, while there are more
/// than `name_pauses_kept_max`.
void drop_old_pauses(partition_rules& rules) {
  auto& all = rules.pauses;
  while (all.size() > name_pauses_kept_max) {
    auto oldest = all.end();
    for (auto each = all.begin(); each != all.end(); ++each)
      if (!each->is_paused
          && (oldest == all.end() || each->since < oldest->since))
        oldest = each;
    if (oldest == all.end())
      return;
    all.erase(oldest);
  }
}

struct rule_applier {
  partition_rules& rules;

  void operator()(const name_pause& change) const {
    const auto found = place_of(rules, change.name);
    if (found == rules.pauses.end() || found->name != change.name)
      rules.pauses.insert(found, change);
    else if (replaces(change, *found))
      *found = change;
    drop_old_pauses(rules);
  }

  void operator()(const ended_tree& change) const {
    const auto found
      = std::find_if(rules.trees.begin(), rules.trees.end(),
                     [&](const auto& each) { return each.top == change.top; });
    if (found == rules.trees.end())
      rules.trees.push_back(change);
    else
      *found = change;
  }

  void operator()(const forgotten_tree& change) const {
    std::erase_if(rules.trees,
                  [&](const auto& each) { return each.top == change.top; });
  }
};

} // namespace

void apply(partition_rules& rules, const rule_change& change) {
  std::visit(rule_applier{rules}, change);
}

std::uint64_t tree_key(const instance_id& id, timestamp created_at) {
  const auto key = checksum_of(
    id, static_cast<std::uint64_t>(created_at.time_since_epoch().count()));
  return key == 0 ? 1 : key;
}

bool replaces(const name_pause& rule, const name_pause& known) {
  return known.since < rule.since
         || (known.since == rule.since && rule.is_paused && !known.is_paused);
}

const name_pause* find_pause(const partition_rules& rules,
                             std::string_view name) {
  const auto found = place_of(rules, name);
  return found != rules.pauses.end() && found->name == name ? &*found : nullptr;
}

bool is_paused(const partition_rules& rules, std::string_view name) {
  if (rules.pauses.empty())
    return false;
  const name_pause* found = find_pause(rules, name);
  return found != nullptr && found->is_paused;
}

bool is_below(const tree_place& place, const tree_top& top) {
  if (place.depth <= top.depth || place.root_created_at != top.root_created_at
      || place.root != top.root)
    return false;
  return top.depth == 0
         || (place.path.size() >= top.depth
             && place.path[top.depth - 1] == top.key);
}

const ended_tree* find_tree(const partition_rules& rules, const tree_top& top) {
  for (const ended_tree& each : rules.trees)
    if (each.top == top)
      return &each;
  return nullptr;
}

const ended_tree* find_tree_above(const partition_rules& rules,
                                  const tree_place& place) {
  if (place.depth == 0)
    return nullptr;
  for (const ended_tree& each : rules.trees)
    if (is_below(place, each.top))
      return &each;
  return nullptr;
}

} // namespace perdura::persistence
