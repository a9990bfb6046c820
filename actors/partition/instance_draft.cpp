#include "actors/partition/instance_draft.hpp"

#include "persistence/records/identity.hpp"

#include <algorithm>

namespace perdura::actors {

instance_draft::instance_draft(instance_id id, const stored_instance& base)
  : base_(&base) {
  write_.id = std::move(id);
  write_.record = base.record;
  write_.history_first = base.record.history_count;
}

instance_draft::instance_draft(instance_id id, const arrived_start& start) {
  write_.id = std::move(id);
  // Also where nothing was before: who reads it need not look.
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
  write_.record = std::move(record);
  append(start.started.time, start.started.body);
}

void instance_draft::begin_execution(history_event started) {
  const auto& first = std::get<execution_started>(started.body);
  instance_record& head = record();
  head.execution = first.execution;
  head.generation = first.generation;
  head.history_count = 0;
  head.history_bytes = 0;
  head.output_event = 0;
  head.next_sequence = 1;
  head.status = runtime_status::continued_as_new;
  write_.reset = true;
  write_.history_first = 0;
  write_.history.clear();
  write_.tasks_opened.clear();
  write_.tasks_closed.clear();
  closed_.clear();
  append(started.time, std::move(started.body));
}

event_index instance_draft::append(timestamp time, history_body body) {
  instance_record& head = record();
  head.history_bytes += payload_bytes_of(body);
  write_.history.push_back({time, std::move(body)});
  return head.history_count++;
}

void instance_draft::open(task_sequence sequence, open_task task) {
  write_.tasks_opened.emplace_back(sequence, std::move(task));
}

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
      {sequence, known->second.kind, known->second.fire_at});
}

void instance_draft::close_all() {
  write_.tasks_opened.clear();
  if (base_ == nullptr || write_.reset)
    return;
  for (const auto& [sequence, task] : base_->tasks)
    if (closed_.insert(sequence).second)
      write_.tasks_closed.push_back({sequence, task.kind, task.fire_at});
}

bool instance_draft::is_open(task_sequence sequence) const {
  const auto& opened = write_.tasks_opened;
  if (std::any_of(opened.begin(), opened.end(),
                  [&](const auto& task) { return task.first == sequence; }))
    return true;
  if (base_ == nullptr || write_.reset || !base_->tasks.contains(sequence))
    return false;
  return !closed_.contains(sequence);
}

bool instance_draft::awaits_event(std::string_view name) const {
  for (const auto& [sequence, task] : write_.tasks_opened)
    if (sequence >= wait_sequence_first && equal_names(task.name, name))
      return true;
  if (base_ == nullptr || write_.reset)
    return false;
  for (auto it = base_->tasks.lower_bound(wait_sequence_first);
       it != base_->tasks.end(); ++it)
    if (equal_names(it->second.name, name) && is_open(it->first))
      return true;
  return false;
}

void instance_draft::put_inbox(inbox_sequence sequence, history_event event) {
  record().next_inbox = std::max(record().next_inbox, sequence + 1);
  write_.inbox_put.emplace_back(sequence, inbox_message{std::move(event)});
}

void instance_draft::take_inbox(inbox_sequence sequence) {
  std::erase_if(write_.inbox_put,
                [&](const auto& row) { return row.first == sequence; });
  if (base_ != nullptr && base_->inbox.contains(sequence)
      && taken_.insert(sequence).second)
    write_.inbox_taken.push_back(sequence);
}

void instance_draft::remember(const request_id& request,
                              const management_answer& answer) {
  if (!request.empty())
    write_.requests.push_back(
      {request, answer.code,
       answer.code == errc::ok ? answer.id : answer.message, answer.execution});
}

std::vector<std::pair<inbox_sequence, history_event>>
instance_draft::inbox() const {
  std::vector<std::pair<inbox_sequence, history_event>> left;
  if (base_ != nullptr && !write_.removed)
    for (const auto& [sequence, message] : base_->inbox)
      if (!taken_.contains(sequence))
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
      if (!taken_.contains(sequence) && deliverable(message.event))
        return true;
  return std::any_of(
    write_.inbox_put.begin(), write_.inbox_put.end(),
    [&](const auto& row) { return deliverable(row.second.event); });
}

instance_write instance_draft::finish(timestamp now) && {
  record().last_updated_at = now;
  return std::move(write_);
}

std::uint64_t payload_bytes_of(const history_body& body) {
  return std::visit(
    [](const auto& x) -> std::uint64_t {
      std::uint64_t bytes = 32; // the frame of a small event on disk
      if constexpr (requires { x.input; })
        bytes += x.input.size();
      if constexpr (requires { x.result; })
        bytes += x.result.size();
      if constexpr (requires { x.name; })
        bytes += x.name.size();
      if constexpr (requires { x.reason; })
        bytes += x.reason.size();
      if constexpr (requires { x.failure; })
        bytes += x.failure.message.size() + x.failure.type.size();
      return bytes;
    },
    body);
}

execution_id next_execution(const execution_id& previous,
                            std::uint32_t generation) {
  return hash_hex32(previous + "/" + std::to_string(generation));
}

} // namespace perdura::actors
