// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/pending_writes.hpp"

#include <algorithm>
#include <iterator>

namespace perdura::persistence {

namespace {

/// Records an acknowledgement. Acknowledged messages need not be written at
/// all.
void acknowledge(pending_partition& partition, std::uint32_t to,
                 std::uint64_t sequence) {
  std::uint64_t& reached = partition.outbox_acknowledged[to];
  reached = std::max(reached, sequence);
  partition.outbox.erase(partition.outbox.lower_bound({to, 0}),
                         partition.outbox.upper_bound({to, reached}));
}

/// Deletes the windows below `window`.
void remove_requests(pending_requests& requests, request_window window) {
  if (window <= requests.removed_before)
    return;
  requests.removed_before = window;
  std::erase_if(requests.windows, [&](const request_count& each) {
    return each.window < window;
  });
  std::erase_if(requests.rows,
                [&](const auto& each) { return each.second.window < window; });
}

/// Merges the changes of a turn.
void add_requests(pending_requests& into, request_changes&& turn) {
  remove_requests(into, turn.removed_before);
  if (turn.since)
    into.since = turn.since;
  apply_to_windows(into.windows, turn);
  for (request_write& each : turn.rows)
    into.rows.insert_or_assign(
      each.key,
      pending_requests::entry{turn.count.window, std::move(each.row)});
}

/// Merges the requests of `newer` into `into`.
void merge_requests(pending_requests& into, const pending_requests& newer) {
  remove_requests(into, newer.removed_before);
  if (newer.since)
    into.since = newer.since;
  for (const auto& [key, entry] : newer.rows)
    into.rows.insert_or_assign(key, entry);
  for (const request_count& count : newer.windows)
    set_request_count(into.windows, count);
}

} // namespace

void merge_head(pending_partition& into, const pending_partition& newer) {
  into.epoch = newer.epoch;
  into.sequence = newer.sequence;
  into.now = newer.now;
  if (newer.anchor)
    into.anchor = newer.anchor;
  into.rules.insert(into.rules.end(), newer.rules.begin(), newer.rules.end());
  for (const auto& [key, message] : newer.outbox)
    into.outbox.insert_or_assign(key, message);
  for (const auto& [to, sequence] : newer.outbox_acknowledged)
    acknowledge(into, to, sequence);
  for (const auto& [to, sequence] : newer.outbox_heads) {
    std::uint64_t& head = into.outbox_heads[to];
    head = std::max(head, sequence);
  }
  for (const auto& [from, sequence] : newer.marks)
    into.marks[from] = sequence;
  merge_requests(into.requests, newer.requests);
}

void pending_writes::absorb(pending_writes&& newer) {
  bytes_ += newer.bytes_;
  for (auto& [number, from] : newer.partitions_) {
    pending_partition& into = partitions_[number];
    merge_head(into, from);
    for (auto& [id, write] : from.instances) {
      const auto [i, fresh] = into.instances.try_emplace(id);
      if (fresh) {
        i->second = std::move(write);
        ++instances_;
      } else {
        merge(i->second, std::move(write));
      }
    }
  }
  newer = {};
}

void pending_writes::add(turn_writes&& turn, std::size_t bytes) {
  bytes_ += bytes;
  pending_partition& partition = partitions_[index_of(turn.partition)];
  partition.epoch = turn.epoch;
  partition.sequence = turn.sequence;
  partition.now = turn.now;
  if (turn.anchor)
    partition.anchor = std::move(turn.anchor);
  std::move(turn.rules.begin(), turn.rules.end(),
            std::back_inserter(partition.rules));
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
  for (const outbox_mark& mark : turn.outbox_acknowledged)
    acknowledge(partition, index_of(mark.to), mark.sequence);
  for (const dedup_mark& mark : turn.marks)
    partition.marks[index_of(mark.from)] = mark.sequence;
  if (turn.requests)
    add_requests(partition.requests, std::move(*turn.requests));
}

const pending_partition* pending_writes::find(partition_id partition) const {
  const auto p = partitions_.find(index_of(partition));
  return p == partitions_.end() ? nullptr : &p->second;
}

const request_row* pending_writes::find_request(partition_id partition,
                                                const hash128& key) const {
  const pending_partition* p = find(partition);
  if (p == nullptr)
    return nullptr;
  const auto found = p->requests.rows.find(key);
  return found == p->requests.rows.end() ? nullptr : &found->second.row;
}

const instance_write* pending_writes::find(partition_id partition,
                                           const instance_id& id) const {
  const pending_partition* p = find(partition);
  if (p == nullptr)
    return nullptr;
  const auto i = p->instances.find(id);
  return i == p->instances.end() ? nullptr : &i->second;
}

} // namespace perdura::persistence
