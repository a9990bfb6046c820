#include "tests/support/checking_journal.hpp"

#include "persistence/records/codec.hpp"

#include <algorithm>

namespace perdura::tests {

checking_journal::checking_journal(std::unique_ptr<manual_journal> inner,
                                   ledger& book, planted_faults faults,
                                   complaint complain, state_finder state_of)
  : inner_(std::move(inner)),
    book_(book),
    faults_(faults),
    complain_(std::move(complain)),
    state_of_(std::move(state_of)) {}

bool checking_journal::commit() {
  if (queued_ == 0)
    return false;
  inner_->commit();
  if (inner_->crashed())
    return false;
  queued_ = 0;
  book_.commit();
  return true;
}

journal_position checking_journal::last_enqueued(partition_id partition) const {
  auto found = last_.find(partition);
  return found == last_.end() ? 0 : found->second;
}

/// decode(encode(writes)), applied to the old state, is the live new state.
void checking_journal::check_live(const turn_writes& writes) {
  const actors::partition_state* state = state_of_(writes.partition);
  if (state == nullptr)
    return;
  const ledger_partition& book = book_.now(writes.partition);
  for (const instance_write& write : writes.instances) {
    auto live = state->live.find(write.id);
    if (live == state->live.end())
      continue;
    auto kept = book.instances.find(write.id);
    const bool same = kept == book.instances.end()
                        ? !live->second.stored
                        : live->second.stored == kept->second.stored;
    if (!same)
      complain_("the live state of \"" + write.id
                + "\" is not what its turns make of it");
  }
}

journal_position checking_journal::enqueue(turn_writes writes) {
  if (faults_.lost_outbox)
    writes.outbox.clear();
  if (faults_.lost_marks)
    writes.marks.clear();
  auto again = decode<turn_writes>(encode(writes));
  if (!again)
    complain_("a turn does not decode: " + again.error().message);
  else if (*again != writes)
    complain_("a turn decodes to another one");
  for (std::string& sentence : book_.enqueue(again ? *again : writes))
    complain_(std::move(sentence));
  check_live(writes);
  ++queued_;
  const partition_id partition = writes.partition;
  return last_[partition] = inner_->enqueue(std::move(writes));
}

void checking_journal::check_snapshot(partition_id partition,
                                      const partition_snapshot& snapshot) {
  const ledger_partition& book = book_.durable(partition);
  const std::string here
    = "partition " + std::to_string(index_of(partition)) + ": ";
  if (snapshot.meta.epoch != book.meta.epoch
      || snapshot.meta.now != book.meta.now)
    complain_(here + "epoch or time is not what was durable");
  std::vector<outbox_message> outbox;
  for (const auto& [place, message] : book.outbox)
    outbox.push_back(message);
  std::vector<outbox_message> loaded = snapshot.outbox;
  std::sort(loaded.begin(), loaded.end(), [](const auto& a, const auto& b) {
    return std::tie(a.to, a.sequence) < std::tie(b.to, b.sequence);
  });
  if (loaded != outbox)
    complain_(here + "the outbox is not what was durable");
  std::map<partition_id, std::uint64_t> heads;
  for (const outbox_mark& mark : snapshot.outbox_marks)
    heads[mark.to] = mark.sequence;
  if (heads != book.outbox_heads)
    complain_(here + "the outbox heads are not what was durable");
  std::map<partition_id, std::uint64_t> marks;
  for (const dedup_mark& mark : snapshot.marks)
    marks[mark.from] = mark.sequence;
  if (marks != book.marks)
    complain_(here + "the marks are not what was durable");

  std::vector<instance_id> turns_due;
  std::vector<std::pair<instance_id, task_sequence>> activities;
  for (const auto& [id, instance] : book.instances) {
    if (instance.stored->record.turn_due)
      turns_due.push_back(id);
    for (const auto& [sequence, task] : instance.stored->tasks)
      if (task.kind == task_kind::activity)
        activities.emplace_back(id, sequence);
  }
  auto loaded_turns = snapshot.turns_due;
  std::sort(loaded_turns.begin(), loaded_turns.end());
  if (loaded_turns != turns_due)
    complain_(here + "the turns due are not what was durable");
  auto loaded_activities = snapshot.activities;
  std::sort(loaded_activities.begin(), loaded_activities.end());
  if (loaded_activities != activities)
    complain_(here + "the open activities are not what was durable");
}

void checking_journal::check_reads(partition_id partition) {
  for (const auto& [id, instance] : book_.durable(partition).instances) {
    auto stored = inner_->read(partition, id);
    if (!stored || *stored != instance.stored)
      complain_("\"" + id + "\" does not read as it was written");
    auto history = inner_->history(partition, id);
    if (!history || *history != instance.history)
      complain_("the history of \"" + id
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

result<partition_snapshot> checking_journal::load(partition_id partition) {
  auto snapshot = inner_->load(partition);
  if (snapshot) {
    for (std::string& sentence :
         book_.recover(partition, snapshot->meta.sequence))
      complain_(std::move(sentence));
    check_snapshot(partition, *snapshot);
  }
  return snapshot;
}

result<std::vector<due_task>> checking_journal::due(partition_id partition,
                                                    timestamp after,
                                                    timestamp until) {
  auto found = inner_->due(partition, after, until);
  if (!found)
    return found;
  std::vector<due_task> expected;
  for (const auto& [id, instance] : book_.durable(partition).instances)
    for (const auto& [sequence, task] : instance.stored->tasks)
      if ((task.kind == task_kind::timer
           || task.kind == task_kind::scheduled_start)
          && after < task.fire_at && task.fire_at <= until)
        expected.push_back({task.fire_at, id, sequence});
  std::sort(expected.begin(), expected.end());
  if (*found != expected)
    complain_("the timers due are not those that are open");
  return found;
}

result<instance_page>
checking_journal::query(const std::vector<partition_id>& partitions,
                        const instance_query& query) {
  return inner_->query(partitions, query);
}

result<status_counts>
checking_journal::count(const std::vector<partition_id>& partitions) {
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
