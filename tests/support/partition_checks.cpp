#include "tests/support/partition_checks.hpp"

namespace perdura::tests {

using namespace actors;

std::string key_of(const activity_work_item& item) {
  return item.instance + "/" + item.execution + "/"
         + std::to_string(item.sequence);
}

void check_activity(const ledger_partition& durable,
                    const activity_work_item& item,
                    const complaint_sink& complain) {
  const std::string what = "activity " + item.name + " " + key_of(item);
  if (durable.has_result(item.instance, item.execution, item.sequence))
    complain(what + " runs although its result is journaled");
  // A new execution may have begun since, and the instance may have been
  // purged.
  if (!durable.executions.contains(item.execution))
    complain(what + " runs, and its execution is not durable");
  const auto known = durable.instances.find(item.instance);
  if (known != durable.instances.end()
      && known->second.stored->record.execution == item.execution
      && known->second.stored->record.next_sequence <= item.sequence)
    complain(what + " runs before its cause is durable");
}

void check_partition_at_rest(const ledger_partition& durable,
                             const partition_state& state,
                             const complaint_sink& complain) {
  const std::string here
    = "partition " + std::to_string(index_of(state.config.id)) + ": ";
  if (!durable.outbox.empty())
    complain(here + "the outbox is not empty at rest");
  for (const auto& [to, messages] : state.outbox)
    if (!messages.empty())
      complain(here + "the outbox in memory is not empty at rest");
  for (const auto& [from, waiting] : state.marks_waiting)
    if (!waiting.empty())
      complain(here + "a mark still waits at rest");
  for (const auto& [id, live] : state.live)
    if (live.starting || !live.arrived.empty() || live.turn_out)
      complain(here + "\"" + id + "\" is busy at rest");
  for (const auto& [id, instance] : durable.instances) {
    const stored_instance& stored = *instance.stored;
    if (stored.record.turn_due)
      complain(here + "a turn of \"" + id + "\" is due at rest");
    const runtime_status status = stored.record.status;
    if (!is_finished(status) || status == runtime_status::failed)
      continue;
    if (!stored.tasks.empty())
      complain(here + "\"" + id + "\" has ended with open tasks");
    for (const auto& [number, message] : stored.inbox)
      if (!std::holds_alternative<event_raised>(message.event.body))
        complain(here + "\"" + id + "\" has ended with a result unread");
  }
}

} // namespace perdura::tests
