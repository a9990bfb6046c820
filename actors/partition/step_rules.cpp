// SPDX-License-Identifier: Apache-2.0
// The steps about rules that concern many instances: orchestrators that are
// paused by name, and trees of sub-orchestrations that were terminated.
#include "actors/partition/steps.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

/// Adds a message about a rule for another partition.
void add_notice(turn& into, partition_id to, rule_notice notice) {
  into.writes.outbox.push_back({to, 0, {}, std::move(notice)});
}

/// The same message for all other partitions.
void add_notices(const durable_partition& durable, turn& into,
                 const rule_notice& notice) {
  for (std::uint32_t i = 0; i < durable.config.partition_count; ++i)
    if (partition_id(i) != durable.config.id)
      add_notice(into, partition_id(i), notice);
}

/// The message about a tree for a partition that is to end it.
rule_notice notice_of(const ended_tree& tree) {
  ended_tree sent = tree;
  sent.waits_for.clear();
  return {std::move(sent)};
}

std::string name_of(const tree_top& top) {
  return top.depth == 0 ? "the tree of \"" + top.root + "\""
                        : "a part of the tree of \"" + top.root + "\", "
                            + std::to_string(top.depth) + " levels below it,";
}

} // namespace

tree_top top_of(const instance_id& id, const instance_record& record) {
  const tree_place& place = record.place;
  if (place.root.empty())
    return {id, record.created_at, 0, 0};
  return {place.root, place.root_created_at, place.depth,
          tree_key(id, record.created_at)};
}

tree_place place_of_child(const instance_id& id,
                          const instance_record& record) {
  tree_place place = record.place;
  if (place.root.empty()) {
    place.root = id;
    place.root_created_at = record.created_at;
  } else {
    // A missing ancestor is 0, so that the index shows the depth.
    place.path.resize(place.depth == 0 ? 0 : place.depth - 1);
    place.path.push_back(tree_key(id, record.created_at));
  }
  ++place.depth;
  return place;
}

timestamp start_time_of(const durable_partition& durable, const instance_id& id,
                        const stored_instance* before, const tree_place& place,
                        timestamp now) {
  if (before != nullptr && before->record.children != child_starts::none)
    now = std::max(now, before->record.created_at + duration(1));
  if (durable.meta.rules.trees.empty())
    return now;
  instance_record record;
  record.place = place;
  record.created_at = now;
  while (find_tree(durable.meta.rules, top_of(id, record)) != nullptr)
    record.created_at += duration(1);
  return record.created_at;
}

// --- Paused orchestrators ----------------------------------------------------

turn step_pause(const durable_partition& durable,
                const pause_orchestrator& request, reply_to from,
                timestamp now) {
  const partition_rules& rules = durable.meta.rules;
  const name_pause* known = find_pause(rules, request.name);
  name_pause rule;
  if (known != nullptr && known->is_paused == request.is_paused) {
    rule = *known; // sent again, for a partition that may have lost it
  } else {
    // A name that nothing is registered for is probably misspelt. One that is
    // paused can always be let run again.
    if (request.is_paused || known == nullptr)
      if (auto version = durable.config.resolve(request.name, {}); !version)
        return refuse(from, version.error().code, version.error().message);
    if (request.is_paused) {
      if (std::count_if(rules.pauses.begin(), rules.pauses.end(),
                        [](const auto& each) { return each.is_paused; })
          >= static_cast<std::ptrdiff_t>(paused_names_max))
        return refuse(from, errc::limit_exceeded,
                      "Orchestrator \"" + request.name + "\" was not paused: "
                        + std::to_string(paused_names_max)
                        + " others are (paused_names_max).");
    }
    rule = {request.name, request.is_paused, now, request.reason};
    if (known != nullptr)
      rule.since = std::max(now, known->since + duration(1));
  }
  turn out;
  out.effects.push_back(
    log_effect{log_level::warning,
               "orchestrator \"" + rule.name + "\" "
                 + (rule.is_paused ? "is paused" : "runs again")
                 + (rule.reason.empty() ? std::string{} : ": " + rule.reason)});
  add_notices(durable, out, {rule});
  out.writes.rules.emplace_back(std::move(rule));
  management_answer answer;
  answer.id = request.id;
  add_answers(out, {from}, answer);
  return out;
}

