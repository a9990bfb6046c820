// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/durable_partition.hpp"

#include "persistence/records/text.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

/// Returns true if the write contains all rows of the instance, so that its
/// earlier state has no influence.
bool is_whole(const instance_write& write) {
  return write.removed && write.record.has_value();
}

/// The task that a body is the result of. The names are qualified, because this
/// layer has an exception `task_failed`, too.
struct task_of_body {
  using task = std::optional<task_sequence>;

  task operator()(const persistence::task_completed& x) const {
    return x.sequence;
  }

  task operator()(const persistence::task_failed& x) const {
    return x.sequence;
  }

  task operator()(const persistence::timer_fired& x) const {
    return x.sequence;
  }

  task
  operator()(const persistence::sub_orchestration_instance_completed& x) const {
    return x.sequence;
  }

  task
  operator()(const persistence::sub_orchestration_instance_failed& x) const {
    return x.sequence;
  }

  template <class Other>
  task operator()(const Other&) const {
    return std::nullopt;
  }
};

} // namespace

durable_store::durable_store(partition_config config) {
  state_.config = std::move(config);
}

void durable_store::apply(const turn_writes& writes) {
  state_.meta.epoch = writes.epoch;
  state_.meta.sequence = writes.sequence;
  state_.meta.now = writes.now;
  for (const instance_write& write : writes.instances) {
    auto found = state_.instances.find(write.id);
    if (found == state_.instances.end()) {
      if (!is_whole(write))
        continue;
      found = state_.instances.try_emplace(write.id).first;
    }
    persistence::apply(found->second, write);
    if (!found->second) // the instance has been purged
      state_.instances.erase(found);
  }
  for (const outbox_message& message : writes.outbox) {
    state_.outbox[message.to].insert_or_assign(message.sequence, message);
    auto& head = state_.outbox_heads[message.to];
    head = std::max(head, message.sequence);
  }
  // An acknowledgement covers all messages up to its sequence.
  for (const outbox_mark& mark : writes.outbox_acknowledged) {
    auto& sent = state_.outbox[mark.to];
    sent.erase(sent.begin(), sent.upper_bound(mark.sequence));
  }
  for (const dedup_mark& mark : writes.marks) {
    auto& known = state_.marks[mark.from];
    known = std::max(known, mark.sequence);
  }
}

void durable_store::restore(const partition_snapshot& snapshot) {
  state_.meta = snapshot.meta;
  for (const outbox_message& message : snapshot.outbox)
    state_.outbox[message.to].emplace(message.sequence, message);
  for (const outbox_mark& head : snapshot.outbox_marks)
    state_.outbox_heads[head.to] = head.sequence;
  for (const dedup_mark& mark : snapshot.marks)
    state_.marks[mark.from] = mark.sequence;
}

void durable_store::admit(const instance_id& id, stored_instance&& rows) {
  state_.instances.insert_or_assign(id, std::move(rows));
}

void durable_store::release(const instance_id& id) {
  state_.instances.erase(id);
}

std::size_t open_waits(const stored_instance& stored, std::string_view name) {
  // Waits have the sequences from wait_sequence_first on.
  return static_cast<std::size_t>(std::count_if(
    stored.tasks.lower_bound(wait_sequence_first), stored.tasks.end(),
    [&](const auto& task) {
      return persistence::equal_ignoring_case(task.second.name, name);
    }));
}

bool awaits_event(const stored_instance& stored, std::string_view name) {
  return std::any_of(stored.tasks.lower_bound(wait_sequence_first),
                     stored.tasks.end(), [&](const auto& task) {
                       return persistence::equal_ignoring_case(task.second.name,
                                                               name);
                     });
}

bool is_deliverable(const stored_instance& stored, const history_event& event) {
  const auto* raised = std::get_if<event_raised>(&event.body);
  return raised == nullptr || awaits_event(stored, raised->name);
}

std::optional<task_sequence> task_of(const history_body& body) {
  return std::visit(task_of_body{}, body);
}

} // namespace perdura::actors
