// SPDX-License-Identifier: Apache-2.0
#include "tests/support/checking_journal.hpp"

#include "persistence/records/codec.hpp"
#include "persistence/records/keys.hpp"

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

namespace {

// An inbox above this size is compared whole only in every 64th turn: the time
// of a test that fills it would grow with the square of its size.
constexpr std::size_t inbox_compared_max = 500;
constexpr std::uint64_t turns_between_comparisons = 64;

bool is_same(const stored_instance& rows, const stored_instance& model,
             std::uint64_t turn_number) {
  if (rows.inbox.size() <= inbox_compared_max
      || turn_number % turns_between_comparisons == 0)
    return rows == model;
  return rows.record == model.record && rows.inbox.size() == model.inbox.size();
}

} // namespace

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
    const bool same
      = kept == model.instances.end()
          ? rows == nullptr
          : rows != nullptr
              && is_same(*rows, *kept->second.stored, writes.sequence);
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
  if (faults_.lost_activities)
    for (persistence::instance_write& write : writes.instances)
      if (write.reset
          || (write.record && persistence::is_finished(write.record->status)))
        write.tasks_opened.clear();
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
      || snapshot.meta.now != model.meta.now
      || snapshot.meta.anchor != model.meta.anchor)
    report_violation_(here
                      + "the epoch or the time differs from the durable one");
  if (snapshot.meta.rules != model.meta.rules)
    report_violation_(here + "the rules differ from the durable ones");
  std::map<partition_id, outbox_range> expected;
  for (const auto& [to, last] : model.outbox_heads)
    expected[to] = {to, last + 1, last};
  std::vector<outbox_message> quarantined;
  for (const auto& [place, message] : model.outbox) {
    outbox_range& range = expected[message.to];
    range.first = std::min(range.first, message.sequence);
    if (message.to == quarantine_partition)
      quarantined.push_back(message);
  }
  std::map<partition_id, outbox_range> loaded;
  for (const outbox_range& range : snapshot.outbox) {
    loaded[range.to] = range;
    check_outbox(partition, range);
  }
  if (loaded != expected)
    report_violation_(here + "the outbox differs from the durable one");
  if (snapshot.quarantined != quarantined)
    report_violation_(here + "the quarantine differs from the durable one");
  std::map<partition_id, std::uint64_t> marks;
  for (const dedup_mark& mark : snapshot.marks)
    marks[mark.from] = mark.sequence;
  if (marks != model.marks)
    report_violation_(here + "the marks differ from the durable ones");

  if (snapshot.windows != model.windows
      || snapshot.meta.requests_since != model.meta.requests_since)
    report_violation_(here
                      + "the windows of requests differ from the durable ones");
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

/// Reads the messages of a range, in pages of different sizes, and compares
/// them with the model.
void checking_journal::check_outbox(partition_id partition,
                                    const outbox_range& range) {
  const model_partition& model = model_.durable(partition);
  std::size_t bytes_max = 1;
  for (std::uint64_t next = range.first; next <= range.last;) {
    const auto page
      = inner_->outbox(partition, range.to, next, range.last, bytes_max);
    if (!page || page->messages.empty()) {
      report_violation_("a page of an outbox is empty");
      return;
    }
    for (const outbox_message& message : page->messages) {
      const auto known = model.outbox.find({range.to, next++});
      if (known == model.outbox.end() || known->second != message)
        report_violation_("message " + std::to_string(next - 1)
                          + " of an outbox does not read as it was written");
    }
    bytes_max *= 3;
  }
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
  if (on_history_read)
    on_history_read(id);
  return inner_->history(partition, id, first, count_max);
}

std::vector<damaged_instance>
checking_journal::set_aside(partition_id partition) const {
  return inner_->set_aside(partition);
}

std::size_t checking_journal::set_aside_count(partition_id partition) const {
  return inner_->set_aside_count(partition);
}

/// Compares the answer with that of the model.
result<std::optional<request_row>>
checking_journal::read_request(partition_id partition,
                               const std::vector<request_window>& windows,
                               const hash128& key) const {
  auto found = inner_->read_request(partition, windows, key);
  if (!found)
    return found;
  const auto& known = model_.durable(partition).requests;
  const auto expected = known.find(key);
  const bool is_in_window
    = expected != known.end()
      && std::find(windows.begin(), windows.end(), expected->second.first)
           != windows.end();
  if (is_in_window && (!*found || **found != expected->second.second))
    report_violation_("a recorded answer does not read as it was written");
  if (*found && (expected == known.end() || **found != expected->second.second))
    report_violation_("an answer is read that no durable turn has recorded");
  return found;
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

result<outbox_page> checking_journal::outbox(partition_id partition,
                                             partition_id to,
                                             std::uint64_t first,
                                             std::uint64_t last,
                                             std::size_t bytes_max) const {
  auto page = inner_->outbox(partition, to, first, last, bytes_max);
  if (page && on_outbox_read)
    on_outbox_read(page->messages.size());
  return page;
}

/// Compares the due timers with the open timers and scheduled starts of the
/// model.
result<due_range> checking_journal::due(partition_id partition,
                                        time_scale scale, timestamp after,
                                        timestamp until) const {
  auto found = inner_->due(partition, scale, after, until);
  if (!found)
    return found;
  std::vector<due_task> expected;
  bool has_later = false;
  for (const auto& [id, instance] : model_.durable(partition).instances)
    for (const auto& [sequence, task] : instance.stored->tasks)
      if (has_due_time(task.kind) && after < due_of(task)) {
        has_later = has_later || due_of(task) > until;
        if (scale_of(task) == scale && due_of(task) <= until)
          expected.push_back({due_of(task), id, sequence});
      }
  std::sort(expected.begin(), expected.end());
  // Rows of tasks that turns in memory have closed may count as later.
  if (found->tasks != expected || (has_later && !found->has_later))
    report_violation_("the timers due differ from the open timers");
  return found;
}

result<instance_page>
checking_journal::page(partition_id partition,
                       const instance_query& query) const {
  return inner_->page(partition, query);
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

storage_space checking_journal::space() const {
  storage_space now = inner_->space();
  if (full)
    now.full = full_cause::disk;
  return now;
}

journal_statistics checking_journal::statistics() const {
  return inner_->statistics();
}

void checking_journal::close() {
  inner_->close();
}

} // namespace perdura::tests
