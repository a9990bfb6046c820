// SPDX-License-Identifier: Apache-2.0
#include "tests/support/journal_model.hpp"

#include <algorithm>

namespace perdura::tests {

using namespace persistence;

namespace {

/// The task of an activity result; nullopt for other events.
std::optional<task_sequence> task_of(const history_body& body) {
  if (const auto* a = std::get_if<persistence::task_completed>(&body))
    return a->sequence;
  if (const auto* b = std::get_if<persistence::task_failed>(&body))
    return b->sequence;
  return std::nullopt;
}

/// Checks that history is only appended, and that nothing but a rewind
/// follows the end of an instance.
void check_history(const model_instance& before, const instance_write& write,
                   std::vector<std::string>& wrong) {
  if (write.removed || !before.stored)
    return;
  if (!write.reset && !write.history.empty()
      && write.history_first != before.history.size())
    wrong.push_back("history of \"" + write.id + "\" is written at event "
                    + std::to_string(write.history_first) + ", it has "
                    + std::to_string(before.history.size()));
  const runtime_status status = before.stored->record.status;
  if (!is_finished(status))
    return;
  const bool rewinds
    = status == runtime_status::failed && !write.history.empty()
      && std::holds_alternative<execution_rewound>(write.history[0].body);
  if (!rewinds && (!write.history.empty() || !write.tasks_opened.empty()))
    wrong.push_back("\"" + write.id + "\" has ended, and more is written: "
                    + (write.history.empty() ? std::string("a task")
                                             : name_of(write.history[0].body)));
}

/// True if the place is below the top, also if its depth is wrong.
bool is_member(const instance_record& record, const tree_top& top) {
  const tree_place& place = record.place;
  if (place.root != top.root || place.root_created_at != top.root_created_at)
    return false;
  return top.depth == 0
         || (place.path.size() >= top.depth
             && place.path[top.depth - 1] == top.key);
}

/// Checks that no turn of an orchestrator is written for an instance of a
/// terminated tree after the partition has stored the rule.
void check_trees(const partition_rules& rules, const instance_write& write,
                 std::vector<std::string>& wrong) {
  if (rules.trees.empty() || !write.record
      || std::none_of(write.history.begin(), write.history.end(),
                      [](const history_event& each) {
                        return std::holds_alternative<orchestrator_started>(
                          each.body);
                      }))
    return;
  for (const ended_tree& each : rules.trees)
    if (is_member(*write.record, each.top))
      wrong.push_back("\"" + write.id
                      + "\" runs after an ancestor was terminated with its "
                        "sub-orchestrations");
}

} // namespace

std::vector<std::string> model_partition::apply(const turn_writes& writes) {
  std::vector<std::string> wrong;
  const std::string here
    = "partition " + std::to_string(index_of(writes.partition)) + ": ";
  if (writes.sequence != meta.sequence + 1)
    wrong.push_back(here + "turn " + std::to_string(writes.sequence)
                    + " follows turn " + std::to_string(meta.sequence));
  if (writes.epoch < meta.epoch)
    wrong.push_back(here + "epoch " + std::to_string(writes.epoch)
                    + " follows epoch " + std::to_string(meta.epoch));
  if (writes.anchor) {
    if (meta.anchor && writes.anchor->elapsed < meta.anchor->elapsed)
      wrong.push_back(here + "the elapsed time goes back");
    meta.anchor = writes.anchor;
  }
  meta.sequence = writes.sequence;
  meta.epoch = writes.epoch;
  meta.now = writes.now;
  for (const persistence::rule_change& each : writes.rules)
    persistence::apply(meta.rules, each);
  for (const instance_write& write : writes.instances) {
    model_instance& instance = instances[write.id];
    check_history(instance, write, wrong);
    check_trees(meta.rules, write, wrong);
    count_events(instance, write);
    if (write.removed || write.reset)
      instance.history.clear();
    instance.history.insert(instance.history.end(), write.history.begin(),
                            write.history.end());
    persistence::apply(instance.stored, write);
    if (write.record)
      executions.insert(write.record->execution);
    // An execution that continued as new in its first turn.
    for (const auto& [sequence, task] : write.tasks_opened)
      if (task.left)
        executions.insert(task.left->execution);
    if (!instance.stored)
      instances.erase(write.id);
    else if (instance.stored->record.history_count != instance.history.size())
      wrong.push_back(here + "\"" + write.id + "\" counts "
                      + std::to_string(instance.stored->record.history_count)
                      + " events, it has "
                      + std::to_string(instance.history.size()));
  }
  for (const outbox_message& message : writes.outbox) {
    std::uint64_t& head = outbox_heads[message.to];
    if (message.sequence != head + 1)
      wrong.push_back(here + "outbox message "
                      + std::to_string(message.sequence) + " follows "
                      + std::to_string(head));
    head = message.sequence;
    outbox.insert_or_assign({message.to, message.sequence}, message);
  }
  for (const outbox_mark& mark : writes.outbox_acknowledged) {
    std::erase_if(outbox, [&](const auto& row) {
      return row.first.first == mark.to && row.first.second <= mark.sequence;
    });
    // An adopted partition takes over acknowledgements of messages that it does
    // not know.
    std::uint64_t& head = outbox_heads[mark.to];
    head = std::max(head, mark.sequence);
  }
  for (const dedup_mark& mark : writes.marks) {
    std::uint64_t& known = marks[mark.from];
    if (mark.sequence < known)
      wrong.push_back(here + "a mark goes back");
    known = std::max(known, mark.sequence);
  }
  if (writes.requests)
    apply_requests(*writes.requests, wrong);
  return wrong;
}

/// Counts the external events that the turn accepts: those that enter the
/// inbox, and those that enter the history without having been there.
void model_partition::count_events(const model_instance& before,
                                   const instance_write& write) {
  std::multiset<std::string> delivered;
  if (before.stored)
    for (const inbox_sequence sequence : write.inbox_removed)
      if (const auto known = before.stored->inbox.find(sequence);
          known != before.stored->inbox.end())
        if (const auto* raised
            = std::get_if<event_raised>(&known->second.event.body))
          delivered.insert(raised->input);
  for (const history_event& event : write.history)
    if (const auto* raised = std::get_if<event_raised>(&event.body)) {
      if (const auto known = delivered.find(raised->input);
          known != delivered.end())
        delivered.erase(known);
      else
        ++events_accepted[{write.id, raised->input}];
    }
  for (const auto& [sequence, message] : write.inbox_put)
    if (const auto* raised = std::get_if<event_raised>(&message.event.body))
      if (!before.stored || !before.stored->inbox.contains(sequence))
        ++events_accepted[{write.id, raised->input}];
}

/// Checks that no answer is recorded for a request that has one, and that the
/// sizes of the windows are right.
void model_partition::apply_requests(const request_changes& changes,
                                     std::vector<std::string>& wrong) {
  if (changes.since)
    meta.requests_since = changes.since;
  std::erase_if(requests, [&](const auto& each) {
    return each.second.first < changes.removed_before;
  });
  apply_to_windows(windows, changes);
  for (const request_write& write : changes.rows) {
    const auto known = requests.find(write.key);
    if (known != requests.end()
        && write.row.at < known->second.second.at + request_key_time)
      wrong.push_back("a request is answered twice");
    requests.insert_or_assign(write.key,
                              std::pair(changes.count.window, write.row));
  }
  if (changes.rows.empty())
    return;
  const auto counted = static_cast<std::uint64_t>(
    std::count_if(requests.begin(), requests.end(), [&](const auto& each) {
      return each.second.first == changes.count.window;
    }));
  if (counted != changes.count.keys)
    wrong.push_back("a window of requests counts "
                    + std::to_string(changes.count.keys) + " keys and has "
                    + std::to_string(counted));
}

bool model_partition::has_result(const instance_id& id,
                                 const execution_id& execution,
                                 task_sequence sequence) const {
  auto found = instances.find(id);
  if (found == instances.end() || !found->second.stored
      || found->second.stored->record.execution != execution)
    return false;
  for (const history_event& event : found->second.history)
    if (task_of(event.body) == sequence)
      return true;
  for (const auto& [number, message] : found->second.stored->inbox)
    if (task_of(message.event.body) == sequence)
      return true;
  return false;
}

std::vector<std::string> journal_model::enqueue(turn_writes writes) {
  sides& side = partitions_.at(index_of(writes.partition));
  std::vector<std::string> wrong = side.now.apply(writes);
  side.queued.push_back(std::move(writes));
  return wrong;
}

void journal_model::commit() {
  for (sides& side : partitions_) {
    for (const turn_writes& writes : side.queued)
      side.durable.apply(writes);
    side.queued.clear();
  }
}

std::vector<std::string> journal_model::recover(partition_id partition,
                                                partition_sequence sequence) {
  sides& side = partitions_.at(index_of(partition));
  std::vector<std::string> wrong;
  if (sequence < side.durable.meta.sequence)
    wrong.push_back("partition " + std::to_string(index_of(partition))
                    + " has lost durable turns: it has recovered up to turn "
                    + std::to_string(sequence) + ", durable up to turn "
                    + std::to_string(side.durable.meta.sequence));
  while (!side.queued.empty() && side.durable.meta.sequence < sequence) {
    side.durable.apply(side.queued.front());
    side.queued.pop_front();
  }
  if (sequence > side.durable.meta.sequence)
    wrong.push_back("partition " + std::to_string(index_of(partition))
                    + " has recovered turns that were never queued");
  side.queued.clear();
  side.now = side.durable;
  return wrong;
}

} // namespace perdura::tests
