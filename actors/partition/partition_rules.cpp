// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"
#include "persistence/records/keys.hpp"

#include <algorithm>
#include <utility>

// The part of partition_processor that carries out rules for many instances:
// orchestrators that are paused by name, and terminated trees.

namespace perdura::actors {

using namespace persistence;

namespace {

const std::string& orchestrator_of(const loaded_instance& loaded) {
  return loaded.live->starting
           ? std::get<execution_started>(loaded.live->starting->started.body)
               .name
           : loaded.durable->record.name;
}

const tree_place& place_of(const loaded_instance& loaded) {
  return loaded.live->starting ? loaded.live->starting->place
                               : loaded.durable->record.place;
}

bool exists(const loaded_instance& loaded) {
  return loaded && (loaded.live->starting || loaded.durable != nullptr);
}

/// Searches the unfinished instances of the partition.
instance_query rule_search_query() {
  instance_query query;
  query.statuses
    = {runtime_status::pending, runtime_status::running,
       runtime_status::suspended, runtime_status::continued_as_new};
  query.top = rule_search_page_rows;
  return query;
}

} // namespace

/// Notes the rules of a turn that concern instances. Called before the turn is
/// applied.
void partition_processor::note_rules(const std::vector<rule_change>& rules) {
  const partition_rules& before = durable().meta.rules;
  for (const rule_change& each : rules)
    if (const auto* tree = std::get_if<ended_tree>(&each)) {
      if (find_tree(before, tree->top) == nullptr)
        rule_search_.new_trees.push_back(tree->top);
    } else if (const auto* pause = std::get_if<name_pause>(&each)) {
      if (!pause->is_paused && is_paused(before, pause->name))
        rule_search_.new_names.push_back(pause->name);
    }
}

/// Handles the instances in memory, and begins the search for the others.
void partition_processor::begin_rule_search(timestamp at) {
  std::vector<std::pair<instance_id, std::string>> members;
  for (const auto& [id, instance] : live_.instances) {
    const loaded_instance loaded = find(id);
    if (!exists(loaded))
      continue;
    for (const tree_top& top : rule_search_.new_trees)
      if (is_below(place_of(loaded), top))
        if (const auto* tree = find_tree(durable().meta.rules, top)) {
          members.emplace_back(id, tree->reason);
          break;
        }
    if (!rule_search_.new_names.empty()
        && std::find(rule_search_.new_names.begin(),
                     rule_search_.new_names.end(), orchestrator_of(loaded))
             != rule_search_.new_names.end())
      resume_dispatch(loaded, at);
  }
  for (const auto& [id, reason] : members)
    end_member(id, reason, at);
  for (tree_top& top : std::exchange(rule_search_.new_trees, {}))
    rule_search_.waiting.push_back(std::move(top));
  for (std::string& name : std::exchange(rule_search_.new_names, {}))
    rule_search_.names.push_back(std::move(name));
  rule_search_.next_at = live_.now;
}

void partition_processor::end_member(const instance_id& id,
                                     const std::string& reason, timestamp at) {
  persist_pending(id, at);
  host_.release(id, true);
  emit(step_end_member(durable(), live_, id, reason, at), id, at);
}

/// Makes the turn of an instance due whose orchestrator runs again.
void partition_processor::resume_dispatch(const loaded_instance& loaded,
                                          timestamp at) {
  // The scheduled time may have come while the orchestrator was paused; if the
  // instance was evicted after that time, `start_due` is no longer set.
  if (loaded.durable != nullptr) {
    const auto& tasks = loaded.durable->tasks;
    if (auto start = tasks.find(start_sequence);
        start != tasks.end() && start->second.fire_at <= at)
      loaded.live->start_due = true;
  }
  make_runnable(live_, *loaded.live);
}

/// True if the instance's orchestrator is paused. Its messages become durable
/// without a turn.
bool partition_processor::waits_for_name(const instance_id& id,
                                         const loaded_instance& loaded,
                                         timestamp at) {
  if (durable().meta.rules.pauses.empty() || !exists(loaded)
      || !is_paused(durable().meta.rules, orchestrator_of(loaded)))
    return false;
  if (!loaded.live->turn_out)
    persist_pending(id, at);
  return true;
}

/// Ends an instance that has come into memory and belongs to a terminated tree.
void partition_processor::end_if_member(const instance_id& id) {
  const loaded_instance loaded = find(id);
  if (durable().meta.rules.trees.empty() || !exists(loaded))
    return;
  if (const auto* tree
      = find_tree_above(durable().meta.rules, place_of(loaded)))
    end_member(id, std::string(tree->reason), wall_);
}

/// After a start: continues the searches that the crash or the stop has ended.
/// The instances with a due turn are brought into memory by the recovery, so an
/// orchestrator that runs again needs no search.
void partition_processor::restore_rule_search() {
  for (const ended_tree& each : durable().meta.rules.trees)
    if (!each.is_reported)
      rule_search_.waiting.push_back(each.top);
  if (!rule_search_.waiting.empty())
    rule_search_.next_at = live_.now;
}

void partition_processor::continue_rule_search(timestamp at) {
  rule_search_.next_at.reset();
  if (is_agreeing()) { // nothing is changed before the agreement
    rule_search_.next_at = live_.now + rule_search_retry_interval;
    return;
  }
  const auto again = [this](duration after) {
    const elapsed_time next = live_.now + after;
    if (!rule_search_.next_at || next < *rule_search_.next_at)
      rule_search_.next_at = next;
  };
  if (!rule_search_.searched.empty() || !rule_search_.waiting.empty())
    again(search_trees() ? rule_search_interval : rule_search_retry_interval);
  if (!rule_search_.names.empty())
    again(search_names(at) ? rule_search_interval : rule_search_retry_interval);
  if (!rule_search_.draining.empty()) {
    report_drained(at);
    if (!rule_search_.draining.empty())
      again(rule_search_retry_interval);
  }
}

/// Reads one page of the search for members of terminated trees. False if the
/// page cannot be read.
bool partition_processor::search_trees() {
  if (rule_search_.searched.empty()) {
    rule_search_.searched = std::exchange(rule_search_.waiting, {});
    rule_search_.tree_token.clear();
  }
  instance_query query = rule_search_query();
  for (const tree_top& top : rule_search_.searched)
    query.roots.push_back(top.root);
  query.token = rule_search_.tree_token;
  auto page = reader_.page(durable().config.id, query);
  if (!page) {
    host_.log(log_level::error, page.error().message);
    return false;
  }
  for (const instance_row& row : page->rows)
    // An instance in memory was handled when the rule was stored. `load` ends
    // a member.
    if (row.error.empty() && !find(row.id)
        && find_tree_above(durable().meta.rules, row.record.place) != nullptr)
      static_cast<void>(load(row.id));
  rule_search_.tree_token = std::move(page->token);
  if (rule_search_.tree_token.empty())
    for (tree_top& top : std::exchange(rule_search_.searched, {}))
      rule_search_.draining.push_back(std::move(top));
  return true;
}

/// Reads one page of the search for instances of an orchestrator that runs
/// again. False if the search must wait.
bool partition_processor::search_names(timestamp at) {
  if (live_.instances.size()
      >= durable().config.idle_instances_max + released_instances_max)
    return false;
  const auto next_name = [this] {
    rule_search_.names.pop_front();
    rule_search_.name_token.clear();
    return true;
  };
  if (is_paused(durable().meta.rules, rule_search_.names.front()))
    return next_name(); // it was paused again
  instance_query query = rule_search_query();
  query.name = rule_search_.names.front();
  query.token = rule_search_.name_token;
  auto page = reader_.page(durable().config.id, query);
  if (!page) {
    host_.log(log_level::error, page.error().message);
    return false;
  }
  for (const instance_row& row : page->rows) {
    const bool may_be_due
      = row.record.turn_due || row.record.status == runtime_status::pending;
    if (row.error.empty() && !may_be_due)
      continue;
    // An instance may have come into memory since the search began, and wait.
    const auto loaded = load(row.id);
    if (loaded && exists(*loaded))
      resume_dispatch(*loaded, at);
    else if (!loaded)
      if (damaged_work* work = note_damaged_work(row.id))
        work->turn_due = true;
  }
  rule_search_.name_token = std::move(page->token);
  return !rule_search_.name_token.empty() || next_name();
}

/// True if a message that is not acknowledged can start or rewind an instance
/// below `top` in another partition or, after a repair, in this one.
bool partition_processor::may_start_member(const tree_top& top) const {
  for (const auto& [to, box] : durable().outbox) {
    const auto known = live_.acknowledged.find(to);
    const std::uint64_t last
      = known == live_.acknowledged.end() ? 0 : known->second;
    if (box.empty() || box.last <= last)
      continue;
    const auto first = box.kept.lower_bound(std::max(last + 1, box.first));
    // A message that is not in memory may be any.
    if (static_cast<std::uint64_t>(std::distance(first, box.kept.end()))
        < box.last - std::max(last, box.first - 1))
      return true;
    for (auto it = first; it != box.kept.end(); ++it) {
      const outbox_body& body = it->second.body;
      if (std::holds_alternative<child_rewind>(body))
        return true;
      if (const auto* start = std::get_if<child_start>(&body))
        if (is_below(start->place, top))
          return true;
    }
  }
  return false;
}

/// Reports the trees of which nothing is left here.
void partition_processor::report_drained(timestamp at) {
  std::vector<tree_top> left;
  for (tree_top& top : std::exchange(rule_search_.draining, {}))
    if (may_start_member(top))
      left.push_back(std::move(top));
    else
      emit(step_tree_drained(durable(), top, durable().config.id), {}, at);
  rule_search_.draining = std::move(left);
}

std::vector<std::pair<instance_id, std::string>>
partition_processor::rule_notices() const {
  // A tree usually ends within milliseconds.
  constexpr duration late = std::chrono::seconds(5);
  std::vector<std::pair<instance_id, std::string>> found;
  const partition_rules& rules = durable().meta.rules;
  for (const name_pause& each : rules.pauses)
    if (each.is_paused)
      found.emplace_back("", paused_text(each));
  for (const ended_tree& each : rules.trees)
    if (each.home == durable().config.id && clock_.wall() - each.since >= late)
      found.emplace_back(each.top.root, unfinished_tree_text(each));
  return found;
}

} // namespace perdura::actors
