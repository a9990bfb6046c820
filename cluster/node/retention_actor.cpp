// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/retention_actor.hpp"

#include "persistence/process/logging.hpp"

#include <algorithm>

namespace perdura::cluster {

namespace {

/// Submits a purge for each instance of orchestrator `name` that ended before
/// `ended_before`. An empty name means all orchestrators that have no retention
/// time of their own. Blocks during the queries, but does not wait for the
/// purges.
void purge_expired(const retention_rules& rules,
                   const local_instance_query& query_page,
                   actors::management_gateway& gateway, const std::string& name,
                   persistence::timestamp ended_before) {
  persistence::instance_query query;
  query.statuses = {persistence::runtime_status::completed,
                    persistence::runtime_status::failed,
                    persistence::runtime_status::terminated};
  query.ended_before = ended_before;
  query.name = name;
  query.top = persistence::page_rows_max;
  std::size_t purged = 0; // the number of purge requests submitted
  do {
    auto page = query_page(query);
    if (!page) {
      persistence::log(persistence::log_channel::cluster,
                       persistence::log_level::warning,
                       "retention: " + page.error().message);
      return;
    }
    for (const persistence::instance_row& row : page->rows) {
      if (!row.error.empty())
        continue; // a damaged instance: it is not known whether it is finished
      if (name.empty() && rules.by_name.contains(row.record.name))
        continue; // the rule with the orchestrator's name applies
      // A purge that fails is repeated at the next search.
      gateway.submit(actors::purge_instance{row.id}, [](const auto&) {});
      ++purged;
    }
    query.token = page->token;
  } while (!query.token.empty());
  if (purged > 0)
    persistence::log(persistence::log_channel::cluster,
                     persistence::log_level::info,
                     "retention: " + std::to_string(purged)
                       + " finished instances are purged");
}

} // namespace

bool retention_rules::keeps_everything() const {
  return hub.count() == 0
         && std::all_of(by_name.begin(), by_name.end(), [](const auto& rule) {
              return rule.second.count() == 0;
            });
}

retention_actor::behavior_type
retention_behavior(retention_actor::pointer self, retention_rules rules,
                   local_instance_query query,
                   std::shared_ptr<actors::management_gateway> gateway,
                   const persistence::clock* time) {
  // The first search begins one interval after the start. Each later search
  // begins one interval after the end of the previous one, so searches never
  // overlap.
  self->delayed_send(self, rules.interval, purge_expired_now{});
  return {
    [=](purge_expired_now) {
      // Retention is measured by the wall clock, because the time at which an
      // instance ended is stored as a wall-clock time.
      const persistence::timestamp now = time->now();
      if (rules.hub.count() > 0)
        purge_expired(rules, query, *gateway, "", now - rules.hub);
      for (const auto& [name, kept] : rules.by_name)
        if (kept.count() > 0)
          purge_expired(rules, query, *gateway, name, now - kept);
      self->delayed_send(self, rules.interval, purge_expired_now{});
    },
  };
}

} // namespace perdura::cluster
