// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/instance_draft.hpp"

#include "persistence/records/identity.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

// Most turns append at most this number of events: the begin and the end of the
// turn, one result and one decision.
constexpr std::size_t events_of_turn = 4;

} // namespace

instance_draft::instance_draft(instance_id id, const stored_instance& base)
  : base_(&base) {
  write_.id = std::move(id);
  write_.record = base.record;
  write_.history_first = base.record.history_count;
  write_.history.reserve(events_of_turn);
}

instance_draft::instance_draft(instance_id id, const arrived_start& start) {
  write_.id = std::move(id);
  write_.history.reserve(events_of_turn);
  // `removed` is set even if no such instance existed. The write then describes
  // the whole instance, so a read that finds the write in memory does not need
  // the stored rows.
  write_.removed = true;
  const auto& started = std::get<execution_started>(start.started.body);
  instance_record record;
  record.name = started.name;
  record.version = started.version;
  record.execution = started.execution;
  record.status = runtime_status::pending;
  record.created_at = start.accepted_at;
  record.last_updated_at = start.accepted_at;
  record.scheduled_at = started.scheduled_at;
  record.parent = started.parent;
  record.place = start.place;
  record.children = child_starts::none;
  write_.record = std::move(record);
  append(start.started.time, start.started.body);
}

// `reset` makes the durable history, tasks and waits void; later calls of this
// draft therefore ignore the history, tasks and waits of `base_`. The inbox is
// not reset.
void instance_draft::begin_execution(
  history_event started,
  std::vector<std::pair<task_sequence, open_task>> left) {
  const auto& first = std::get<execution_started>(started.body);
  instance_record& head = record();
  head.execution = first.execution;
  head.version = first.version;
  head.generation = first.generation;
  head.history_count = 0;
  head.history_bytes = 0;
  head.output_event = 0;
  head.next_sequence = 1;
  head.status = runtime_status::continued_as_new;
  write_.reset = true;
  write_.history_first = 0;
  write_.history.clear();
  write_.tasks_opened = std::move(left);
  write_.tasks_closed.clear();
  closed_.clear();
  append(started.time, std::move(started.body));
}

const history_event* instance_draft::appended(event_index index) const {
  if (index < write_.history_first
      || index - write_.history_first >= write_.history.size())
    return nullptr;
  return &write_.history[index - write_.history_first];
}

// The index of an event is the number of events before it in the execution. If
// the wall clock was set back, the event gets the time of the last turn.
event_index instance_draft::append(timestamp time, history_body body) {
  instance_record& head = record();
  time = std::max(time, head.last_updated_at);
  head.history_bytes += payload_bytes_of(body);
  write_.history.push_back({time, std::move(body)});
  return head.history_count++;
}

// `apply` opens tasks after it has closed others, so a task that is closed and
// opened again by one draft is open afterwards. No event of the history opens a
// wait, so the begin of the turn stands for it.
void instance_draft::open(task_sequence sequence, open_task task) {
  if (task.kind == task_kind::event_wait)
    task.scheduled_event = turn_begin();
  write_.tasks_opened.emplace_back(sequence, std::move(task));
}

event_index instance_draft::turn_begin() const {
  for (std::size_t i = write_.history.size(); i > 0; --i)
    if (std::holds_alternative<orchestrator_started>(
          write_.history[i - 1].body))
      return write_.history_first + static_cast<event_index>(i - 1);
  return 0;
}

// A task that this draft has both opened and closed is not written at all. A
// stored task is listed in `tasks_closed`, with its kind and time for the index
// of timers.
void instance_draft::close(task_sequence sequence) {
  auto& opened = write_.tasks_opened;
  auto it = std::find_if(opened.begin(), opened.end(), [&](const auto& task) {
    return task.first == sequence;
  });
  if (it != opened.end())
    opened.erase(it);
  if (base_ == nullptr || write_.reset)
    return;
  auto known = base_->tasks.find(sequence);
  if (known == base_->tasks.end())
    return;
  if (closed_.insert(sequence).second)
    write_.tasks_closed.push_back(
      {sequence, known->second.kind, due_of(known->second)});
}