std::string paused_text(const name_pause& rule) {
  return "orchestrator \"" + rule.name + "\" is paused"
         + (rule.reason.empty() ? std::string{} : " (" + rule.reason + ")")
         + ": its instances accept requests and do not run; `perdura unpause "
         + rule.name + "` lets them run";
}

// --- Terminated trees --------------------------------------------------------

bool may_have_children(const instance_record& record) {
  return record.children != child_starts::none;
}

std::string full_of_trees_text(const durable_partition& durable,
                               const instance_id& id) {
  const auto& trees = durable.meta.rules.trees;
  const auto own
    = std::count_if(trees.begin(), trees.end(), [&](const auto& each) {
        return each.home == durable.config.id;
      });
  if (own < static_cast<std::ptrdiff_t>(ended_trees_max))
    return {};
  return "Instance \"" + id
         + "\" was not terminated with its "
           "sub-orchestrations: "
         + std::to_string(own)
         + " other trees of its partition are being terminated "
           "(ended_trees_max); repeat the request later.";
}

void add_tree_end(const durable_partition& durable, turn& into,
                  const tree_top& top, const std::string& reason,
                  timestamp now) {
  const partition_rules& rules = durable.meta.rules;
  if (const ended_tree* known = find_tree(rules, top)) {
    // Repeated for the partitions that have not reported: a message to one of
    // them may have been lost with a damaged row.
    for (const std::uint32_t each : known->waits_for)
      if (partition_id(each) != durable.config.id)
        add_notice(into, partition_id(each), notice_of(*known));
    return;
  }
  ended_tree tree{top, durable.config.id, reason, now, false, {}};
  add_notices(durable, into, notice_of(tree));
  for (std::uint32_t i = 0; i < durable.config.partition_count; ++i)
    tree.waits_for.push_back(i);
  into.writes.rules.emplace_back(std::move(tree));
}

turn step_tree_drained(const durable_partition& durable, const tree_top& top,
                       partition_id from) {
  turn out;
  const ended_tree* known = find_tree(durable.meta.rules, top);
  if (known == nullptr)
    return out;
  ended_tree next = *known;
  if (from == durable.config.id)
    next.is_reported = true;
  if (known->home != durable.config.id) {
    add_notice(out, known->home, {tree_left{top}});
    out.writes.rules.emplace_back(std::move(next));
    return out;
  }
  std::erase(next.waits_for, index_of(from));
  if (!next.waits_for.empty()) {
    out.writes.rules.emplace_back(std::move(next));
    return out;
  }
  add_notices(durable, out, {forgotten_tree{top}});
  out.writes.rules.emplace_back(forgotten_tree{top});
  out.effects.push_back(
    log_effect{log_level::info,
               name_of(top) + " is terminated: every partition has ended it"});
  return out;
}

namespace {

/// The turn for each kind of message about a rule.
struct notice_steps {
  const durable_partition& durable;
  partition_id from;
  timestamp now;

  turn operator()(const name_pause& rule) const {
    turn out;
    const name_pause* known = find_pause(durable.meta.rules, rule.name);
    if (known == nullptr || replaces(rule, *known))
      out.writes.rules.emplace_back(rule);
    return out;
  }

  turn operator()(const ended_tree& tree) const {
    turn out;
    const ended_tree* known = find_tree(durable.meta.rules, tree.top);
    if (known == nullptr)
      out.writes.rules.emplace_back(
        ended_tree{tree.top, from, tree.reason, now, false, {}});
    else if (known->is_reported)
      add_notice(out, from, {tree_left{tree.top}});
    return out;
  }

  turn operator()(const tree_left& left) const {
    return step_tree_drained(durable, left.top, from);
  }

  turn operator()(const forgotten_tree& tree) const {
    turn out;
    if (find_tree(durable.meta.rules, tree.top) != nullptr)
      out.writes.rules.emplace_back(tree);
    return out;
  }
};

} // namespace

turn step_notice(const durable_partition& durable, const rule_notice& notice,
                 dedup_mark source, timestamp now) {
  turn out = std::visit(notice_steps{durable, source.from, now}, notice.what);
  out.sources.push_back(source);
  return out;
}

std::string unfinished_tree_text(const ended_tree& tree) {
  std::string text
    = name_of(tree.top) + " is being terminated; not reached yet: partitions";
  for (const std::uint32_t each : tree.waits_for)
    text
      += (each == tree.waits_for.front() ? " " : ", ") + std::to_string(each);
  return text;
}

} // namespace perdura::actors
