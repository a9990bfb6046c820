#include "cluster/node/retention_actor.hpp"

#include "persistence/process/logging.hpp"

#include <algorithm>

namespace perdura::cluster {

namespace {

/// One look: everything of `name` (empty: of those without a rule of their
/// own) that ended before.
void purge_expired(const retention_rules& rules, const own_query& look,
                   actors::management_gateway& gateway, const std::string& name,
                   persistence::timestamp ended_before) {
  persistence::instance_query query;
  query.statuses = {persistence::runtime_status::completed,
                    persistence::runtime_status::failed,
                    persistence::runtime_status::terminated};
  query.ended_before = ended_before;
  query.name = name;
  query.top = persistence::page_rows_max;
  std::size_t purged = 0;
  do {
    auto page = look(query);
    if (!page) {
      persistence::log(persistence::log_room::cluster,
                       persistence::log_level::warning,
                       "retention: " + page.error().message);
      return;
    }
    for (const persistence::instance_row& row : page->rows) {
      if (name.empty() && rules.by_name.contains(row.record.name))
        continue;
      gateway.submit(actors::purge_instance{row.id}, [](const auto&) {});
      ++purged;
    }
    query.token = page->token;
  } while (!query.token.empty());
  if (purged > 0)
    persistence::log(persistence::log_room::cluster,
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
                   own_query query,
                   std::shared_ptr<actors::management_gateway> gateway,
                   const persistence::clock* time) {
  self->delayed_send(self, rules.interval, look_for_expired{});
  return {
    [=](look_for_expired) {
      const persistence::timestamp now = time->now();
      if (rules.hub.count() > 0)
        purge_expired(rules, query, *gateway, "", now - rules.hub);
      for (const auto& [name, kept] : rules.by_name)
        if (kept.count() > 0)
          purge_expired(rules, query, *gateway, name, now - kept);
      self->delayed_send(self, rules.interval, look_for_expired{});
    },
  };
}

} // namespace perdura::cluster
