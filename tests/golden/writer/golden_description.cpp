// SPDX-License-Identifier: Apache-2.0
// Uses the headers of commit 4957661; see ../README.md. Do not adapt it to
// newer code.
#include "golden_description.hpp"

#include "persistence/checksum.hpp"
#include "persistence/group_committer.hpp"
#include "persistence/journal_record.hpp"
#include "persistence/lmdb_journal.hpp"
#include "persistence/rows.hpp"
#include "persistence/verify.hpp"
#include <perdura/client/orchestration_status.hpp>

#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

namespace perdura::golden {

namespace fs = std::filesystem;

using persistence::history_event;
using persistence::timestamp;
using ordered = nlohmann::ordered_json;

namespace {

/// A value of more than 400 bytes is described by its size and its XXH3-64.
ordered value_of(const std::string& text) {
  if (text.size() <= 400)
    return text;
  std::ostringstream out;
  out << text.size() << " bytes, XXH3 " << std::hex
      << persistence::checksum_of(text);
  return out.str();
}

/// Null for the epoch, which means "never".
ordered time_of(timestamp time) {
  return time == timestamp{} ? ordered(nullptr) : ordered(client::to_iso(time));
}

ordered failure_of(const persistence::failure_details& failure) {
  return {{"type", failure.type}, {"message", failure.message}};
}

ordered parent_of(const persistence::parent_link& parent) {
  if (parent.instance.empty())
    return nullptr;
  return {{"instance", parent.instance},
          {"execution", parent.execution},
          {"sequence", parent.sequence}};
}

struct event_fields {
  ordered& out;

  void operator()(const persistence::orchestrator_started&) const {}

  void operator()(const persistence::execution_started& x) const {
    out["name"] = x.name;
    out["version"] = x.version;
    out["input"] = value_of(x.input);
    out["execution"] = x.execution;
    out["parent"] = golden::parent_of(x.parent);
    out["scheduledAt"] = time_of(x.scheduled_at);
    out["generation"] = x.generation;
  }

  void operator()(const persistence::task_scheduled& x) const {
    out["sequence"] = x.sequence;
    out["name"] = x.name;
    out["input"] = value_of(x.input);
    out["attempt"] = x.attempt;
    out["timeOutUs"] = x.time_out.count();
    out["startTimeOutUs"] = x.start_time_out.count();
  }

  void operator()(const persistence::task_completed& x) const {
    out["sequence"] = x.sequence;
    out["result"] = value_of(x.result);
  }

  void operator()(const persistence::task_failed& x) const {
    out["sequence"] = x.sequence;
    out["failure"] = golden::failure_of(x.failure);
  }

  void operator()(const persistence::timer_created& x) const {
    out["sequence"] = x.sequence;
    out["fireAt"] = time_of(x.fire_at);
  }

  void operator()(const persistence::timer_fired& x) const {
    out["sequence"] = x.sequence;
    out["fireAt"] = time_of(x.fire_at);
  }

  void
  operator()(const persistence::sub_orchestration_instance_created& x) const {
    out["sequence"] = x.sequence;
    out["name"] = x.name;
    out["version"] = x.version;
    out["instance"] = x.instance;
    out["input"] = value_of(x.input);
  }

  void
  operator()(const persistence::sub_orchestration_instance_completed& x) const {
    out["sequence"] = x.sequence;
    out["result"] = value_of(x.result);
  }

  void
  operator()(const persistence::sub_orchestration_instance_failed& x) const {
    out["sequence"] = x.sequence;
    out["failure"] = golden::failure_of(x.failure);
  }

  void operator()(const persistence::event_raised& x) const {
    out["name"] = x.name;
    out["input"] = value_of(x.input);
  }

  void operator()(const persistence::event_sent& x) const {
    out["sequence"] = x.sequence;
    out["instance"] = x.instance;
    out["name"] = x.name;
    out["input"] = value_of(x.input);
  }

  void operator()(const persistence::execution_suspended& x) const {
    out["reason"] = x.reason;
  }

  void operator()(const persistence::execution_resumed& x) const {
    out["reason"] = x.reason;
  }

  void operator()(const persistence::execution_terminated& x) const {
    out["reason"] = x.reason;
  }

  void operator()(const persistence::execution_rewound& x) const {
    out["reason"] = x.reason;
    out["turnFirst"] = x.turn_first;
    out["voided"] = x.voided;
    out["reruns"] = ordered::array();
    for (const persistence::task_rerun& rerun : x.reruns)
      out["reruns"].push_back({rerun.old_sequence, rerun.new_sequence});
    out["nextSequence"] = x.next_sequence;
  }

