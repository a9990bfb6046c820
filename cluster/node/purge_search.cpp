// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/purge_search.hpp"

#include "persistence/process/logging.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

namespace perdura::cluster {

purge_search::purge_search(const retention_rules& rules,
                           local_instance_query query, purge_function submit)
  : rules_(rules), query_(std::move(query)), submit_(std::move(submit)) {}

void purge_search::begin(persistence::timestamp now) {
  submitted_ = 0;
  now_ = now;
  if (rules_.hub.count() > 0)
    add_query("", persistence::saturated_difference(now, rules_.hub));
  for (const auto& [name, kept] : rules_.by_name)
    if (kept.count() > 0)
      add_query(name, persistence::saturated_difference(now, kept));
  advance();
}

void purge_search::receive_answer() {
  --in_flight_;
  advance();
}

/// An empty name means all orchestrators that have no retention time of their
/// own.
void purge_search::add_query(const std::string& name,
                             persistence::timestamp ended_before) {
  persistence::instance_query query;
  query.statuses = {persistence::runtime_status::completed,
                    persistence::runtime_status::failed,
                    persistence::runtime_status::terminated};
  query.ended_before = ended_before;
  query.name = name;
  query.top = purges_in_flight_max;
  queries_.push_back(std::move(query));
}

/// Submits purges until `purges_in_flight_max` are in flight or none is left.
void purge_search::advance() {
  // `submit_` may report the answer before it returns.
  if (std::exchange(advances_, true))
    return;
  while (in_flight_ < purges_in_flight_max
         && (!rows_.empty() || !queries_.empty())) {
    if (rows_.empty()) {
      load_page();
      continue;
    }
    const found next = std::move(rows_.front());
    rows_.pop_front();
    ++in_flight_;
    ++submitted_;
    submit_(next.id, next.force);
  }
  advances_ = false;
}

void purge_search::load_page() {
  persistence::instance_query& query = queries_.front();
  auto page = query_(query);
  if (!page) { // the next search tries again
    persistence::log(persistence::log_channel::cluster,
                     persistence::log_level::warning,
                     "retention: " + page.error().message);
    queries_.pop_front();
    return;
  }
  for (persistence::instance_row& row : page->rows) {
    if (!row.error.empty())
      continue; // a damaged instance: it is not known whether it is finished
    if (query.name.empty() && rules_.by_name.contains(row.record.name))
      continue; // the rule with the orchestrator's name applies
    rows_.push_back({std::move(row.id),
                     row.record.ended_at <= persistence::saturated_difference(
                       now_, persistence::duration(orphan_task_max))});
  }
  query.token = std::move(page->token);
  if (query.token.empty())
    queries_.pop_front();
}

} // namespace perdura::cluster
