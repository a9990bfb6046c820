// SPDX-License-Identifier: Apache-2.0
#include "real/golden_reading.hpp"

#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/records/checksum.hpp"
#include "tests/support/outbox_reading.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>

namespace perdura::tests {

namespace fs = std::filesystem;

using nlohmann::json;
using persistence::history_event;
using persistence::partition_id;
using persistence::timestamp;

namespace {

/// A value of more than 400 bytes is described by its size and its XXH3-64.
json value_of(const std::string& text) {
  if (text.size() <= 400)
    return text;
  std::ostringstream out;
  out << text.size() << " bytes, XXH3 " << std::hex
      << persistence::checksum_of(text);
  return out.str();
}

/// Returns null for the time 0, which means "never".
json time_of(timestamp time) {
  return time == timestamp{} ? json(nullptr) : json(client::to_iso(time));
}

json failure_of(const persistence::failure_details& failure) {
  return {{"type", failure.type}, {"message", failure.message}};
}

json parent_of(const persistence::parent_link& parent) {
  if (parent.instance.empty())
    return nullptr;
  return {{"instance", parent.instance},
          {"execution", parent.execution},
          {"sequence", parent.sequence}};
}

struct event_fields {
  json& out;

  void operator()(const persistence::orchestrator_started&) const {}

  void operator()(const persistence::execution_started& x) const {
    out["name"] = x.name;
    out["version"] = x.version;
    out["input"] = value_of(x.input);
    out["execution"] = x.execution;
    out["parent"] = tests::parent_of(x.parent);
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
    out["failure"] = tests::failure_of(x.failure);
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
    out["failure"] = tests::failure_of(x.failure);
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
    out["reruns"] = json::array();
    for (const persistence::task_rerun& rerun : x.reruns)
      out["reruns"].push_back({rerun.old_sequence, rerun.new_sequence});
    out["nextSequence"] = x.next_sequence;
  }

  void operator()(const persistence::execution_completed& x) const {
    out["status"] = x.status == persistence::completion_status::failed
                      ? "Failed"
                      : "Completed";
    out["result"] = value_of(x.result);
    out["failure"] = tests::failure_of(x.failure);
  }

  void operator()(const persistence::continue_as_new& x) const {
    out["input"] = value_of(x.input);
  }