  void operator()(const persistence::execution_completed& x) const {
    out["status"] = x.status == persistence::completion_status::failed
                      ? "Failed"
                      : "Completed";
    out["result"] = value_of(x.result);
    out["failure"] = golden::failure_of(x.failure);
  }

  void operator()(const persistence::continue_as_new& x) const {
    out["input"] = value_of(x.input);
  }

  void operator()(const persistence::orchestrator_completed& x) const {
    out["failuresTaken"] = x.failures_received;
  }
};

ordered event_of(const history_event& event) {
  ordered out;
  out["event"] = persistence::name_of(event.body);
  out["time"] = time_of(event.time);
  std::visit(event_fields{out}, event.body);
  return out;
}

const char* name_of(persistence::runtime_status status) {
  return client::to_string(static_cast<client::runtime_status>(status));
}

const char* name_of(persistence::task_kind kind) {
  switch (kind) {
  case persistence::task_kind::activity:
    return "activity";
  case persistence::task_kind::timer:
    return "timer";
  case persistence::task_kind::sub_orchestration:
    return "sub-orchestration";
  case persistence::task_kind::event_wait:
    return "event wait";
  case persistence::task_kind::scheduled_start:
    return "scheduled start";
  }
  return "?";
}

ordered record_of(const persistence::instance_record& x) {
  ordered out;
  out["name"] = x.name;
  out["version"] = x.version;
  out["execution"] = x.execution;
  out["status"] = name_of(x.status);
  out["statusResumed"] = name_of(x.status_resumed);
  out["createdAt"] = time_of(x.created_at);
  out["lastUpdatedAt"] = time_of(x.last_updated_at);
  out["endedAt"] = time_of(x.ended_at);
  out["scheduledAt"] = time_of(x.scheduled_at);
  out["parent"] = golden::parent_of(x.parent);
  out["historyCount"] = x.history_count;
  out["historyBytes"] = x.history_bytes;
  out["outputEvent"] = x.output_event;
  out["nextSequence"] = x.next_sequence;
  out["nextInbox"] = x.next_inbox;
  out["generation"] = x.generation;
  out["turnDue"] = x.turn_due;
  out["held"] = x.held;
  return out;
}

ordered task_of(persistence::task_sequence sequence,
                const persistence::open_task& x) {
  return {{"sequence", sequence}, {"kind", name_of(x.kind)},
          {"name", x.name},       {"fireAt", time_of(x.fire_at)},
          {"child", x.child},     {"scheduledEvent", x.scheduled_event},
          {"attempt", x.attempt}};
}

struct message_fields {
  ordered& out;

  void operator()(const persistence::child_start& x) const {
    out["kind"] = "child start";
    out["name"] = x.name;
    out["version"] = x.version;
    out["input"] = value_of(x.input);
    out["parent"] = golden::parent_of(x.parent);
  }

  void operator()(const persistence::child_ended& x) const {
    out["kind"] = "child ended";
    out["execution"] = x.execution;
    out["task"] = x.sequence;
    out["failed"] = x.failed;
    out["result"] = value_of(x.result);
    out["failure"] = golden::failure_of(x.failure);
  }

  void operator()(const persistence::child_rewind& x) const {
    out["kind"] = "child rewind";
    out["reason"] = x.reason;
    out["parent"] = golden::parent_of(x.parent);
  }

  void operator()(const persistence::child_terminate& x) const {
    out["kind"] = "child terminate";
    out["reason"] = x.reason;
    out["parent"] = golden::parent_of(x.parent);
  }