void instance_draft::close_all_but_activities() {
  std::erase_if(write_.tasks_opened, [](const auto& task) {
    return task.second.kind != task_kind::activity;
  });
  if (base_ == nullptr || write_.reset)
    return;
  for (const auto& [sequence, task] : base_->tasks)
    if (task.kind != task_kind::activity && closed_.insert(sequence).second)
      write_.tasks_closed.push_back({sequence, task.kind, due_of(task)});
}

// A task is open if this draft has opened it, or if it is stored and this draft
// has not closed it.
bool instance_draft::is_open(task_sequence sequence) const {
  const auto& opened = write_.tasks_opened;
  if (std::any_of(opened.begin(), opened.end(),
                  [&](const auto& task) { return task.first == sequence; }))
    return true;
  if (base_ == nullptr || write_.reset || !base_->tasks.contains(sequence))
    return false;
  return !closed_.contains(sequence);
}

void instance_draft::each_activity(
  const std::function<void(task_sequence, const open_task&)>& visit) const {
  for (const auto& [sequence, task] : write_.tasks_opened)
    if (task.kind == task_kind::activity)
      visit(sequence, task);
  if (base_ == nullptr || write_.reset)
    return;
  for (const auto& [sequence, task] : base_->tasks)
    if (task.kind == task_kind::activity && !closed_.contains(sequence))
      visit(sequence, task);
}

// Waits are tasks with sequences from `wait_sequence_first` on. A stored wait
// that was closed may have been opened again with another name.
bool instance_draft::awaits_event(std::string_view name) const {
  for (const auto& [sequence, task] : write_.tasks_opened)
    if (task.kind == task_kind::event_wait
        && persistence::equal_ignoring_case(task.name, name))
      return true;
  if (base_ == nullptr || write_.reset)
    return false;
  for (auto it = base_->tasks.lower_bound(wait_sequence_first);
       it != base_->tasks.end(); ++it)
    if (it->second.kind == task_kind::event_wait
        && persistence::equal_ignoring_case(it->second.name, name)
        && !closed_.contains(it->first))
      return true;
  return false;
}

// `next_inbox` stays above every sequence in use, also after recovery.
void instance_draft::put_inbox(inbox_sequence sequence, history_event event) {
  record().next_inbox = std::max(record().next_inbox, sequence + 1);
  write_.inbox_put.emplace_back(sequence, inbox_message{std::move(event)});
}

// The message may be stored, or may have been added by this draft.
void instance_draft::remove_from_inbox(inbox_sequence sequence) {
  std::erase_if(write_.inbox_put,
                [&](const auto& row) { return row.first == sequence; });
  if (base_ != nullptr && base_->inbox.contains(sequence)
      && removed_from_inbox_.insert(sequence).second)
    write_.inbox_removed.push_back(sequence);
}

// Messages that the draft has added follow the stored ones.
std::vector<std::pair<inbox_sequence, history_event>>
instance_draft::inbox() const {
  std::vector<std::pair<inbox_sequence, history_event>> left;
  if (base_ != nullptr && !write_.removed)
    for (const auto& [sequence, message] : base_->inbox)
      if (!removed_from_inbox_.contains(sequence))
        left.emplace_back(sequence, message.event);
  for (const auto& [sequence, message] : write_.inbox_put)
    left.emplace_back(sequence, message.event);
  return left;
}

bool instance_draft::has_deliverable() const {
  const auto deliverable = [&](const history_event& event) {
    const auto* raised = std::get_if<event_raised>(&event.body);
    return raised == nullptr || awaits_event(raised->name);
  };
  if (base_ != nullptr && !write_.removed)
    for (const auto& [sequence, message] : base_->inbox)
      if (!removed_from_inbox_.contains(sequence) && deliverable(message.event))
        return true;
  return std::any_of(
    write_.inbox_put.begin(), write_.inbox_put.end(),
    [&](const auto& row) { return deliverable(row.second.event); });
}

instance_write&& instance_draft::finish(timestamp now) && {
  instance_record& head = record();
  head.last_updated_at = std::max(head.last_updated_at, now);
  return std::move(write_);
}

execution_id next_execution(const execution_id& previous,
                            std::uint32_t generation) {
  return hash_hex32(previous + "/" + std::to_string(generation));
}

} // namespace perdura::actors
