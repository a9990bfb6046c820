// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/pending_layers.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace perdura::persistence {

std::vector<const instance_write*>
pending_layers::writes_of(partition_id partition, const instance_id& id) const {
  std::vector<const instance_write*> writes;
  for (const layer& each : layers_)
    if (const instance_write* write = each->find(partition, id))
      writes.push_back(write);
  return writes;
}

bool pending_layers::contains(partition_id partition,
                              const instance_id& id) const {
  return std::any_of(layers_.begin(), layers_.end(), [&](const layer& each) {
    return each->find(partition, id) != nullptr;
  });
}

bool pending_layers::is_in_layer_after(std::size_t i, partition_id partition,
                                       const instance_id& id) const {
  for (++i; i < layers_.size(); ++i)
    if (layers_[i]->find(partition, id) != nullptr)
      return true;
  return false;
}

std::vector<partition_id> pending_layers::partitions() const {
  std::set<std::uint32_t> numbers;
  for (const layer& each : layers_)
    for (const auto& [number, part] : each->partitions())
      numbers.insert(number);
  std::vector<partition_id> partitions;
  for (const std::uint32_t number : numbers)
    partitions.push_back(partition_id(number));
  return partitions;
}

pending_layers::merged_partition
pending_layers::merge_partition(partition_id partition) const {
  merged_partition merged;
  merged.partition = partition;
  for (const layer& each : layers_) {
    const pending_partition* part = each->find(partition);
    if (part == nullptr)
      continue;
    for (const auto& [id, write] : part->instances)
      merged.writes.push_back(&write);
    if (merged.head == nullptr) {
      merged.head = part;
      continue;
    }
    if (!merged.head_copy) {
      merged.head_copy = std::make_unique<pending_partition>();
      merge_head(*merged.head_copy, *merged.head);
      merged.head = merged.head_copy.get();
    }
    merge_head(*merged.head_copy, *part);
  }
  // Stable, so that the writes of one instance stay in the order of the layers.
  std::stable_sort(merged.writes.begin(), merged.writes.end(),
                   [](const auto* a, const auto* b) { return a->id < b->id; });
  // Several writes of one instance become one.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < merged.writes.size(); ++i) {
    const instance_write* write = merged.writes[i];
    if (kept == 0 || merged.writes[kept - 1]->id != write->id) {
      merged.writes[kept++] = write;
      continue;
    }
    const instance_write*& earlier = merged.writes[kept - 1];
    if (merged.copies.empty() || earlier != &merged.copies.back())
      earlier = &merged.copies.emplace_back(*earlier);
    merge(merged.copies.back(), instance_write(*write));
  }
  merged.writes.resize(kept);
  merged.requests.reserve(merged.head->requests.rows.size());
  for (const auto& request : merged.head->requests.rows)
    merged.requests.push_back(&request);
  std::sort(merged.requests.begin(), merged.requests.end(),
            [](const auto* a, const auto* b) {
              return std::tie(a->second.window, a->first)
                     < std::tie(b->second.window, b->first);
            });
  return merged;
}

std::size_t pending_layers::instance_count() const {
  std::size_t count = 0;
  for (const layer& each : layers_)
    count += each->instance_count();
  return count;
}

} // namespace perdura::persistence