  void operator()(const persistence::event_send& x) const {
    out["kind"] = "event";
    out["name"] = x.name;
    out["input"] = value_of(x.input);
  }
};

ordered describe_instance(const persistence::journal& journal,
                          persistence::partition_id partition,
                          const persistence::instance_row& row) {
  const auto stored = journal.read(partition, row.id).value().value();
  ordered out;
  out["partition"] = persistence::index_of(partition);
  out["record"] = record_of(stored.record);
  out["customStatus"] = stored.custom_status;
  out["input"] = value_of(row.input);
  out["output"] = value_of(row.output);
  out["tasks"] = ordered::array();
  for (const auto& [sequence, task] : stored.tasks)
    out["tasks"].push_back(task_of(sequence, task));
  out["inbox"] = ordered::array();
  for (const auto& [sequence, message] : stored.inbox)
    out["inbox"].push_back(event_of(message.event));
  out["requests"] = ordered::array();
  for (const persistence::request_record& request : stored.requests)
    out["requests"].push_back({{"id", request.id},
                               {"detail", request.detail},
                               {"execution", request.execution}});
  out["history"] = ordered::array();
  for (const history_event& event : journal.history(partition, row.id).value())
    out["history"].push_back(event_of(event));
  return out;
}

ordered describe_partition(const persistence::partition_snapshot& now) {
  ordered out;
  out["incarnation"] = now.meta.incarnation;
  out["epoch"] = now.meta.epoch;
  out["sequence"] = now.meta.sequence;
  out["now"] = time_of(now.meta.now);
  out["outbox"] = ordered::array();
  for (const persistence::outbox_message& message : now.outbox) {
    ordered one;
    one["to"] = persistence::index_of(message.to);
    one["sequence"] = message.sequence;
    one["instance"] = message.to_instance;
    std::visit(message_fields{one}, message.body);
    out["outbox"].push_back(one);
  }
  out["outboxHeads"] = ordered::array();
  for (const persistence::outbox_mark& mark : now.outbox_marks)
    out["outboxHeads"].push_back(
      {{"to", persistence::index_of(mark.to)}, {"sequence", mark.sequence}});
  out["marks"] = ordered::array();
  for (const persistence::dedup_mark& mark : now.marks)
    out["marks"].push_back({{"from", persistence::index_of(mark.from)},
                            {"sequence", mark.sequence}});
  return out;
}

/// The last position in the views, the last position in the journal, and the
/// instances that the turns between these positions have changed.
ordered describe_journal(const fs::path& directory) {
  using namespace persistence;
  const lmdb_rows rows(views_directory(directory, 0), false);
  const lmdb_log log(journal_directory(directory, 0), false);
  const auto applied
    = get_row<journal_position>(*rows.read(), table::meta, applied_key).value();
  journal_position end = applied;
  std::set<std::string> instances;
  while (const auto stored = log.read(end + 1)) {
    const journal_record record
      = open_record(stored->first, 0, stored->bytes).value();
    for (const partition_turns& group : record.partitions)
      for (const encoded_turn& turn : group.turns)
        for (const instance_write& write :
             decode<turn_writes>(turn.bytes).value().instances)
          instances.insert(write.id);
    end = record.first + record.count - 1;
  }
  std::size_t in_views = 0;
  for_each_row(*rows.read(), table::by_created, {},
               [&](auto, auto) { ++in_views; });
  ordered out;
  out["instancesInTheViews"] = in_views;
  out["viewsReach"] = applied;
  out["journalReaches"] = end;
  out["changedInTheJournalAlone"] = instances;
  return out;
}

} // namespace

ordered describe(const fs::path& directory) {
  ordered out;
  const persistence::verification found
    = persistence::verify_hub(directory).value();
  if (!found.problems.empty())
    throw std::runtime_error(found.problems.front());
  out["journal"] = describe_journal(directory);
  persistence::lmdb_journal_options options;
  options.directory = directory;
  options.manual = true;
  const auto opened
    = persistence::open_lmdb_journal(std::move(options)).value();
  persistence::journal& journal = *opened;
  const persistence::hub_identity& hub = journal.hub();
  out["hub"] = {{"id", hub.hub_id},
                {"name", hub.name},
                {"partitions", hub.partition_count},
                {"lanes", hub.lane_count},
                {"createdAt", time_of(hub.created_at)},
                {"node", hub.node},
                {"nodes", hub.nodes},
                {"owners", hub.owners},
                {"directory", hub.directory_id}};
  out["partitions"] = ordered::object();
  std::map<std::string, ordered> instances;
  for (std::uint32_t i = 0; i < hub.partition_count; ++i) {
    if (!hub.nodes.empty() && hub.nodes[hub.owners[i]] != hub.node)
      continue;
    const persistence::partition_id partition{i};
    out["partitions"][std::to_string(i)]
      = describe_partition(journal.load(partition).value());
    persistence::instance_query all;
    all.top = persistence::page_rows_max;
    for (const persistence::instance_row& row :
         journal.query({partition}, all).value().rows)
      instances[row.id] = describe_instance(journal, partition, row);
  }
  out["instances"] = ordered::object();
  for (auto& [id, instance] : instances)
    out["instances"][id] = std::move(instance);
  journal.close();
  return out;
}

} // namespace perdura::golden
