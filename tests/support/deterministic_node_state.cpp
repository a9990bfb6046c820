// SPDX-License-Identifier: Apache-2.0
#include "tests/support/deterministic_node.hpp"
#include "tests/support/partition_checks.hpp"

#include <algorithm>

// The functions that read the state of the node. Steps and recovery are in
// deterministic_node.cpp.

namespace perdura::tests {

using persistence::page_rows_max;

partition_id deterministic_node::partition_of(const instance_id& id) const {
  return partition_by_fnv(id, options_.partitions);
}

partition_processor& deterministic_node::partition(partition_id id) {
  return *partitions_[index_of(id)].processor;
}

const live_instance* deterministic_node::live(const instance_id& id) {
  const auto& instances = partition(partition_of(id)).live().instances;
  const auto found = instances.find(id);
  return found == instances.end() ? nullptr : &found->second;
}

const stored_instance*
deterministic_node::rows_in_memory(const instance_id& id) {
  return partition(partition_of(id)).durable().find(id);
}

std::vector<instance_row> deterministic_node::rows() {
  std::vector<partition_id> all;
  for (std::uint32_t i = 0; i < options_.partitions; ++i)
    all.push_back(partition_id{i});
  instance_query query;
  query.top = page_rows_max;
  std::vector<instance_row> rows;
  do {
    auto page = journal_->query(all, query);
    if (!page) {
      report_violation(page.error().message);
      break;
    }
    for (instance_row& row : page->rows)
      rows.push_back(std::move(row));
    query.token = page->token;
  } while (!query.token.empty());
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return rows;
}

std::vector<history_event>
deterministic_node::history_of(const instance_id& id) {
  const persistence::state_reader& reader = *journal_;
  auto history = reader.history(partition_of(id), id);
  return history ? *history : std::vector<history_event>{};
}

std::optional<stored_instance>
deterministic_node::stored(const instance_id& id) {
  auto read = journal_->read(partition_of(id), id);
  return read ? *read : std::nullopt;
}

void deterministic_node::check_at_rest() {
  // A partition deletes an acknowledged outbox message up to half a second
  // after the acknowledgement.
  advance_time(std::chrono::seconds(2));
  for (std::uint32_t i = 0; i < options_.partitions; ++i)
    check_partition_at_rest(
      model_.durable(partition_id{i}), *partitions_[i].processor,
      [this](std::string sentence) { report_violation(std::move(sentence)); });
  for (std::uint32_t i = 0; i < options_.partitions; ++i)
    journal_->check_reads(partition_id{i});
}

std::map<persistence::hash128, persistence::request_row>
deterministic_node::recorded_answers() const {
  std::map<persistence::hash128, persistence::request_row> all;
  for (std::uint32_t p = 0; p < options_.partitions; ++p)
    for (const auto& [key, entry] : model_.durable(partition_id(p)).requests)
      all.emplace(key, entry.second);
  return all;
}

} // namespace perdura::tests
