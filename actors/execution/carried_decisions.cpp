// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/carried_decisions.hpp"

#include "actors/execution/replay.hpp"

#include <utility>

namespace perdura::actors {

using namespace persistence;

void set_sequence(decision& asked, task_sequence sequence, bool child_by_number,
                  const execution_id& execution) {
  std::visit(
    [&](auto& body) {
      if constexpr (requires { body.sequence; })
        body.sequence = sequence;
    },
    asked);
  if (child_by_number)
    std::get<sub_orchestration_instance_created>(asked).instance
      = execution + ":" + std::to_string(sequence);
}

task_sequence sequence_of(const history_body& body) {
  return std::visit(
    [](const auto& x) -> task_sequence {
      if constexpr (requires { x.sequence; })
        return x.sequence;
      else
        return 0;
    },
    body);
}

bool carried_decisions::is_child_by_number(const decision& one) const {
  const auto* child = std::get_if<sub_orchestration_instance_created>(&one);
  return child != nullptr
         && child->instance
              == execution_ + ":" + std::to_string(child->sequence);
}

/// Two decisions match if their keys are equal. Names and instance IDs contain
/// no control characters, so a null character separates the parts.
std::string carried_decisions::key_of(const decision& one,
                                      bool child_by_number) const {
  std::string key(1, static_cast<char>('a' + one.index()));
  const auto add = [&key](const std::string& part) {
    key += part;
    key += '\0';
  };
  if (const auto* task = std::get_if<task_scheduled>(&one)) {
    add(task->name);
    add(std::to_string(task->attempt));
    key += task->input;
  } else if (const auto* timer = std::get_if<timer_created>(&one)) {
    add(timer->absolute ? "time" : "delay");
    add(std::to_string(timer->fire_at.time_since_epoch().count()));
  } else if (const auto* child
             = std::get_if<sub_orchestration_instance_created>(&one)) {
    add(child->name);
    add(child_by_number ? "" : child->instance);
    key += child->input;
  } else if (const auto* sent = std::get_if<event_sent>(&one)) {
    add(sent->instance);
    add(sent->name);
    key += sent->input;
  }
  return key;
}

void carried_decisions::insert(const decision& one) {
  const task_sequence sequence = sequence_of(one);
  const auto* timer = std::get_if<timer_created>(&one);
  entry added{key_of(one, is_child_by_number(one)),
              timer != nullptr && !timer->absolute,
              {}};
  by_key_[added.key].insert(sequence);
  open_.insert_or_assign(sequence, std::move(added));
}

void carried_decisions::remove(std::map<task_sequence, entry>::iterator at) {
  const auto same = by_key_.find(at->second.key);
  same->second.erase(at->first);
  if (same->second.empty())
    by_key_.erase(same);
  open_.erase(at);
}

void carried_decisions::add(const rewound_turn& rewound) {
  if (rewound.rule == rewind_rule::last_turn) {
    for (const void_turn& turn : rewound.turns)
      lists_.emplace_back(turn.decisions.begin(), turn.decisions.end());
    return;
  }
  repeats_failures_ = repeats_failures_ || rewound.repeats_failures;
  for (const void_turn& turn : rewound.turns)
    for (const history_event* one : turn.decisions)
      insert(one->body);
  for (const task_sequence sequence : rewound.dropped)
    if (const auto at = open_.find(sequence); at != open_.end())
      remove(at);
}

std::optional<carried_decisions::match>
carried_decisions::take(decision& asked, bool child_by_number) {
  if (!lists_.empty())
    return take_in_order(asked, child_by_number);
  if (open_.empty())
    return std::nullopt;
  const auto same = by_key_.find(key_of(asked, child_by_number));
  if (same == by_key_.end())
    return std::nullopt;
  const auto at = open_.find(*same->second.begin());
  match found{at->first, std::move(at->second.result), false};
  set_sequence(asked, found.sequence, child_by_number, execution_);
  remove(at);
  return found;
}

std::optional<carried_decisions::match>
carried_decisions::take_in_order(decision& asked, bool child_by_number) {
  while (!lists_.empty()) {
    in_order& before = lists_.front();
    if (!before.empty()) {
      const decision& first = before.front()->body;
      // The ID of a child may contain the sequence.
      set_sequence(asked, sequence_of(first), child_by_number, execution_);
      if (is_same_request(asked, first)) {
        before.pop_front();
        return match{sequence_of(first), {}, true};
      }
    }
    // The list is used up, or its next decision differs from that of the code.
    // Continue with the next list, if there is one: it contains the decisions
    // that a later failed turn made from this point on.
    release_first_list();
  }
  return std::nullopt;
}

/// Drops the first list. The decisions left in it were not requested again.
void carried_decisions::release_first_list() {
  for (const history_event* orphan : lists_.front())
    orphans_.push_back(sequence_of(orphan->body));
  lists_.pop_front();
}

void carried_decisions::keep_result(task_sequence sequence,
                                    history_event result) {
  open_.at(sequence).result = std::move(result);
}

void carried_decisions::end_turn() {
  while (!lists_.empty())
    release_first_list();
  for (auto at = open_.begin(); at != open_.end();) {
    const auto next = std::next(at);
    if (!repeats_failures_ || at->second.is_delay) {
      orphans_.push_back(at->first);
      remove(at);
    }
    at = next;
  }
}

std::vector<task_sequence> carried_decisions::take_orphans() {
  return std::exchange(orphans_, {});
}

} // namespace perdura::actors
