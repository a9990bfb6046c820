// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/pending_writes.hpp"

#include <algorithm>

namespace perdura::persistence {

void pending_writes::add(turn_writes&& turn, std::size_t bytes) {
  bytes_ += bytes;
  pending_partition& partition = partitions_[index_of(turn.partition)];
  partition.epoch = turn.epoch;
  partition.sequence = turn.sequence;
  partition.now = turn.now;
  // Later writes to an instance are merged into the first one.
  for (instance_write& write : turn.instances) {
    auto [i, fresh] = partition.instances.try_emplace(write.id);
    if (fresh) {
      i->second = std::move(write);
      ++instances_;
    } else {
      merge(i->second, std::move(write));
    }
  }
  // The last sequence assigned is kept in `outbox_heads`, because the messages
  // themselves are removed when they are acknowledged.
  for (outbox_message& message : turn.outbox) {
    const std::uint32_t to = index_of(message.to);
    std::uint64_t& head = partition.outbox_heads[to];
    head = std::max(head, message.sequence);
    partition.outbox.insert_or_assign({to, message.sequence},
                                      std::move(message));
  }
  for (const outbox_mark& mark : turn.outbox_acknowledged) {
    const std::uint32_t to = index_of(mark.to);
    std::uint64_t& reached = partition.outbox_acknowledged[to];
    reached = std::max(reached, mark.sequence);
    // Acknowledged messages need not be written at all.
    partition.outbox.erase(partition.outbox.lower_bound({to, 0}),
                           partition.outbox.upper_bound({to, reached}));
  }
  for (const dedup_mark& mark : turn.marks)
    partition.marks[index_of(mark.from)] = mark.sequence;
}

const instance_write* pending_writes::find(partition_id partition,
                                           const instance_id& id) const {
  const auto p = partitions_.find(index_of(partition));
  if (p == partitions_.end())
    return nullptr;
  const auto i = p->second.instances.find(id);
  return i == p->second.instances.end() ? nullptr : &i->second;
}

} // namespace perdura::persistence
