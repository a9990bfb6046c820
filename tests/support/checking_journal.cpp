// SPDX-License-Identifier: Apache-2.0
#include "tests/support/checking_journal.hpp"

#include "persistence/records/codec.hpp"

#include <algorithm>

namespace perdura::tests {

using namespace persistence;

checking_journal::checking_journal(std::unique_ptr<manual_journal> inner,
                                   journal_model& model, planted_faults faults,
                                   violation_sink report_violation,
                                   processor_finder processor_of)
  : inner_(std::move(inner)),
    model_(model),
    faults_(faults),
    report_violation_(std::move(report_violation)),
    processor_of_(std::move(processor_of)) {}

bool checking_journal::commit() {
  if (queued_ == 0)
    return false;
  inner_->commit();
  if (inner_->crashed())
    return false;
  queued_ = 0;
  model_.commit();
  return true;
}

journal_position checking_journal::last_enqueued(partition_id partition) const {
  auto found = last_.find(partition);
  return found == last_.end() ? 0 : found->second;
}

/// Checks that each written instance has the same state in memory as in the
/// model. Called after the model has applied the decoded writes of the turn.
void checking_journal::check_live(const turn_writes& writes) {
  const actors::partition_processor* processor
    = processor_of_(writes.partition);
  if (processor == nullptr)
    return;
  const model_partition& model = model_.now(writes.partition);
  for (const instance_write& write : writes.instances) {
    if (!processor->live().instances.contains(write.id))
      continue;
    const stored_instance* rows = processor->durable().find(write.id);
    auto kept = model.instances.find(write.id);
    const bool same = kept == model.instances.end()
                        ? rows == nullptr
                        : rows != nullptr && *rows == *kept->second.stored;
    if (!same)
      report_violation_("the state in memory of \"" + write.id
                        + "\" differs from the result of its turns");
  }
}

/// Applies the planted faults, checks that the turn survives encoding, records
/// it in the model and passes it on.
journal_position checking_journal::append(turn_writes writes) {
  if (faults_.lost_outbox)
    writes.outbox.clear();
  if (faults_.lost_marks)
    writes.marks.clear();
  auto again = decode<turn_writes>(encode(writes));
  if (!again)
    report_violation_("a turn does not decode: " + again.error().message);
  else if (*again != writes)
    report_violation_("a turn decodes to a different turn");
  for (std::string& sentence : model_.enqueue(again ? *again : writes))
    report_violation_(std::move(sentence));
  check_live(writes);
  ++queued_;
  const partition_id partition = writes.partition;
  return last_[partition] = inner_->append(std::move(writes));
}

/// Forwarded, although a journal in manual mode makes no commit here.
std::optional<journal_position>
checking_journal::request_commit(partition_id partition, bool may_block) {
  return inner_->request_commit(partition, may_block);
}

/// Compares the state that recovery loads with the durable state of the model:
/// meta data, outbox, marks, due turns and open activities.
void checking_journal::check_snapshot(partition_id partition,
                                      const partition_snapshot& snapshot) {
  const model_partition& model = model_.durable(partition);
  const std::string here
    = "partition " + std::to_string(index_of(partition)) + ": ";
  if (snapshot.meta.epoch != model.meta.epoch
      || snapshot.meta.now != model.meta.now)
    report_violation_(here
                      + "the epoch or the time differs from the durable one");
  std::vector<outbox_message> outbox;
  for (const auto& [place, message] : model.outbox)
    outbox.push_back(message);
  std::vector<outbox_message> loaded = snapshot.outbox;
  std::sort(loaded.begin(), loaded.end(), [](const auto& a, const auto& b) {
    return std::tie(a.to, a.sequence) < std::tie(b.to, b.sequence);
  });
  if (loaded != outbox)
    report_violation_(here + "the outbox differs from the durable one");
  std::map<partition_id, std::uint64_t> heads;
  for (const outbox_mark& mark : snapshot.outbox_marks)
    heads[mark.to] = mark.sequence;
  if (heads != model.outbox_heads)
    report_violation_(here + "the outbox heads differ from the durable ones");
  std::map<partition_id, std::uint64_t> marks;
  for (const dedup_mark& mark : snapshot.marks)
    marks[mark.from] = mark.sequence;
  if (marks != model.marks)
    report_violation_(here + "the marks differ from the durable ones");

  std::vector<instance_id> turns_due;
  std::vector<std::pair<instance_id, task_sequence>> activities;
  for (const auto& [id, instance] : model.instances) {
    if (instance.stored->record.turn_due)
      turns_due.push_back(id);
    for (const auto& [sequence, task] : instance.stored->tasks)
      if (task.kind == task_kind::activity)
        activities.emplace_back(id, sequence);
  }
  auto loaded_turns = snapshot.turns_due;
  std::sort(loaded_turns.begin(), loaded_turns.end());
  if (loaded_turns != turns_due)
    report_violation_(here + "the turns due differ from the durable ones");
  auto loaded_activities = snapshot.activities;
  std::sort(loaded_activities.begin(), loaded_activities.end());
  if (loaded_activities != activities)
    report_violation_(here
                      + "the open activities differ from the durable ones");
}

void checking_journal::check_reads(partition_id partition) {
  for (const auto& [id, instance] : model_.durable(partition).instances) {
    auto stored = inner_->read(partition, id);
    if (!stored || *stored != instance.stored)
      report_violation_("\"" + id + "\" does not read as it was written");
    auto history = inner_->history(partition, id);
    if (!history || *history != instance.history)
      report_violation_("the history of \"" + id
                        + "\" does not read as it was written");
  }
}

const hub_identity& checking_journal::hub() const {
  return inner_->hub();
}

void checking_journal::listen(
  partition_id partition, std::function<void(journal_position)> on_durable) {
  inner_->listen(partition, std::move(on_durable));
}

journal_position checking_journal::durable(partition_id partition) const {
  return inner_->durable(partition);
}

result<std::optional<stored_instance>>
checking_journal::read(partition_id partition, const instance_id& id) const {
  return inner_->read(partition, id);
}

result<std::vector<history_event>>
checking_journal::history(partition_id partition, const instance_id& id,
                          event_index first, std::size_t count_max) const {
  return inner_->history(partition, id, first, count_max);
}

/// Called once for each partition in a recovery. The model drops the turns
/// that were queued and not durable.
result<partition_snapshot> checking_journal::load(partition_id partition) {
  auto snapshot = inner_->load(partition);
  if (snapshot) {
    for (std::string& sentence :
         model_.recover(partition, snapshot->meta.sequence))
      report_violation_(std::move(sentence));
    check_snapshot(partition, *snapshot);
  }
  return snapshot;
}

/// Compares the due timers with the open timers and scheduled starts of the
/// model.
result<std::vector<due_task>> checking_journal::due(partition_id partition,
                                                    timestamp after,
                                                    timestamp until) const {
  auto found = inner_->due(partition, after, until);
  if (!found)
    return found;
  std::vector<due_task> expected;
  for (const auto& [id, instance] : model_.durable(partition).instances)
    for (const auto& [sequence, task] : instance.stored->tasks)
      if ((task.kind == task_kind::timer
           || task.kind == task_kind::scheduled_start)
          && after < task.fire_at && task.fire_at <= until)
        expected.push_back({task.fire_at, id, sequence});
  std::sort(expected.begin(), expected.end());
  if (*found != expected)
    report_violation_("the timers due differ from the open timers");
  return found;
}

result<instance_page>
checking_journal::query(const std::vector<partition_id>& partitions,
                        const instance_query& query) const {
  return inner_->query(partitions, query);
}

result<status_counts>
checking_journal::count(const std::vector<partition_id>& partitions) const {
  return inner_->count(partitions);
}

bool checking_journal::is_full() const {
  return full || inner_->is_full();
}

journal_statistics checking_journal::statistics() const {
  return inner_->statistics();
}

void checking_journal::close() {
  inner_->close();
}

} // namespace perdura::tests