  void operator()(const persistence::orchestrator_completed& x) const {
    out["failuresTaken"] = x.failures_received;
  }
};

json event_of(const history_event& event) {
  json out;
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

json record_of(const persistence::instance_record& x) {
  json out;
  out["name"] = x.name;
  out["version"] = x.version;
  out["execution"] = x.execution;
  out["status"] = name_of(x.status);
  out["statusResumed"] = name_of(x.status_resumed);
  out["createdAt"] = time_of(x.created_at);
  out["lastUpdatedAt"] = time_of(x.last_updated_at);
  out["endedAt"] = time_of(x.ended_at);
  out["scheduledAt"] = time_of(x.scheduled_at);
  out["parent"] = tests::parent_of(x.parent);
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

json task_of(persistence::task_sequence sequence,
             const persistence::open_task& x) {
  return {{"sequence", sequence}, {"kind", name_of(x.kind)},
          {"name", x.name},       {"fireAt", time_of(x.fire_at)},
          {"child", x.child},     {"scheduledEvent", x.scheduled_event},
          {"attempt", x.attempt}};
}

struct message_fields {
  json& out;

  void operator()(const persistence::child_start& x) const {
    out["kind"] = "child start";
    out["name"] = x.name;
    out["version"] = x.version;
    out["input"] = value_of(x.input);
    out["parent"] = tests::parent_of(x.parent);
  }

  void operator()(const persistence::child_ended& x) const {
    out["kind"] = "child ended";
    out["execution"] = x.execution;
    out["task"] = x.sequence;
    out["failed"] = x.failed;
    out["result"] = value_of(x.result);
    out["failure"] = tests::failure_of(x.failure);
  }

  void operator()(const persistence::child_rewind& x) const {
    out["kind"] = "child rewind";
    out["reason"] = x.reason;
    out["parent"] = tests::parent_of(x.parent);
  }

  void operator()(const persistence::child_terminate& x) const {
    out["kind"] = "child terminate";
    out["reason"] = x.reason;
    out["parent"] = tests::parent_of(x.parent);
  }

  // No directory of an older format holds one.
  void operator()(const persistence::rule_notice&) const {
    out["kind"] = "rule";
  }

  void operator()(const persistence::event_send& x) const {
    out["kind"] = "event";
    out["name"] = x.name;
    out["input"] = value_of(x.input);
  }
};

json describe_instance(const persistence::state_reader& journal,
                       persistence::partition_id partition,
                       const persistence::instance_row& row) {
  const auto stored = journal.read(partition, row.id).value().value();
  json out;
  out["partition"] = persistence::index_of(partition);
  out["record"] = record_of(stored.record);
  out["customStatus"] = stored.custom_status;
  out["input"] = value_of(row.input);
  out["output"] = value_of(row.output);
  out["tasks"] = json::array();
  for (const auto& [sequence, task] : stored.tasks)
    out["tasks"].push_back(task_of(sequence, task));
  out["inbox"] = json::array();
  for (const auto& [sequence, message] : stored.inbox)
    out["inbox"].push_back(event_of(message.event));
  out["requests"] = json::array();
  for (const persistence::request_record& request : stored.requests)
    out["requests"].push_back({{"id", request.id},
                               {"detail", request.detail},
                               {"execution", request.execution}});
  out["history"] = json::array();
  for (const history_event& event : journal.history(partition, row.id).value())
    out["history"].push_back(event_of(event));
  return out;
}

json describe_partition(const persistence::state_reader& journal,
                        partition_id partition,
                        const persistence::partition_snapshot& now) {
  json out;
  out["incarnation"] = now.meta.incarnation;
  out["epoch"] = now.meta.epoch;
  out["sequence"] = now.meta.sequence;
  out["now"] = time_of(now.meta.now);
  out["outbox"] = json::array();
  for (const persistence::outbox_message& message :
       read_whole_outbox(journal, partition, now)) {
    json one;
    one["to"] = persistence::index_of(message.to);
    one["sequence"] = message.sequence;
    one["instance"] = message.to_instance;
    std::visit(message_fields{one}, message.body);
    out["outbox"].push_back(one);
  }
  out["outboxHeads"] = json::array();
  for (const persistence::outbox_range& range : now.outbox)
    out["outboxHeads"].push_back(
      {{"to", persistence::index_of(range.to)}, {"sequence", range.last}});
  out["marks"] = json::array();
  for (const persistence::dedup_mark& mark : now.marks)
    out["marks"].push_back({{"from", persistence::index_of(mark.from)},
                            {"sequence", mark.sequence}});
  return out;
}

fs::path golden_root() {
  const char* source = std::getenv("PERDURA_SOURCE_DIR");
  if (source == nullptr)
    throw std::runtime_error("PERDURA_SOURCE_DIR is not set");
  return fs::path(source) / "tests" / "golden";
}

/// Copies a directory and gives the copy the permissions of a data directory,
/// which other users cannot read. Git does not store these permissions.
void copy_closed(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  fs::permissions(to, fs::perms::owner_all);
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path copy = to / entry.path().filename();
    if (entry.is_directory()) {
      copy_closed(entry.path(), copy);
      continue;
    }
    fs::copy_file(entry.path(), copy);
    fs::permissions(copy, fs::perms::owner_read | fs::perms::owner_write);
  }
}

void compare(const json& expected, const json& found, const std::string& place,
             std::vector<std::string>& sentences) {
  const auto differs
    = [&](const std::string& how) { sentences.push_back(place + ": " + how); };
  if (expected.is_object() && found.is_object()) {
    for (const auto& [key, member] : expected.items())
      if (found.contains(key))
        compare(member, found[key], place + '/' + key, sentences);
      else
        differs("no member \"" + key + '"');
  } else if (expected.is_array() && found.is_array()) {
    if (expected.size() != found.size())
      differs(std::to_string(expected.size()) + " elements were written, "
              + std::to_string(found.size()) + " are read");
    for (std::size_t i = 0; i < std::min(expected.size(), found.size()); ++i)
      compare(expected[i], found[i], place + '/' + std::to_string(i),
              sentences);
  } else if (expected != found) {
    differs(expected.dump() + " was written, " + found.dump() + " is read");
  }
}

} // namespace

golden_copy::golden_copy(const std::string& name)
  : path_(home_.path() / fs::path(name).filename()) {
  copy_closed(golden_root() / name, path_);
}

std::string read_golden_file(const std::string& name) {
  std::ifstream file(golden_root() / name, std::ios::binary);
  if (!file)
    throw std::runtime_error("cannot read " + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> golden_files() {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(golden_root())) {
    const fs::path& path = entry.path();
    if (path.extension() == ".mdb" || path.extension() == ".json"
        || path.filename() == "hub")
      names.push_back(path.lexically_relative(golden_root()).generic_string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

json golden_description(const std::string& name) {
  return json::parse(read_golden_file(name + ".json"));
}

std::vector<std::string> differences(const json& written, const json& read) {
  std::vector<std::string> sentences;
  compare(written, read, "", sentences);
  return sentences;
}

json describe_event(const history_event& event) {
  return event_of(event);
}

json describe_directory(const fs::path& directory) {
  json out;
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
  out["partitions"] = json::object();
  std::map<std::string, json> instances;
  for (std::uint32_t i = 0; i < hub.partition_count; ++i) {
    if (!hub.nodes.empty() && hub.nodes[hub.owners[i]] != hub.node)
      continue;
    const persistence::partition_id partition{i};
    out["partitions"][std::to_string(i)]
      = describe_partition(journal, partition, journal.load(partition).value());
    persistence::instance_query all;
    all.top = persistence::page_rows_max;
    for (const persistence::instance_row& row :
         journal.query({partition}, all).value().rows)
      instances[row.id] = describe_instance(journal, partition, row);
  }
  out["instances"] = json::object();
  for (auto& [id, instance] : instances)
    out["instances"][id] = std::move(instance);
  journal.close();
  return out;
}

} // namespace perdura::tests
