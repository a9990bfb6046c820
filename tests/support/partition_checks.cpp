// SPDX-License-Identifier: Apache-2.0
#include "tests/support/partition_checks.hpp"

namespace perdura::tests {

using namespace persistence;

using namespace actors;

std::string key_of(const activity_work_item& item) {
  return item.instance + "/" + item.execution + "/"
         + std::to_string(item.sequence);
}

void check_activity(const model_partition& durable,
                    const activity_work_item& item,
                    const violation_sink& report_violation) {
  const std::string what = "activity " + item.name + " " + key_of(item);
  if (durable.has_result(item.instance, item.execution, item.sequence))
    report_violation(what + " runs although its result is journaled");
  // All executions are searched, not only the current one: after the activity
  // was scheduled, a new execution may have begun, or the instance may have
  // been purged.
  if (!durable.executions.contains(item.execution))
    report_violation(what + " runs, and its execution is not durable");
  const auto known = durable.instances.find(item.instance);
  if (known != durable.instances.end()
      && known->second.stored->record.execution == item.execution
      && known->second.stored->record.next_sequence <= item.sequence)
    report_violation(what + " runs before its cause is durable");
}

void make_late_child(const partition_processor& processor, inbound& message) {
  auto* sent = std::get_if<partition_message>(&message);
  auto* start
    = sent == nullptr ? nullptr : std::get_if<child_start>(&sent->message.body);
  if (start != nullptr
      && find_tree_above(processor.durable().meta.rules, start->place)
           != nullptr)
    start->place.depth = 0;
}

void check_partition_at_rest(const model_partition& durable,
                             const partition_processor& processor,
                             const violation_sink& report_violation) {
  const std::string here
    = "partition " + std::to_string(index_of(processor.durable().config.id))
      + ": ";
  if (!durable.outbox.empty())
    report_violation(here + "the outbox is not empty at rest");
  for (const auto& [to, box] : processor.durable().outbox)
    if (!box.empty() || !box.kept.empty())
      report_violation(here + "the outbox in memory is not empty at rest");
  if (processor.durable().outbox_bytes != 0)
    report_violation(here + "the outbox in memory has a size at rest");
  if (!processor.live().outbox_waits.empty()
      || !processor.live().full_outboxes.empty())
    report_violation(here + "a turn waits for an outbox at rest");
  for (const auto& [from, waiting] : processor.live().marks_pending)
    if (!waiting.empty())
      report_violation(here + "a mark is still pending at rest");
  for (const auto& [id, live] : processor.live().instances)
    if (live.starting || !live.arrived.empty() || live.turn_out)
      report_violation(here + "\"" + id + "\" is busy at rest");
  for (const auto& [id, instance] : durable.instances) {
    const stored_instance& stored = *instance.stored;
    if (stored.record.turn_due)
      report_violation(here + "a turn of \"" + id + "\" is due at rest");
    const runtime_status status = stored.record.status;
    if (!is_finished(status) || status == runtime_status::failed)
      continue;
    if (!stored.tasks.empty())
      report_violation(here + "\"" + id + "\" has ended with open tasks");
    for (const auto& [number, message] : stored.inbox)
      if (!std::holds_alternative<event_raised>(message.event.body))
        report_violation(here + "\"" + id
                         + "\" has ended with an unread result");
  }
}

} // namespace perdura::tests
