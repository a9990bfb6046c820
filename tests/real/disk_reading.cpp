// SPDX-License-Identifier: Apache-2.0
#include "real/disk_reading.hpp"

#include "persistence/journal/lmdb_journal.hpp"

namespace perdura::tests {

using namespace persistence;

namespace {

/// Adds the key of an activity result to `results`.
void add_result(const history_body& body, const std::string& prefix,
                std::set<std::string>& results) {
  if (const auto* done = std::get_if<persistence::task_completed>(&body))
    results.insert(prefix + std::to_string(done->sequence));
  if (const auto* failed = std::get_if<persistence::task_failed>(&body))
    results.insert(prefix + std::to_string(failed->sequence));
}

/// Whether the node of this directory owns the partition. A hub without a node
/// list has a single node.
bool is_owner(const hub_identity& hub, std::uint32_t partition) {
  return hub.nodes.empty() || hub.nodes[hub.owners[partition]] == hub.node;
}

void read_instance(const state_reader& stored, partition_id partition,
                   instance_row row, disk_reading& all) {
  const std::string prefix = row.id + "/" + row.record.execution + "/";
  instance_on_disk& one = all.instances[row.id];
  one.history = stored.history(partition, row.id).value();
  for (const history_event& event : one.history)
    add_result(event.body, prefix, all.results);
  // Results in the inbox are journaled although the orchestrator has not
  // received them.
  const auto instance = stored.read(partition, row.id).value();
  for (const auto& [sequence, message] : instance.value().inbox)
    add_result(message.event.body, prefix, all.results);
  one.record = std::move(row.record);
  one.input = std::move(row.input);
  one.output = std::move(row.output);
}

} // namespace

disk_reading read_disk(const std::filesystem::path& data_dir) {
  lmdb_journal_options options;
  options.directory = data_dir;
  // No journal threads are needed, as the test only reads.
  options.manual = true;
  const auto opened = open_lmdb_journal(std::move(options)).value();
  journal& stored = *opened;
  disk_reading all;
  for (std::uint32_t i = 0; i < stored.hub().partition_count; ++i) {
    if (!is_owner(stored.hub(), i))
      continue;
    const partition_id partition{i};
    const partition_snapshot now = stored.load(partition).value();
    all.partitions[partition] = now.meta;
    all.turns_due += now.turns_due.size();
    all.activities_open += now.activities.size();
    for (const outbox_range& range : now.outbox)
      all.outbox_messages += range.last + 1 - range.first;
    instance_query everything;
    everything.top = page_rows_max;
    do {
      instance_page page = stored.query({partition}, everything).value();
      for (instance_row& row : page.rows)
        read_instance(stored, partition, std::move(row), all);
      everything.token = page.token;
    } while (!everything.token.empty());
  }
  stored.close();
  return all;
}

} // namespace perdura::tests
