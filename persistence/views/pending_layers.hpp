// SPDX-License-Identifier: Apache-2.0
/// The turns in memory at one moment, as a reader or a flush sees them: layers
/// of merged turns, oldest first. Each layer is immutable while this object
/// holds it.
#pragma once

#include "persistence/views/pending_writes.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace perdura::persistence {

/// Thread-safe, because it is immutable.
class pending_layers {
public:
  using layer = std::shared_ptr<const pending_writes>;

  pending_layers() = default;

  explicit pending_layers(std::vector<layer> oldest_first)
    : layers_(std::move(oldest_first)) {}

  /// The writes of an instance, oldest first; one for each layer that has one.
  /// Applying them in order gives the state of the instance.
  std::vector<const instance_write*> writes_of(partition_id partition,
                                               const instance_id& id) const;

  /// True if a layer contains a write of the instance. The rows of such an
  /// instance do not show its state.
  bool contains(partition_id partition, const instance_id& id) const;

  /// Calls `visit(write)` for the newest write of each instance of the
  /// partition, in no order, if `accepts(write)` is true. `accepts` may be
  /// called for older writes too.
  template <class Accepts, class Visit>
  void for_each_newest(partition_id partition, Accepts accepts,
                       Visit visit) const {
    for (std::size_t i = 0; i < layers_.size(); ++i)
      if (const pending_partition* part = layers_[i]->find(partition))
        for (const auto& [id, write] : part->instances)
          if (accepts(write) && !is_in_layer_after(i, partition, id))
            visit(write);
  }

  /// The writes to one partition, merged over all layers.
  struct merged_partition {
    partition_id partition{};
    /// The writes in the order of the instance IDs, one for each instance.
    /// They point into the layers or into `copies`.
    std::vector<const instance_write*> writes;
    /// Everything but the instances. Points into a layer or to `head_copy`.
    const pending_partition* head = nullptr;
    /// The answers of `head` in the order of their rows.
    std::vector<const std::pair<const hash128, pending_requests::entry>*>
      requests;

    std::deque<instance_write> copies;
    std::unique_ptr<pending_partition> head_copy;
  };

  /// The partitions with writes, in ascending order.
  std::vector<partition_id> partitions() const;

  /// @pre A layer has writes to the partition.
  merged_partition merge_partition(partition_id partition) const;

  /// Sum of the instances of all layers.
  std::size_t instance_count() const;

  const std::vector<layer>& layers() const {
    return layers_;
  }

  /// Gives up the layers.
  std::vector<layer> release() && {
    return std::move(layers_);
  }

private:
  bool is_in_layer_after(std::size_t i, partition_id partition,
                         const instance_id& id) const;

  std::vector<layer> layers_;
};

} // namespace perdura::persistence
