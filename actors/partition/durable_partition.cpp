// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/durable_partition.hpp"

#include "persistence/records/keys.hpp"
#include "persistence/records/message_bytes.hpp"
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
  if (writes.anchor)
    state_.meta.anchor = writes.anchor;
  for (const rule_change& each : writes.rules)
    persistence::apply(state_.meta.rules, each);
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
    stored_outbox& box = state_.outbox[message.to];
    box.last = std::max(box.last, message.sequence);
    keep(box, message);
  }
  // An acknowledgement covers all messages up to its sequence.
  for (const outbox_mark& mark : writes.outbox_acknowledged) {
    stored_outbox& box = state_.outbox[mark.to];
    box.first = std::max(box.first, mark.sequence + 1);
    // An adopted partition also takes over acknowledgements of messages that it
    // does not know (step_agree).
    box.last = std::max(box.last, mark.sequence);
    const auto end = box.kept.upper_bound(mark.sequence);
    for (auto it = box.kept.begin(); it != end; it = box.kept.erase(it)) {
      const std::size_t bytes = message_bytes_of(it->second);
      box.kept_bytes -= bytes;
      if (mark.to != quarantine_partition)
        state_.outbox_bytes -= bytes;
    }
  }
  for (const dedup_mark& mark : writes.marks) {
    auto& known = state_.marks[mark.from];
    known = std::max(known, mark.sequence);
    if (!state_.meta.unmatched.empty())
      std::erase(state_.meta.unmatched, mark.from);
  }
  if (!writes.requests)
    return;
  if (writes.requests->since)
    state_.meta.requests_since = writes.requests->since;
  apply_to_windows(state_.request_windows, *writes.requests);
  for (const request_write& each : writes.requests->rows)
    state_.requests_recent.insert_or_assign(each.key, each.row);
}

/// Keeps a message in memory if the bounds allow it.
void durable_store::keep(stored_outbox& box, const outbox_message& message) {
  const std::size_t bytes = message_bytes_of(message);
  if (message.to != quarantine_partition) {
    if (box.kept_bytes + bytes > outbox_bytes_per_destination_max
        || state_.outbox_bytes + bytes > outbox_bytes_max)
      return;
    state_.outbox_bytes += bytes;
  }
  box.kept.emplace_hint(box.kept.end(), message.sequence, message);
  box.kept_bytes += bytes;
}

void durable_store::restore(const partition_snapshot& snapshot) {
  state_.meta = snapshot.meta;
  for (const auto& [to, first, last] : snapshot.outbox) {
    stored_outbox& box = state_.outbox[to];
    box.first = first;
    box.last = last;
  }
  for (const outbox_message& message : snapshot.quarantined)
    keep(state_.outbox[message.to], message);
  for (const dedup_mark& mark : snapshot.marks)
    state_.marks[mark.from] = mark.sequence;
  state_.request_windows = snapshot.windows;
}

void durable_store::admit(const instance_id& id, stored_instance&& rows) {
  state_.instances.insert_or_assign(id, std::move(rows));
}

void durable_store::release(const instance_id& id) {
  state_.instances.erase(id);
}

void durable_store::release_request(const hash128& key) {
  state_.requests_recent.erase(key);
}

namespace {

/// True for an open wait for events of the name.
bool is_wait_for(const open_task& task, std::string_view name) {
  return task.kind == task_kind::event_wait
         && persistence::equal_ignoring_case(task.name, name);
}

} // namespace

std::size_t open_waits(const stored_instance& stored, std::string_view name) {
  // Waits have the sequences from wait_sequence_first on.
  return static_cast<std::size_t>(std::count_if(
    stored.tasks.lower_bound(wait_sequence_first), stored.tasks.end(),
    [&](const auto& task) { return is_wait_for(task.second, name); }));
}

bool awaits_event(const stored_instance& stored, std::string_view name) {
  return std::any_of(
    stored.tasks.lower_bound(wait_sequence_first), stored.tasks.end(),
    [&](const auto& task) { return is_wait_for(task.second, name); });
}

bool is_deliverable(const stored_instance& stored, const history_event& event) {
  const auto* raised = std::get_if<event_raised>(&event.body);
  return raised == nullptr || awaits_event(stored, raised->name);
}

std::optional<task_sequence> task_of(const history_body& body) {
  return std::visit(task_of_body{}, body);
}

} // namespace perdura::actors
