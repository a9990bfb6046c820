/// What is durable in the journal but not in the views yet, folded: one write
/// an instance, however many turns it had.
#pragma once

#include "persistence/records/turn_writes.hpp"

#include <map>
#include <unordered_map>

namespace perdura::persistence {

struct pending_partition {
  owner_epoch epoch = 0;
  partition_sequence sequence = 0;
  timestamp now{};
  std::unordered_map<instance_id, instance_write> instances;
  std::map<std::pair<std::uint32_t, std::uint64_t>, outbox_message> outbox;
  std::map<std::uint32_t, std::uint64_t> outbox_acknowledged; ///< By `to`.
  std::map<std::uint32_t, std::uint64_t> outbox_heads;        ///< By `to`.
  std::map<std::uint32_t, std::uint64_t> marks;               ///< By `from`.
};

class pending_writes {
public:
  /// Takes one turn; `bytes` is what it weighs. Turns of a partition come in
  /// order.
  void add(turn_writes&& turn, std::size_t bytes);

  bool empty() const {
    return partitions_.empty();
  }

  std::size_t bytes() const {
    return bytes_;
  }

  std::size_t instance_count() const {
    return instances_;
  }

  const std::map<std::uint32_t, pending_partition>& partitions() const {
    return partitions_;
  }

  /// Null if nothing is pending for it.
  const instance_write* find(partition_id partition,
                             const instance_id& id) const;

private:
  std::map<std::uint32_t, pending_partition> partitions_;
  std::size_t bytes_ = 0;
  std::size_t instances_ = 0;
};

} // namespace perdura::persistence
